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

from trivium.curate.decontaminate_index import LONG, SHORT, Index, Item, normal_prompt
from trivium.curate.ngrams import blocks, distinct, encode, split_words

__all__ = ["Checked", "Finding", "Index", "Item", "Row", "Rules", "check", "normal_prompt", "ratio"]

PAIRS = 1 << 22
"""(row, item) pairs that are counted at a time."""
CLEAN, PARTIAL = "clean", "partial"
SEVEN, THIRTEEN, PROMPT = "contaminated_7gram", "contaminated_13gram", "contaminated_prompt"
REPHRASED = "contaminated_rephrased"
LABELS = (CLEAN, PARTIAL, SEVEN, THIRTEEN, PROMPT, REPHRASED)
"""The last one is given by `decontaminate_rephrased`, to rows that are clean or partial by Algorithm 1."""


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
    """The first shared 13-gram, or the words in question, for `contaminated_rephrased`."""


@dataclass
class Hits:
    """What rows share with items; can be collected shard by shard, and is small where leaks are rare."""

    long_rows: np.ndarray
    long_grams: np.ndarray
    long_places: np.ndarray
    """First token of the 13-gram in its row."""
    short_rows: np.ndarray
    short_grams: np.ndarray
    """Distinct (row, 7-gram) pairs, sorted."""
    num_short: dict[int, int]
    """Distinct 7-grams of each row that shares one."""


@dataclass(frozen=True)
class Checked:
    """One finding a row, in order, and how many shared n-grams were spared as ubiquitous."""

    findings: list[Finding]
    spared_13grams: int
    spared_7grams: int


def check(index: Index, rows: Sequence[Row], rules: Rules) -> Checked:
    """Label every row."""
    findings = [Finding(CLEAN)] * len(rows)
    hits = collect(index, [row.text for row in rows])
    concerned = np.unique(np.concatenate([hits.long_rows, hits.short_rows])).tolist()
    keys = np.zeros(len(rows), dtype=np.uint64)
    keys[concerned] = np.array([hash_of(rows[row]) for row in concerned], dtype=np.uint64)
    least = rules.ubiquitous_rows
    rare = ~_ubiquitous(hits.long_rows, hits.long_grams, keys, len(index.long.hashes), least)
    rare_short = ~_ubiquitous(hits.short_rows, hits.short_grams, keys, len(index.short.hashes), least)
    for row, finding in _by_ratio(index, hits, rare_short, rules):
        findings[row] = finding
    for row, gram, place in _first_rare(hits, rare):
        words = split_words(rows[row].text)[place : place + LONG]
        findings[row] = Finding(
            THIRTEEN, index.items[index.long_items[gram]].id, gram=" ".join(words).strip()
        )
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


def collect(index: Index, texts: Sequence[str]) -> Hits:
    """Find every known n-gram of every text."""
    parts: list[list[np.ndarray]] = [[], [], [], [], []]
    num_short: dict[int, int] = {}
    start = 0
    for block in blocks(texts):
        encoded = encode(block)
        rows, grams, places = encoded.hits(LONG, index.long)
        for part, array in zip(parts, (rows + start, grams, places), strict=False):
            part.append(array)
        rows, grams, _ = encoded.hits(SHORT, index.short)
        rows, grams = distinct(rows, grams)
        parts[3].append(rows + start)
        parts[4].append(grams)
        for row in np.unique(rows).tolist():
            num_short[row + start] = encoded.num_distinct(row, SHORT)
        start += len(block)
    joined = [np.concatenate([np.zeros(0, np.int64), *arrays]) for arrays in parts]
    return Hits(joined[0], joined[1], joined[2], joined[3], joined[4], num_short)


def _ubiquitous(rows: np.ndarray, grams: np.ndarray, keys: np.ndarray, count: int, least: int) -> np.ndarray:
    """Return for each gram whether rows of at least `least` different prompts have it, shape (count,)."""
    if least <= 0 or not len(rows):
        return np.zeros(count, dtype=bool)
    owners, _ = distinct(grams, keys[rows])
    return np.bincount(owners, minlength=count) >= least


def _first_rare(hits: Hits, rare: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yield (row, gram, place) of the first rare shared 13-gram of each row that has one."""
    keep = rare[hits.long_grams]
    firsts, order = np.unique(hits.long_rows[keep], return_index=True)
    found = (hits.long_grams[keep][order], hits.long_places[keep][order])
    yield from zip(firsts.tolist(), *(array.tolist() for array in found), strict=True)


def _by_ratio(index: Index, hits: Hits, rare: np.ndarray, rules: Rules) -> Iterator[tuple[int, Finding]]:
    """Yield (row, finding) of the rows whose greatest 7-gram ratio reaches the lower threshold."""
    for rows, grams in _row_slices(index, hits):
        places, items = index.items_of(grams)
        pairs, inverse, shared = np.unique(
            rows[places] * len(index.items) + items, return_inverse=True, return_counts=True
        )
        compared = np.bincount(inverse, weights=rare[grams[places]], minlength=len(pairs)) > 0
        pairs, shared = pairs[compared], shared[compared]
        owners, items = pairs // len(index.items), pairs % len(index.items)
        sizes = np.array([hits.num_short[row] for row in owners.tolist()], np.int64)
        ratios = shared / np.maximum(1, np.minimum(sizes, index.item_sizes[items]))
        order = np.lexsort((items, -ratios, owners))
        _, firsts = np.unique(owners[order], return_index=True)
        for best in order[firsts].tolist():
            value = float(ratios[best])
            if value > rules.partial_ratio:
                label = SEVEN if value >= rules.contaminated_ratio else PARTIAL
                yield int(owners[best]), Finding(label, index.items[items[best]].id, round(value, 6))


def _row_slices(index: Index, hits: Hits) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the (row, 7-gram) pairs between rows, so that each slice meets a bounded number of items."""
    if not len(hits.short_rows):
        return
    degrees = index.posting_starts[hits.short_grams + 1] - index.posting_starts[hits.short_grams]
    firsts = np.flatnonzero(np.diff(hits.short_rows, prepend=-1))
    load = (np.cumsum(degrees) - degrees)[firsts] // PAIRS
    edges = [*firsts[np.flatnonzero(np.diff(load, prepend=-1))].tolist(), len(hits.short_rows)]
    for left, right in zip(edges, edges[1:], strict=False):
        yield hits.short_rows[left:right], hits.short_grams[left:right]
