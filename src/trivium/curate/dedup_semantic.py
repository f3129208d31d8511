"""Semantic duplicates: documents that say the same in other words, by vectors in clusters, out of core.

1. Each shard counts the word beginnings of its documents; their weights (TF-IDF) come from all shards.
2. Each shard writes the vectors of its documents: TF-IDF projected to 256 dimensions by random signs, which
   keeps cosines (Johnson and Lindenstrauss 1984; signs: Achlioptas 2003).
3. k-means over a sample gives clusters; every document joins the two that are nearest to it.
4. Each cluster compares its documents; in their order, a document goes if its cosine with one that stays
   reaches the threshold.

SemDeDup (Abbas et al. 2023, arXiv:2303.09540) does the same with a model's embeddings. The vectors here see
shared words only, need no model and are the same on every machine; on rephrased GSM8K questions they did as
well as the unprojected TF-IDF, and a singular value decomposition to 64 to 512 dimensions did worse than
either (docs/lab-notebook.md). In memory at once are some shards' counts of words, a cluster, the weights and
the pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trivium.curate.arrays import LOCAL, LOCAL_BITS, Places, load, store
from trivium.curate.dedup import Duplicate
from trivium.curate.ngrams import encode, find
from trivium.store.ledger import keep_shards, run_shards

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.store.run import StageDir

Shard = TypeVar("Shard")
DIMENSIONS = 256
PREFIX = 5
"""Characters of a word that count, as in `decontaminate_rephrased`."""
MAX_FREQUENCY = 0.5
"""Words of more than this part of the documents say nothing."""
CLUSTER = 1_000
"""Documents a cluster, about; fewer than twice as many are one cluster, so that every pair is compared."""
SAMPLE = 20_000
ROUNDS = 10
NEAREST = 2
ROWS = 512
COUNTS_AT_ONCE = 64
"""Shards whose counts of words are added up at once."""
FOLDER = "semantic"
_ODD = np.uint64(0x9E3779B97F4A7C15)


def semantic_duplicates(
    stage: StageDir,
    shards: Sequence[Shard],
    read: Callable[[Shard], Sequence[str]],
    threshold: float,
) -> list[Duplicate]:
    """Return every document that says what an earlier one says that stays.

    Args:
        stage: Its scratch folder holds the vectors until the stage finishes; a killed call goes on.
        shards: Picklable values.
        read: Module-level callable (or `functools.partial` of one) that returns the texts of a shard.
        threshold: Least cosine, in (0, 1].
    """
    if not shards:
        return []
    folder = stage.scratch / FOLDER
    numbered = list(enumerate(shards))
    counted = keep_shards(stage, "semantic-words", partial(count_words, read), numbered, label="count words")
    sizes = counted.table("sizes")["documents"].to_pylist()
    _store_weights(folder, counted.tables("words"), sum(sizes))
    write = partial(write_vectors, folder, read)
    run_shards(stage, "semantic-vectors", write, numbered, label="make vectors")
    store(folder, 0, "centres", _centres(folder, sizes, stage.seed))
    joined = run_shards(
        stage, "semantic-join", partial(join_clusters, folder), range(len(shards)), label="join clusters"
    )
    clusters = _members(joined["members"])
    found = run_shards(
        stage, "semantic-pairs", partial(near_pairs, folder, threshold), clusters, label="compare clusters"
    )
    places = Places(sizes)
    return [
        Duplicate(places.of(number), places.of(kept), round(value, 4), False)
        for number, kept, value in leaders(found["pairs"])
    ]


def count_words(read: Callable[[Any], Sequence[str]], job: tuple[int, Any]) -> dict[str, pa.Table]:
    """Return how many documents of a shard have each word beginning."""
    import pyarrow as pa

    texts = read(job[1])
    _, hashes, _ = word_counts(texts)
    names, counts = np.unique(hashes, return_counts=True)
    return {
        "sizes": pa.table({"documents": [len(texts)]}),
        "words": pa.table({"hash": names, "documents": counts.astype(np.int64)}),
    }


def word_counts(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (document, hash, count) of the different word beginnings of each text, sorted."""
    encoded = encode(texts, PREFIX, edges=False)
    rows = np.repeat(np.arange(len(texts)), np.diff(encoded.starts))
    order = np.lexsort((encoded.flat, rows))
    rows, hashes = rows[order], encoded.flat[order]
    first = np.ones(len(rows), bool)
    first[1:] = (rows[1:] != rows[:-1]) | (hashes[1:] != hashes[:-1])
    starts = np.flatnonzero(first)
    return rows[starts], hashes[starts], np.diff(np.append(starts, len(rows)))


def _store_weights(folder: Path, tables: Iterator[pa.Table], num_documents: int) -> None:
    """Write the hashes that more than one document and not most documents have, and their IDF."""
    names: np.ndarray = np.zeros(0, np.uint64)
    counts: np.ndarray = np.zeros(0)
    while some := list(itertools.islice(tables, COUNTS_AT_ONCE)):
        more = [(part["hash"].to_numpy(), part["documents"].to_numpy()) for part in some]
        hashes, numbers = (np.concatenate(parts) for parts in zip((names, counts), *more, strict=True))
        names, inverse = np.unique(hashes, return_inverse=True)
        counts = np.bincount(inverse, weights=numbers, minlength=len(names))
    most = max(2.0, MAX_FREQUENCY * num_documents)
    keep = (counts >= 2) & (counts <= most)
    store(folder, 0, "hashes", names[keep])
    store(folder, 0, "idf", np.log((num_documents + 1) / counts[keep]))


def write_vectors(
    folder: Path, read: Callable[[Any], Sequence[str]], job: tuple[int, Any]
) -> dict[str, pa.Table]:
    """Write the vectors of a shard's documents, of length one or, without a known word, zero."""
    import pyarrow as pa

    number, shard = job
    texts = read(shard)
    rows, hashes, counts = word_counts(texts)
    places = find(load(folder, 0, "hashes"), hashes)
    rows, hashes, counts, places = (part[places >= 0] for part in (rows, hashes, counts, places))
    weights = (1 + np.log(counts)) * load(folder, 0, "idf")[places]
    vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
    bounds = np.searchsorted(rows, np.arange(len(texts) + 1))
    for row, (left, right) in enumerate(zip(bounds, bounds[1:], strict=False)):
        vectors[row] = weights[left:right] @ _signs(hashes[left:right])
    vectors /= np.maximum(1e-9, np.linalg.norm(vectors, axis=1, keepdims=True))
    store(folder, number, "vectors", vectors)
    return {"sizes": pa.table({"documents": [len(texts)]})}


def _signs(hashes: np.ndarray) -> np.ndarray:
    """Return a row of -1 and 1 for each hash, shape (len(hashes), DIMENSIONS)."""
    words = hashes[:, None] * (_ODD * np.arange(1, 2 * (DIMENSIONS // 64), 2, dtype=np.uint64))
    words ^= words >> np.uint64(32)
    words *= np.uint64(0xD6E8FEB86659FD93)
    words ^= words >> np.uint64(32)
    return np.unpackbits(words.view(np.uint8), axis=1).astype(np.float32) * 2 - 1


def _centres(folder: Path, sizes: Sequence[int], seed: int) -> np.ndarray:
    """Return the centres of the clusters, by k-means on the sphere over evenly drawn documents."""
    total = sum(sizes)
    step = max(1, total // SAMPLE)
    sample = np.concatenate([load(folder, shard, "vectors")[::step] for shard in range(len(sizes))])
    count = min(len(sample), max(1, total // CLUSTER))
    chosen = np.random.default_rng(seed).choice(len(sample), count, replace=False)
    centres = sample[np.sort(chosen)]
    for _ in range(ROUNDS if count > 1 else 0):
        nearest = np.argmax(sample @ centres.T, axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(1e-9, lengths), centres)
    return centres


def join_clusters(folder: Path, shard: int) -> dict[str, pa.Table]:
    """Return (cluster, document) for the clusters nearest to each document of a shard."""
    import pyarrow as pa

    vectors, centres = load(folder, shard, "vectors"), load(folder, 0, "centres")
    nearest = np.argsort(-(vectors @ centres.T), axis=1, kind="stable")[:, :NEAREST]
    numbers = np.arange(len(vectors), dtype=np.int64) + (shard << LOCAL_BITS)
    return {"members": pa.table({"cluster": nearest.ravel(), "number": np.repeat(numbers, nearest.shape[1])})}


def _members(table: pa.Table) -> list[np.ndarray]:
    """Return the documents of each cluster, in order."""
    clusters, numbers = table["cluster"].to_numpy(), table["number"].to_numpy()
    order = np.lexsort((numbers, clusters))
    edges = np.flatnonzero(np.diff(clusters[order])) + 1
    return np.split(numbers[order], edges)


def near_pairs(folder: Path, threshold: float, numbers: np.ndarray) -> dict[str, pa.Table]:
    """Return (later, earlier, cosine) of the pairs of a cluster that reach the threshold."""
    import pyarrow as pa

    vectors = _vectors(folder, numbers)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    for start in range(0, len(numbers), ROWS):
        cosines = vectors[start : start + ROWS] @ vectors[: start + ROWS].T
        later, earlier = np.nonzero(np.tril(cosines >= threshold, start - 1))
        parts.append((numbers[start + later], numbers[earlier], cosines[later, earlier]))
    columns = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return {"pairs": pa.table(dict(zip(("later", "earlier", "cosine"), columns, strict=True)))}


def _vectors(folder: Path, numbers: np.ndarray) -> np.ndarray:
    shards = numbers >> LOCAL_BITS
    parts = [
        load(folder, shard, "vectors")[numbers[shards == shard] & LOCAL]
        for shard in np.unique(shards).tolist()
    ]
    return np.concatenate(parts)


def leaders(pairs: pa.Table) -> list[tuple[int, int, float]]:
    """Return (document that goes, nearest one that stays, cosine), in order.

    Without chains: of three in a row, each near the next only, the first and the third stay.
    """
    columns = [pairs[name].to_pylist() for name in ("later", "earlier", "cosine")]
    rows = sorted({(later, -cosine, earlier) for later, earlier, cosine in zip(*columns, strict=True)})
    gone: dict[int, tuple[int, float]] = {}
    for later, negative, earlier in rows:
        if later not in gone and earlier not in gone:
            gone[later] = (earlier, -negative)
    return [(later, kept, cosine) for later, (kept, cosine) in gone.items()]
