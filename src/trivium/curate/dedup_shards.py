"""Deduplication out of core: sorted runs on disk, merged bucket by bucket through the shard ledger.

1. Each shard of documents writes its keys (one of the whole text, one a band of its signature) as a sorted
   run, and the shingle sets of its documents beside it.
2. Each bucket, a range of keys, reads its slice of every run and proposes pairs.
3. Pairs are verified by the true Jaccard index, the sets are mapped into memory and not read whole.
4. Verified pairs are joined to clusters; of each its first document is kept.

In memory at once are the documents of one shard, one bucket and the pairs. Results do not depend on how many
workers, shards or buckets there are, but for buckets of more than `dedup.MAX_BUCKET` equal keys, which are
compared with their first member only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trivium.curate.arrays import LOCAL, LOCAL_BITS, Places, bucket_edges, load, store
from trivium.curate.dedup import (
    Duplicate,
    band_keys,
    candidate_pairs,
    join_pairs,
    shingle_sets,
    similar,
    text_keys,
)
from trivium.store.ledger import run_shards

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.store.run import StageDir

Shard = TypeVar("Shard")
BUCKET_KEYS = 1_000_000
"""Keys a bucket; each takes 16 bytes, and some 64 while they are sorted."""
PAIRS_A_SHARD = 20_000
RUNS = "dedup-runs"


def deduplicate(
    stage: StageDir,
    shards: Sequence[Shard],
    read: Callable[[Shard], Sequence[str]],
    threshold: float,
) -> list[Duplicate]:
    """Return what `dedup.find_duplicates` returns for the texts of all shards one after the other.

    Args:
        stage: Its scratch folder holds the runs until the stage finishes; a killed call goes on.
        shards: Picklable values.
        read: Module-level callable (or `functools.partial` of one) that returns the texts of a shard.
        threshold: Least Jaccard index of a near-duplicate, in (0, 1].
    """
    folder = stage.scratch / RUNS
    numbered = list(enumerate(shards))
    runs = run_shards(stage, "dedup-keys", partial(write_run, folder, read), numbered, label="hash documents")
    sizes = runs["sizes"].to_pydict() if shards else {"documents": [], "keys": []}
    buckets = max(1, -(-sum(sizes["keys"]) // BUCKET_KEYS))
    jobs = [(bucket, buckets, len(shards)) for bucket in range(buckets)]
    tables = run_shards(stage, "dedup-pairs", partial(propose, folder), jobs, label="find pairs")
    pairs = np.unique(_columns(tables["pairs"]), axis=0)
    verified = run_shards(
        stage, "dedup-verify", partial(verify, folder, threshold), _parts(pairs), label="compare pairs"
    )
    near = _columns(verified["pairs"]) if len(pairs) else pairs
    copies = np.array(join_pairs(map(tuple, near.tolist())), np.int64).reshape(-1, 2)
    measured = run_shards(stage, "dedup-copies", partial(measure, folder), _parts(copies), label="copies")
    if not len(copies):
        return []
    places = Places(sizes["documents"])
    return [
        Duplicate(places.of(index), places.of(head), row["similarity"], row["exact"])
        for (index, head), row in zip(copies.tolist(), measured["copies"].to_pylist(), strict=True)
    ]


def _parts(pairs: np.ndarray) -> list[np.ndarray]:
    return [pairs[i : i + PAIRS_A_SHARD] for i in range(0, len(pairs), PAIRS_A_SHARD)]


def write_run(
    folder: Path, read: Callable[[Any], Sequence[str]], job: tuple[int, Any]
) -> dict[str, pa.Table]:
    """Write the sorted run and the shingle sets of one shard; return how many documents and keys it has."""
    import pyarrow as pa

    number, shard = job
    texts = read(shard)
    sets = shingle_sets(texts)
    keys, owners = band_keys(sets)
    exact = text_keys(texts)
    keys = np.concatenate([exact[:, 0], keys])
    owners = np.concatenate([np.arange(len(texts)), owners])
    order = np.lexsort((owners, keys))
    arrays = {
        "keys": keys[order],
        "owners": owners[order].astype(np.uint32),
        "exact": exact,
        "sets": np.concatenate([np.zeros(0, np.uint64), *sets]),
        "starts": np.concatenate([[0], np.cumsum([len(found) for found in sets])]).astype(np.int64),
    }
    for name, array in arrays.items():
        store(folder, number, name, array)
    return {"sizes": pa.table({"documents": [len(texts)], "keys": [len(keys)]})}


def propose(folder: Path, job: tuple[int, int, int]) -> dict[str, pa.Table]:
    """Return the candidate pairs of one range of keys."""
    bucket, buckets, num_shards = job
    parts, numbers = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for shard in range(num_shards):
        keys = load(folder, shard, "keys")
        left, right = bucket_edges(keys, bucket, buckets)
        parts.append(np.array(keys[left:right]))
        owners = np.array(load(folder, shard, "owners")[left:right], np.int64)
        numbers.append(owners + (shard << LOCAL_BITS))
    keys, owners = np.concatenate(parts), np.concatenate(numbers)
    order = np.lexsort((owners, keys))
    found = {pair for pair in candidate_pairs(keys[order], owners[order]) if pair[0] != pair[1]}
    return {"pairs": _table(np.array(sorted(found), np.int64).reshape(-1, 2))}


def verify(folder: Path, threshold: float, pairs: np.ndarray) -> dict[str, pa.Table]:
    """Return the pairs that are equal texts or reach the threshold."""
    sets = _Sets(folder)
    keep = [
        sets.equal(first, second) or similar(sets.of(first), sets.of(second), threshold) >= threshold
        for first, second in pairs.tolist()
    ]
    return {"pairs": _table(pairs[np.array(keep, bool)])}


def measure(folder: Path, copies: np.ndarray) -> dict[str, pa.Table]:
    """Return how similar copies are to the first of their cluster; not every such pair was proposed.

    Sets that are looked at count as memory of the process that maps them, so it is a worker's work.
    """
    import pyarrow as pa

    sets = _Sets(folder)
    exact = [sets.equal(index, head) for index, head in copies.tolist()]
    values = [
        1.0 if same else round(similar(sets.of(head), sets.of(index), 0.0), 4)
        for same, (index, head) in zip(exact, copies.tolist(), strict=True)
    ]
    return {"copies": pa.table({"similarity": pa.array(values, pa.float64()), "exact": exact})}


class _Sets:
    """Texts' keys and shingle sets of all shards, mapped into memory when first used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[int, str], np.ndarray] = {}

    def _array(self, shard: int, name: str) -> np.ndarray:
        if (shard, name) not in self._open:
            self._open[shard, name] = load(self._folder, shard, name)
        return self._open[shard, name]

    def of(self, number: int) -> np.ndarray:
        shard, place = number >> LOCAL_BITS, number & LOCAL
        starts = self._array(shard, "starts")
        return np.asarray(self._array(shard, "sets")[starts[place] : starts[place + 1]])

    def equal(self, first: int, second: int) -> bool:
        one = self._array(first >> LOCAL_BITS, "exact")[first & LOCAL]
        two = self._array(second >> LOCAL_BITS, "exact")[second & LOCAL]
        return bool((one == two).all())


def _table(pairs: np.ndarray) -> pa.Table:
    import pyarrow as pa

    return pa.table({"first": pairs[:, 0], "second": pairs[:, 1]})


def _columns(table: pa.Table) -> np.ndarray:
    return np.stack([table["first"].to_numpy(), table["second"].to_numpy()], axis=1)
