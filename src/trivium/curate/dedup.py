"""Exact and near-duplicates: a hash of the normalised text, MinHash bands, then the true Jaccard index.

Signatures come from rensa; bands, verification and clusters are here. A pair is a near-duplicate when the
Jaccard index of its word shingles reaches the threshold: bands only propose pairs, they never decide.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

NUM_PERMUTATIONS = 128
BANDS = 32
"""Of 4 rows each: a pair of Jaccard index 0.8 is proposed with probability 1 - (1 - 0.8^4)^32 > 0.9999999."""
SHINGLE_WORDS = 5
"""FineWeb and most MinHash pipelines take word 5-grams."""
SEED = 11
MAX_BUCKET = 64
"""Members of one bucket that are compared pairwise; the rest are compared with the first of it only."""
NOT_WORD = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Document `index` repeats document `kept`; similarity 1.0 and exact=True for equal normalised texts."""

    index: int
    kept: int
    similarity: float
    exact: bool


def normalise(text: str) -> str:
    """Lower-case and fold every run of other signs into one blank."""
    return NOT_WORD.sub(" ", text.lower()).strip()


def shingles(text: str) -> np.ndarray:
    """Return the sorted distinct 64-bit hashes of the word 5-grams of a text (of all words, if fewer)."""
    words = np.array([zlib.crc32(word.encode()) for word in normalise(text).split()], dtype=np.uint64)
    if not len(words):
        return np.zeros(0, np.uint64)
    n = min(SHINGLE_WORDS, len(words))
    mixed = np.full(len(words) - n + 1, n, np.uint64)
    for offset in range(n):
        mixed = (mixed ^ words[offset : len(words) - n + 1 + offset]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed)


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Return |A and B| / |A or B| of two sorted sets; 0 where both are empty."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - shared
    return shared / union if union else 0.0


def find_duplicates(texts: Sequence[str], threshold: float) -> list[Duplicate]:
    """Return every text that repeats an earlier one, in order; the first of a cluster is kept.

    Args:
        texts: Documents, the ones to prefer first.
        threshold: Least Jaccard index of a near-duplicate, in (0, 1].
    """
    exact = _exact(texts)
    repeated = {dup.index for dup in exact}
    rest = [i for i in range(len(texts)) if i not in repeated]
    sets = {i: shingles(texts[i]) for i in rest}
    near = _clusters(_verified(_candidates(rest, sets), sets, threshold), sets)
    return sorted(exact + near, key=lambda dup: dup.index)


def _exact(texts: Sequence[str]) -> list[Duplicate]:
    first: dict[bytes, int] = {}
    found = []
    for index, text in enumerate(texts):
        key = hashlib.blake2b(normalise(text).encode(), digest_size=16).digest()
        kept = first.setdefault(key, index)
        if kept != index:
            found.append(Duplicate(index, kept, 1.0, True))
    return found


def _candidates(order: list[int], sets: dict[int, np.ndarray]) -> set[tuple[int, int]]:
    """Return the pairs (earlier, later) that share a band of their signatures."""
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

    indices = [i for i in order if len(sets[i])]
    if not indices:
        return set()
    flat = np.concatenate([sets[i] for i in indices])
    offsets = np.concatenate([[0], np.cumsum([len(sets[i]) for i in indices])]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, NUM_PERMUTATIONS, SEED)
    signatures = np.array(matrix.to_rows(), dtype=np.uint32)
    rows = NUM_PERMUTATIONS // BANDS
    pairs: set[tuple[int, int]] = set()
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for index, key in zip(indices, part.view(f"V{4 * rows}").ravel().tolist(), strict=True):
            buckets[bytes(key)].append(index)
        for members in buckets.values():
            pairs.update(_pairs(members))
    return pairs


def _pairs(members: list[int]) -> Iterable[tuple[int, int]]:
    near = members[:MAX_BUCKET]
    for place, later in enumerate(near):
        for earlier in near[:place]:
            yield earlier, later
    for later in members[MAX_BUCKET:]:
        yield members[0], later


def _verified(
    pairs: set[tuple[int, int]], sets: dict[int, np.ndarray], threshold: float
) -> list[tuple[int, int, float]]:
    found = []
    for first, second in sorted(pairs):
        small, large = sorted((len(sets[first]), len(sets[second])))
        if small < threshold * large:  # the index cannot exceed the ratio of the sizes
            continue
        similarity = jaccard(sets[first], sets[second])
        if similarity >= threshold:
            found.append((first, second, similarity))
    return found


def _clusters(pairs: list[tuple[int, int, float]], sets: dict[int, np.ndarray]) -> list[Duplicate]:
    """Join pairs; every member but the first of a cluster is a duplicate of the first."""
    parent: dict[int, int] = {}

    def root(index: int) -> int:
        while parent.setdefault(index, index) != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second, _ in pairs:
        a, b = root(first), root(second)
        parent[max(a, b)] = min(a, b)
    return [
        Duplicate(index, root(index), round(jaccard(sets[root(index)], sets[index]), 4), False)
        for index in sorted(parent)
        if root(index) != index
    ]


def cluster_sizes(duplicates: Sequence[Duplicate]) -> dict[int, int]:
    """Return size -> number of clusters (the kept document counts as a member)."""
    members: dict[int, int] = defaultdict(lambda: 1)
    for dup in duplicates:
        members[dup.kept] += 1
    sizes: dict[int, int] = defaultdict(int)
    for size in members.values():
        sizes[size] += 1
    return dict(sorted(sizes.items()))


def planted_report(
    groups: Sequence[str], texts: Sequence[str], planted: Sequence[bool], duplicates: Sequence[Duplicate],
    threshold: float,
) -> dict[str, float | int]:  # fmt: skip
    """Measure against planted copies.

    Args:
        groups: Known origin of each text; texts of one origin are copies of each other, "" means unknown.
        texts: The texts that were searched.
        planted: Whether each is a planted copy.
        duplicates: What was found.
        threshold: The threshold that was used.

    Returns:
        planted: copies whose original was searched too; within_reach: those whose true Jaccard index reaches
        the threshold; found: those that lie in the cluster of their original; recall: found / within_reach;
        precision: of the removed texts of known origin, the part that repeats a text of the same origin.
    """
    originals = {group: i for i, group in enumerate(groups) if group and not planted[i]}
    removed = {dup.index: dup.kept for dup in duplicates}
    copies = [(i, originals[groups[i]]) for i, copy in enumerate(planted) if copy and groups[i] in originals]
    reach = [(i, o) for i, o in copies if jaccard(shingles(texts[i]), shingles(texts[o])) >= threshold]
    found = sum(1 for i, o in reach if _head(i, removed) == _head(o, removed))
    known = [(i, k) for i, k in removed.items() if groups[i] and groups[k]]
    right = sum(1 for i, k in known if groups[i] == groups[k])
    return {
        "planted": len(copies),
        "within_reach": len(reach),
        "found": found,
        "recall": round(found / max(1, len(reach)), 4),
        "removed_of_known_origin": len(known),
        "precision": round(right / max(1, len(known)), 4),
    }


def _head(index: int, removed: dict[int, int]) -> int:
    while index in removed:
        index = removed[index]
    return index
