"""Exact and near-duplicates: a hash of the normalised text, MinHash bands, then the true Jaccard index.

Signatures come from rensa; bands, verification and clusters are here. A pair is a near-duplicate when the
Jaccard index of its word shingles reaches the threshold: bands only propose pairs, they never decide.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trivium.curate.ngrams import blocks, encode

NUM_PERMUTATIONS = 128
BANDS = 32
"""Of 4 rows each: a pair of Jaccard index 0.8 is proposed with probability 1 - (1 - 0.8^4)^32 > 0.9999999."""
SHINGLE_WORDS = 5
"""FineWeb and most MinHash pipelines take word 5-grams."""
SEED = 11
MAX_BUCKET = 64
"""Members of one bucket that are compared pairwise; the rest are compared with the first of it only."""
NOT_WORD = re.compile(r"\W+")
_ODD = np.uint64(0x9E3779B97F4A7C15)


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
    return shingle_sets([text])[0]


def shingle_sets(texts: Sequence[str]) -> list[np.ndarray]:
    """Return `shingles` of many texts, many times as fast as one by one."""
    sets: list[np.ndarray] = []
    for block in blocks(texts):
        encoded = encode(block, edges=False)
        owners, hashes = encoded.grams(SHINGLE_WORDS)
        bounds = np.searchsorted(owners, np.arange(len(block) + 1))
        for place, (left, right) in enumerate(zip(bounds, bounds[1:], strict=False)):
            size = int(encoded.starts[place + 1] - encoded.starts[place])
            if 0 < size < SHINGLE_WORDS:
                sets.append(encode([block[place]], edges=False).grams(size)[1])
            else:
                sets.append(np.unique(hashes[left:right]))
    return sets


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Return |A and B| / |A or B| of two sorted sets; 0 where both are empty."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - shared
    return shared / union if union else 0.0


def similar(first: np.ndarray, second: np.ndarray, threshold: float) -> float:
    """Return the Jaccard index, or 0 where the sizes alone rule the threshold out."""
    small, large = sorted((len(first), len(second)))
    return 0.0 if small < threshold * large else jaccard(first, second)


def find_duplicates(texts: Sequence[str], threshold: float) -> list[Duplicate]:
    """Return every text that repeats an earlier one, in order; the first of a cluster is kept.

    >>> lever = "a lever turns a small force over a long way into a large force over a short way"
    >>> [(found.index, found.exact) for found in find_duplicates([lever, "another text", lever], 0.8)]
    [(2, True)]

    All in memory; `dedup_shards.deduplicate` does the same through the shard ledger.

    Args:
        texts: Documents, the ones to prefer first.
        threshold: Least Jaccard index of a near-duplicate, in (0, 1].
    """
    exact = _exact(texts)
    repeated = {dup.index for dup in exact}
    rest = [i for i in range(len(texts)) if i not in repeated]
    found = shingle_sets([texts[i] for i in rest])
    sets = dict(zip(rest, found, strict=True))
    keys, owners = band_keys(found)
    order = np.lexsort((owners, keys))
    places = np.array(rest, np.int64)
    pairs = {(int(places[a]), int(places[b])) for a, b in candidate_pairs(keys[order], owners[order])}
    near = join_pairs(_verified(pairs, sets, threshold))
    heads = [
        Duplicate(index, head, round(jaccard(sets[head], sets[index]), 4), False) for index, head in near
    ]
    return sorted(exact + heads, key=lambda dup: dup.index)


def text_keys(texts: Sequence[str]) -> np.ndarray:
    """Return 128 bits of each normalised text, shape (len(texts), 2)."""
    digests = b"".join(hashlib.blake2b(normalise(text).encode("utf-8", "replace"), digest_size=16).digest()
                       for text in texts)  # fmt: skip
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


def _exact(texts: Sequence[str]) -> list[Duplicate]:
    first: dict[tuple[int, int], int] = {}
    found = []
    for index, (low, high) in enumerate(text_keys(texts).tolist()):
        kept = first.setdefault((low, high), index)
        if kept != index:
            found.append(Duplicate(index, kept, 1.0, True))
    return found


def band_keys(sets: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return (key, place in `sets`) of every band of every signature; equal keys propose a pair."""
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

    full = np.array([i for i, found in enumerate(sets) if len(found)], dtype=np.int64)
    if not len(full):
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    flat = np.concatenate([sets[i] for i in full])
    offsets = np.concatenate([[0], np.cumsum([len(sets[i]) for i in full])]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, NUM_PERMUTATIONS, SEED)
    signatures = np.array(matrix.to_rows(), dtype=np.uint64).reshape(len(full), BANDS, -1)
    keys = np.broadcast_to(np.arange(BANDS, dtype=np.uint64), (len(full), BANDS)).copy()
    for row in range(signatures.shape[2]):
        keys = (keys ^ signatures[:, :, row]) * _ODD
        keys ^= keys >> np.uint64(29)
    return keys.ravel(), np.repeat(full, BANDS)


def candidate_pairs(keys: np.ndarray, owners: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (earlier, later) of owners of equal keys.

    Args:
        keys: Sorted.
        owners: Sorted within equal keys.
    """
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
    sizes = np.diff(np.append(starts, len(keys)))
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        yield from _pairs(owners[start : start + size].tolist())


def _pairs(members: list[int]) -> Iterator[tuple[int, int]]:
    near = members[:MAX_BUCKET]
    for place, later in enumerate(near):
        for earlier in near[:place]:
            yield earlier, later
    for later in members[MAX_BUCKET:]:
        yield members[0], later


def _verified(
    pairs: set[tuple[int, int]], sets: Mapping[int, np.ndarray], threshold: float
) -> list[tuple[int, int]]:
    found = []
    for first, second in sorted(pairs):
        if similar(sets[first], sets[second], threshold) >= threshold:
            found.append((first, second))
    return found


def join_pairs(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return (member, first of its cluster) of every member but the first of each cluster, sorted."""
    parent: dict[int, int] = {}

    def root(index: int) -> int:
        while parent.setdefault(index, index) != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs:
        a, b = root(first), root(second)
        parent[max(a, b)] = min(a, b)
    return [(index, root(index)) for index in sorted(parent) if root(index) != index]


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
    groups: Sequence[str], texts: Sequence[str] | Mapping[int, str], planted: Sequence[bool],
    duplicates: Sequence[Duplicate], threshold: float,
) -> dict[str, float | int]:  # fmt: skip
    """Measure against planted copies.

    Args:
        groups: Known origin of each text; texts of one origin are copies of each other, "" means unknown.
        texts: The texts that were searched, at least those of known origin.
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
    sets = {i: shingles(texts[i]) for i in {place for pair in copies for place in pair}}
    reach = [(i, o) for i, o in copies if jaccard(sets[i], sets[o]) >= threshold]
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
