"""Arrays of shards on disk, mapped into memory, and the numbers of their documents.

A document's number is its shard's in the high bits and its place in the shard in the low ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from trivium.store.files import write_atomic

LOCAL_BITS = 32
LOCAL = (1 << LOCAL_BITS) - 1


def store(folder: Path, shard: int, name: str, array: np.ndarray) -> None:
    """Write an array of a shard, whole or not at all."""
    write_atomic(_path(folder, shard, name), partial(_save, array))


def load(folder: Path, shard: int, name: str) -> np.ndarray:
    """Map an array of a shard into memory, read only."""
    return np.load(_path(folder, shard, name), mmap_mode="r", allow_pickle=False)


def bucket_edges(sorted_keys: np.ndarray, bucket: int, buckets: int) -> tuple[int, int]:
    """Return where a bucket, one of equal ranges of 64-bit keys, starts and ends in sorted ones."""
    first, last = (bucket << 64) // buckets, ((bucket + 1) << 64) // buckets - 1
    left = np.searchsorted(sorted_keys, np.uint64(first))
    return int(left), int(np.searchsorted(sorted_keys, np.uint64(last), side="right"))


class Places:
    """Document number -> place among the documents of all shards one after the other."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Take the documents of each shard."""
        self._offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def of(self, number: int) -> int:
        """Return the place of a document."""
        return int(self._offsets[number >> LOCAL_BITS]) + (number & LOCAL)


def _path(folder: Path, shard: int, name: str) -> Path:
    return folder / f"{shard:06d}.{name}.npy"


def _save(array: np.ndarray, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, array)
