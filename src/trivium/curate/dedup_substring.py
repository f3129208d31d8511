"""Exact substrings: runs of words that stood before, in the same text or in another, are cut.

Lee et al. 2022 (arXiv:2107.06499) cut what repeats for 50 tokens or more, by a suffix array; a hash of every
window of 50 words finds the same runs, since a run of at least 50 repeated words is made of repeated windows.

Out of core it goes as in `dedup_shards`: each shard writes its window hashes as a sorted run, each bucket, a
range of hashes, merges its slice of every run and leaves the windows that stood before, shard by shard. In
memory at once are the windows of one shard or of one bucket.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trivium.curate.arrays import bucket_edges, load, store
from trivium.curate.ngrams import encode
from trivium.store.ledger import run_shards

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.store.run import StageDir

Shard = TypeVar("Shard")
WINDOW = 50
"""Words. Lee et al.: 50 tokens."""
BUCKET_WINDOWS = 1_000_000
"""Windows a bucket, about; each takes 16 bytes, and some 64 while they are sorted."""
FOLDER = "repeats-runs"
WORD = re.compile(r"\w+")


@dataclasses.dataclass(frozen=True, slots=True)
class Windows:
    """Every run of so many words of some texts, text after text."""

    owners: np.ndarray
    """The text of each window, ascending."""
    starts: np.ndarray
    """The word of its text at which each window starts."""
    hashes: np.ndarray
    words: np.ndarray
    """Words of each text."""


def repeated_spans(texts: Sequence[str], window: int = WINDOW) -> list[list[tuple[int, int]]]:
    """Return for each text the character ranges that repeat earlier words, in order, not overlapping.

    Args:
        texts: The ones to prefer first; their word hashes (8 bytes a word) are held in memory.
        window: Least number of words that must repeat in a row.
    """
    found = windows_of(texts, window)
    _, firsts, inverse = np.unique(found.hashes, return_index=True, return_inverse=True)
    return spans_of(texts, found, np.flatnonzero(firsts[inverse] != np.arange(len(inverse))), window)


def windows_of(texts: Sequence[str], window: int) -> Windows:
    """Hash every window of words."""
    encoded = encode(texts, edges=False)
    owners, hashes = encoded.grams(window)
    counts = np.bincount(owners, minlength=len(texts))
    starts = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Windows(owners, starts, hashes, np.diff(encoded.starts))


def spans_of(
    texts: Sequence[str], windows: Windows, again: np.ndarray, window: int
) -> list[list[tuple[int, int]]]:
    """Return the character ranges that some windows cover.

    Args:
        texts: Whose windows these are.
        windows: From `windows_of`.
        again: Places of the windows that stood before, ascending.
        window: Words a window.
    """
    spans: list[list[tuple[int, int]]] = [[] for _ in texts]
    owners, starts = windows.owners[again], windows.starts[again]
    bounds = np.searchsorted(owners, np.arange(len(texts) + 1))
    for text in np.unique(owners).tolist():
        own = starts[bounds[text] : bounds[text + 1]]
        spans[text] = _in_characters(texts[text], own, window, int(windows.words[text]))
    return spans


def _in_characters(text: str, starts: np.ndarray, window: int, count: int) -> list[tuple[int, int]]:
    words = [match.span() for match in WORD.finditer(text)]
    if len(words) != count:
        return []  # a letter whose lower case is no word: its text stays as it is
    covered = np.zeros(len(words) + 2, bool)
    for start in starts.tolist():
        covered[start + 1 : start + 1 + window] = True
    edges = np.flatnonzero(covered[1:] != covered[:-1])
    return [(words[a][0], words[b - 1][1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@dataclasses.dataclass(frozen=True, slots=True)
class Repeats:
    """Where the windows lie that stood before, of all shards."""

    folder: Path
    buckets: int

    def of(self, shard: int) -> np.ndarray:
        """Return the places of those of one shard among its windows, ascending."""
        found = [np.zeros(0, np.int64)]
        for bucket in range(self.buckets):
            left, right = load(self.folder, bucket, "bounds")[shard : shard + 2].tolist()
            found.append(np.array(load(self.folder, bucket, "again")[left:right], np.int64))
        return np.sort(np.concatenate(found))


def find_repeats(
    stage: StageDir, shards: Sequence[Shard], read: Callable[[Shard], Sequence[str]], window: int
) -> Repeats:
    """Find what `repeated_spans` finds in the texts of all shards one after the other.

    Args:
        stage: Its scratch folder holds the runs until the stage finishes; a killed call goes on.
        shards: Picklable values.
        read: Module-level callable (or `functools.partial` of one) that returns the texts of a shard.
        window: Least number of words that must repeat in a row.
    """
    folder = stage.scratch / FOLDER
    write = partial(write_windows, folder, read, window)
    sizes = run_shards(stage, "repeats-windows", write, list(enumerate(shards)), label="hash windows")
    buckets = max(1, -(-sum(sizes["sizes"]["windows"].to_pylist()) // BUCKET_WINDOWS))
    jobs = [(bucket, buckets, len(shards)) for bucket in range(buckets)]
    run_shards(stage, "repeats-again", partial(write_again, folder), jobs, label="find repeats")
    return Repeats(folder, buckets)


def write_windows(
    folder: Path, read: Callable[[Any], Sequence[str]], window: int, job: tuple[int, Any]
) -> dict[str, pa.Table]:
    """Write the sorted run of one shard; return how many windows it has."""
    import pyarrow as pa

    number, shard = job
    hashes = windows_of(read(shard), window).hashes
    order = np.argsort(hashes, kind="stable")
    store(folder, number, "keys", hashes[order])
    store(folder, number, "places", order.astype(np.uint32))
    return {"sizes": pa.table({"windows": [len(hashes)]})}


def write_again(folder: Path, job: tuple[int, int, int]) -> dict[str, pa.Table]:
    """Write the windows of one range of hashes that stood before, ordered by shard; return how many."""
    import pyarrow as pa

    bucket, buckets, num_shards = job
    keys, places, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)], []
    for shard in range(num_shards):
        run = load(folder, shard, "keys")
        left, right = bucket_edges(run, bucket, buckets)
        keys.append(np.array(run[left:right]))
        places.append(np.array(load(folder, shard, "places")[left:right]))
        counts.append(right - left)
    flat, owners = np.concatenate(keys), np.repeat(np.arange(num_shards), counts)
    order = np.argsort(
        flat, kind="stable"
    )  # runs come shard by shard, and sorted stably: by hash, then place
    again = np.sort(order[1:][flat[order][1:] == flat[order][:-1]])
    store(folder, bucket, "again", np.concatenate(places)[again])
    store(folder, bucket, "bounds", np.searchsorted(owners[again], np.arange(num_shards + 1)))
    return {"sizes": pa.table({"repeats": [len(again)]})}
