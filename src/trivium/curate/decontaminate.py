"""Decontamination: which training rows carry an evaluation item. Algorithm 1 of the Phi-4 report, appendix B.

1. A 13-gram of the row that stands in an item, and is not ubiquitous, makes it `contaminated_13gram`.
2. Else the 7-gram ratio |shared| / min(#row, #item), greatest over the items, makes it `contaminated_7gram`
   from one threshold on and `partial` above a lower one; else it is `clean`.

How ours differs. The report spares 13-grams common to Wikipedia and the training set, without a rule. Here a
13-gram is ubiquitous when it stands in at least `ubiquitous_rows` training rows with different prompts: the
sentences of a template are spared, many copies of one leaked item are not. An item is only compared by
7-grams where it shares one that is not ubiquitous by the same rule; the ratio then counts all. And a row that
asks an item's very prompt is `contaminated_prompt`, whatever its n-grams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trivium.curate.ngrams import Words, distinct, find, split_words

LONG, SHORT = 13, 7
"""Source: Phi-4 report, algorithm 1."""
BLOCK = 4_096
CLEAN, PARTIAL = "clean", "partial"
SEVEN, THIRTEEN, PROMPT = "contaminated_7gram", "contaminated_13gram", "contaminated_prompt"
LABELS = (CLEAN, PARTIAL, SEVEN, THIRTEEN, PROMPT)


@dataclass(frozen=True, slots=True)
class Item:
    """An evaluation item: what is asked, and the text with its answer or solution."""

    id: str
    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A training row: all of its text, and what it asks (empty for plain prose)."""

    text: str
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds of the algorithm."""

    partial_ratio: float
    contaminated_ratio: float
    ubiquitous_rows: int
    """0 spares nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The label of a row, and the item that gave it."""

    label: str
    item_id: str = ""
    ratio: float = 0.0
    """Greatest 7-gram ratio over the items that were compared; 0 where another rule decided before."""
    gram: str = ""
    """The first shared 13-gram, for `contaminated_13gram`."""


class Index:
    """Everything about the items that rows are compared with; built once."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Hash the items."""
        self.words = Words()
        self.items = list(items)
        self.prompts = {normal_prompt(item.prompt): item.id for item in reversed(self.items)}
        encoded = self.words.encode([item.text for item in self.items])
        owners, hashes = encoded.grams(LONG)
        self.long, first = np.unique(hashes, return_index=True)
        self.long_items = owners[first]
        owners, hashes = distinct(*encoded.grams(SHORT))
        self.short, places = np.unique(hashes, return_inverse=True)
        order = np.argsort(places, kind="stable")
        self.posting_items = owners[order]
        self.posting_starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(self.short)))])
        bounds = np.searchsorted(owners, np.arange(len(self.items) + 1))
        self.short_sets = [frozenset(places[a:b].tolist()) for a, b in zip(bounds, bounds[1:], strict=False)]

    def items_with(self, gram: int) -> np.ndarray:
        """Return the items that contain a 7-gram, by its place in `short`."""
        return self.posting_items[self.posting_starts[gram] : self.posting_starts[gram + 1]]


@dataclass
class _Hits:
    """The (row, gram) pairs that rows share with items, and how many distinct 7-grams each row has."""

    long_rows: np.ndarray
    long_grams: np.ndarray
    short_rows: np.ndarray
    short_grams: np.ndarray
    num_short: np.ndarray


def normal_prompt(prompt: str) -> str:
    """Return a prompt with its case and blanks levelled; signs stay, since 3 - 2 is not 3 + 2."""
    return " ".join(prompt.lower().split())


@dataclass(frozen=True)
class Checked:
    """One finding a row, in order, and how many shared n-grams were spared as ubiquitous."""

    findings: list[Finding]
    spared_13grams: int
    spared_7grams: int


def check(index: Index, rows: Sequence[Row], rules: Rules) -> Checked:
    """Label every row."""
    findings = [Finding(CLEAN)] * len(rows)
    hits = _collect(index, rows)
    keys = np.array([hash_of(row) for row in rows], dtype=np.uint64)
    rare = ~_ubiquitous(hits.long_rows, hits.long_grams, keys, len(index.long), rules.ubiquitous_rows)
    rare_short = ~_ubiquitous(
        hits.short_rows, hits.short_grams, keys, len(index.short), rules.ubiquitous_rows
    )
    for row, finding in _by_ratio(index, hits, rare_short, rules):
        findings[row] = finding
    for row, gram in _first_rare(hits, rare):
        item = index.items[index.long_items[gram]].id
        findings[row] = Finding(THIRTEEN, item, gram=_gram_text(index, rows[row].text, gram))
    for number, asking in enumerate(rows):
        for prompt in asking.prompts:
            same = index.prompts.get(normal_prompt(prompt))
            if same is not None:
                findings[number] = Finding(PROMPT, same)
    return Checked(findings, int((~rare).sum()), int((~rare_short).sum()))


def ratio(train: str, test: str) -> tuple[int, float]:
    """Return (shared 7-grams, shared / min(#train, #test)) of two texts; distinct 7-grams are counted."""
    first, second = _gram_set(train), _gram_set(test)
    shared = len(first & second)
    return shared, shared / max(1, min(len(first), len(second)))


def _gram_set(text: str) -> set[tuple[str, ...]]:
    words = split_words(text)
    return {tuple(words[i : i + SHORT]) for i in range(len(words) - SHORT + 1)}


def hash_of(row: Row) -> int:
    """Return 64 bits that tell rows of different prompts apart (of different texts, if nothing is asked)."""
    text = normal_prompt(row.prompts[0]) if row.prompts else row.text
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _collect(index: Index, rows: Sequence[Row]) -> _Hits:
    parts: list[list[np.ndarray]] = [[], [], [], [], []]
    for start in range(0, len(rows), BLOCK):
        encoded = index.words.encode([row.text for row in rows[start : start + BLOCK]])
        for n, known, place in ((LONG, index.long, 0), (SHORT, index.short, 2)):
            owners, hashes = encoded.grams(n)
            if n == SHORT:
                owners, hashes = distinct(owners, hashes)
                parts[4].append(np.bincount(owners, minlength=len(encoded.starts) - 1))
            grams = find(known, hashes)
            parts[place].append(owners[grams >= 0] + start)
            parts[place + 1].append(grams[grams >= 0])
    joined = [np.concatenate([np.zeros(0, np.int64), *arrays]) for arrays in parts]
    return _Hits(*joined)


def _ubiquitous(rows: np.ndarray, grams: np.ndarray, keys: np.ndarray, count: int, least: int) -> np.ndarray:
    """Return for each gram whether rows of at least `least` different prompts have it, shape (count,)."""
    if least <= 0 or not len(rows):
        return np.zeros(count, dtype=bool)
    owners, _ = distinct(grams, keys[rows])
    return np.bincount(owners, minlength=count) >= least


def _first_rare(hits: _Hits, rare: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (row, gram) of the first rare shared 13-gram of each row that has one."""
    keep = rare[hits.long_grams]
    rows, grams = hits.long_rows[keep], hits.long_grams[keep]
    firsts, places = np.unique(rows, return_index=True)
    yield from zip(firsts.tolist(), grams[places].tolist(), strict=True)


def _by_ratio(index: Index, hits: _Hits, rare: np.ndarray, rules: Rules) -> Iterator[tuple[int, Finding]]:
    """Yield (row, finding) of the rows whose greatest 7-gram ratio reaches the lower threshold."""
    bounds = np.searchsorted(hits.short_rows, np.arange(len(hits.num_short) + 1))
    with_rare = np.unique(hits.short_rows[rare[hits.short_grams]])
    for row in with_rare.tolist():
        grams = hits.short_grams[bounds[row] : bounds[row + 1]]
        own = set(grams.tolist())
        best, owner = 0.0, -1
        near = np.unique(np.concatenate([index.items_with(gram) for gram in grams[rare[grams]].tolist()]))
        for item in near.tolist():
            theirs = index.short_sets[item]
            shared = len(own & theirs) / min(int(hits.num_short[row]), len(theirs))
            if shared > best:
                best, owner = shared, item
        if best > rules.partial_ratio:
            label = SEVEN if best >= rules.contaminated_ratio else PARTIAL
            yield row, Finding(label, index.items[owner].id, round(best, 6))


def _gram_text(index: Index, text: str, gram: int) -> str:
    """Return the words of a shared 13-gram as they stand in a row."""
    words = split_words(text)
    _, hashes = index.words.encode([text]).grams(LONG)
    places = np.flatnonzero(hashes == index.long[gram])
    return " ".join(words[places[0] : places[0] + LONG]).strip() if len(places) else ""
