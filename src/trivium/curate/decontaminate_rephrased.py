"""Decontamination, second stage: items in other words, which share no 7-gram with the row that leaks them.

Every row is read in windows of the size of a question. A window is near an item when both are about the same
rare things and count with the same numbers: the similarity is the geometric mean of the cosine of their
TF-IDF vectors over word beginnings and of the Jaccard index of their numbers (of the cosine alone, where an
item has fewer than two numbers). Nothing is downloaded and nothing is random. A judge, a language model, may
then look at what was found. The Phi-4 report has no such stage; Yang et al. 2023 (arXiv:2311.04850) showed
that n-grams miss rephrased items, and look for them with sentence embeddings and a judge.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trivium.curate.decontaminate import REPHRASED, Finding
from trivium.curate.decontaminate_index import Item
from trivium.curate.ngrams import blocks, encode, find

SIMILARITY = 0.42
"""Similarity from which an item with numbers counts as rephrased. Chosen on half of GSM8K's training
questions and of 250 rephrased test questions (`benchmarks/decontamination.py` reports on the other halves):
of the same distribution, they are the hardest clean text there is."""
COSINE = 0.65
"""The same for an item with fewer than two numbers, where nothing but its words can tell."""
PREFIX = 5
"""Characters of a word that count: inflections fall together."""
MIN_IDF = 0.7
"""Words that stand in more than half of the background's windows say nothing."""
WINDOWS = (48, 96)
"""Words a window; GSM8K's questions have 20 to 100. Each overlaps the one before by half."""
CELLS = 1 << 21
"""(window, item) pairs that are compared at a time."""
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "hundred": "100", "twice": "2",
     "double": "2", "doubled": "2", "thrice": "3", "triple": "3", "tripled": "3", "dozen": "12"}  # fmt: skip

Judge = Callable[[Sequence[tuple[str, str]]], Sequence[bool | None]]
"""Says for pairs of (item, window of a row) whether both ask the same; None where it has no opinion."""


@dataclass(frozen=True, slots=True)
class Near:
    """A row's window and the item that it is nearest to."""

    row: int
    item: int
    similarity: float
    words: tuple[int, int]
    """First word of the window and the one after its last."""


@dataclass(frozen=True)
class _Features:
    """Distinct features of windows: (window, hash, count), sorted by window."""

    num_windows: int
    windows: np.ndarray
    hashes: np.ndarray
    counts: np.ndarray
    numeric: np.ndarray


class RephrasedIndex:
    """The items' vectors and numbers; built once."""

    def __init__(self, items: Sequence[Item], background: Sequence[str]) -> None:
        """Weigh words by how rare they are.

        Args:
            items: Compared by their prompts (by their texts, where they have none).
            background: Texts of the kind that is searched; some thousands do.
        """
        self.items = list(items)
        self.texts = [item.prompt or item.text for item in items]
        common = _features(background, None)
        self._known, counts = np.unique(common.hashes, return_counts=True)
        self._idf = np.log((common.num_windows + 1) / (counts + 1))
        self._unseen = float(np.log(common.num_windows + 1))
        found = _features(self.texts, None)
        weights = self._weigh(found)
        keep = weights > 0
        self._terms = _Postings(found.hashes[keep], found.windows[keep], weights[keep])
        numbers = found.numeric
        self._numbers = _Postings(found.hashes[numbers], found.windows[numbers], np.ones(int(numbers.sum())))
        self._num_numbers = np.bincount(found.windows[numbers], minlength=len(self.items))
        self._bounds = np.where(self._num_numbers >= 2, SIMILARITY, COSINE)

    def near(self, texts: Sequence[str]) -> list[Near]:
        """Return for each text its window that is nearest to an item, if it is near enough."""
        best: dict[int, Near] = {}
        for near in self.scores(texts):
            if near.similarity < self._bounds[near.item]:
                continue
            if near.row not in best or near.similarity > best[near.row].similarity:
                best[near.row] = near
        return [best[row] for row in sorted(best)]

    def scores(self, texts: Sequence[str]) -> Iterator[Near]:
        """Yield for every window of every text the item that it exceeds its bound by most or misses least."""
        if not self.items:
            return
        start = 0
        for block in blocks(texts):
            for size in WINDOWS:
                spans = _Spans()
                found = _features(block, size, spans)
                for first, similarities in self._compare(found):
                    items = np.argmax(similarities / self._bounds, axis=1)
                    for place, item in enumerate(items.tolist()):
                        row, left, right = spans.of(first + place)
                        value = float(similarities[place, item])
                        yield Near(start + row, item, round(value, 4), (left, right))
            start += len(block)

    def _weigh(self, found: _Features) -> np.ndarray:
        """Return the weight of each feature; the weights of a window have length one."""
        places = find(self._known, found.hashes)
        idf = np.where(places >= 0, self._idf[np.maximum(places, 0)] if len(self._idf) else 0, self._unseen)
        weights = (1 + np.log(found.counts)) * np.where(idf >= MIN_IDF, idf, 0.0)
        lengths = np.sqrt(np.bincount(found.windows, weights=weights**2, minlength=found.num_windows))
        return weights / np.maximum(1e-9, lengths[found.windows])

    def _compare(self, found: _Features) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first window, similarities, shape (windows, items)) of slices of windows."""
        weights = self._weigh(found)
        step = max(1, CELLS // len(self.items))
        for first in range(0, found.num_windows, step):
            count = min(step, found.num_windows - first)
            left, right = np.searchsorted(found.windows, [first, first + count])
            windows, hashes = found.windows[left:right] - first, found.hashes[left:right]
            shape = (count, len(self.items))
            cosines = self._terms.products(windows, hashes, weights[left:right], shape)
            numeric = found.numeric[left:right]
            windows, hashes = windows[numeric], hashes[numeric]
            shared = self._numbers.products(windows, hashes, np.ones(len(windows)), shape)
            own = np.bincount(windows, minlength=count)
            united = own[:, None] + self._num_numbers[None, :] - shared
            agreement = shared / np.maximum(1, united)
            with_numbers = np.sqrt(np.maximum(0, cosines) * agreement)
            yield first, np.where(self._num_numbers >= 2, with_numbers, cosines)


class _Postings:
    """Which items have a feature, and with what weight."""

    def __init__(self, hashes: np.ndarray, items: np.ndarray, weights: np.ndarray) -> None:
        order = np.argsort(hashes, kind="stable")
        self._items, self._weights = items[order], weights[order]
        self._hashes, starts = np.unique(hashes[order], return_index=True)
        self._starts = np.append(starts, len(hashes))

    def products(
        self, windows: np.ndarray, hashes: np.ndarray, weights: np.ndarray, shape: tuple[int, int]
    ) -> np.ndarray:
        """Return the sum of products of weights for every (window, item)."""
        places = find(self._hashes, hashes)
        windows, weights, places = windows[places >= 0], weights[places >= 0], places[places >= 0]
        sizes = self._starts[places + 1] - self._starts[places]
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        at = np.repeat(self._starts[places], sizes) + within
        cells = np.repeat(windows * shape[1], sizes) + self._items[at]
        values = np.repeat(weights, sizes) * self._weights[at]
        return np.bincount(cells, weights=values, minlength=shape[0] * shape[1]).reshape(shape)


class _Spans:
    """Where the windows of a block of texts lie."""

    def __init__(self) -> None:
        self.rows = self.lefts = self.rights = np.zeros(0, np.int64)

    def of(self, window: int) -> tuple[int, int, int]:
        """Return (text, first word, word after the last) of a window."""
        return int(self.rows[window]), int(self.lefts[window]), int(self.rights[window])


def _features(texts: Sequence[str], size: int | None, spans: _Spans | None = None) -> _Features:
    """Count the features of each window (of each whole text, where size is None)."""
    plain = [THOUSANDS.sub("", text) for text in texts]
    stems, words = encode(plain, PREFIX), encode(plain)
    hashes, numeric = stems.flat.copy(), stems.numeric.copy()
    spelled = find(_number_words()[0], words.flat)
    hashes[spelled >= 0] = _number_words()[1][spelled[spelled >= 0]]
    numeric[spelled >= 0] = True
    lengths = np.diff(stems.starts)
    rows, lefts, rights = _cut(lengths, size)
    if spans is not None:
        spans.rows, spans.lefts, spans.rights = rows, lefts, rights
    sizes = rights - lefts
    windows = np.repeat(np.arange(len(rows)), sizes)
    within = np.arange(len(windows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = np.repeat(stems.starts[rows] + lefts, sizes) + within
    order = np.lexsort((hashes[places], windows))
    windows, places = windows[order], places[order]
    found = hashes[places]
    first = np.ones(len(found), bool)
    first[1:] = (found[1:] != found[:-1]) | (windows[1:] != windows[:-1])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(found)))
    return _Features(len(rows), windows[starts], found[starts], counts, numeric[places[starts]])


def _cut(lengths: np.ndarray, size: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (text, first word, word after the last) of windows; a text of up to 1.5 sizes is one."""
    if size is None:
        return np.arange(len(lengths)), np.zeros(len(lengths), np.int64), lengths
    step = size // 2
    counts = np.where(lengths <= size + step, 1, -(-(lengths - size) // step) + 1)
    rows = np.repeat(np.arange(len(lengths)), counts)
    lefts = (np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)) * step
    rights = np.where(counts[rows] == 1, lengths[rows], np.minimum(lefts + size, lengths[rows]))
    return rows, lefts, rights


@functools.cache
def _number_words() -> tuple[np.ndarray, np.ndarray]:
    """Return (sorted hashes of number words, hashes of their digits)."""
    words = encode([" ".join(NUMBER_WORDS)]).flat
    values = encode([" ".join(NUMBER_WORDS.values())]).flat
    order = np.argsort(words)
    return words[order], values[order]


def find_rephrased(
    index: RephrasedIndex, texts: Sequence[str], judge: Judge | None = None
) -> dict[int, Finding]:
    """Return place -> finding of the texts that ask an item in other words.

    Args:
        index: The items.
        texts: Rows that the first stage let pass.
        judge: Keeps the finding unless it says no.
    """
    found = index.near(texts)
    if judge is not None and found:
        pairs = [(index.texts[near.item], window_text(texts[near.row], near.words)) for near in found]
        said = judge(pairs)
        found = [near for near, same in zip(found, said, strict=True) if same is not False]
    return {
        near.row: Finding(
            REPHRASED, index.items[near.item].id, near.similarity, window_text(texts[near.row], near.words)
        )
        for near in found
    }


def window_text(text: str, words: tuple[int, int]) -> str:
    """Return the words of a window, with the signs between them as they stand."""
    plain = THOUSANDS.sub("", text)
    lead = 1 if not plain or not (plain[0].isalnum() or plain[0] == "_") else 0
    ranges = [match.span() for match in re.finditer(r"\w+", plain)]
    ranges = ranges[max(0, words[0] - lead) : max(0, words[1] - lead)]
    return plain[ranges[0][0] : ranges[-1][1]] if ranges else ""
