"""The duplicates step of the curate stage: exact and near, then semantic, then repeated runs of words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.curate.clean import cut_repeats
from trivium.curate.corpus import Corpus, texts_of
from trivium.curate.dedup import Duplicate, cluster_sizes, planted_report
from trivium.curate.dedup_semantic import semantic_duplicates
from trivium.curate.dedup_shards import deduplicate
from trivium.curate.dedup_substring import find_repeats
from trivium.records import Drop, schema_of
from trivium.store.ledger import keep_shards

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.curate.stage import CurateConfig
    from trivium.store.run import StageDir

KIND_ORDER = {"books": 0, "code": 1, "web": 2, "facts": 3}
"""Of two copies the one of the earlier kind is kept."""
COPY_LABELS = ("duplicate", "near_duplicate")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DuplicateRow:
    """A document that repeats another."""

    id: str
    kept_id: str
    method: str
    """exact | near | semantic."""
    similarity: float
    """Jaccard index of word 5-grams; for `semantic` the cosine."""
    source: str
    kept_source: str


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """What is left, the drops for the rest, the rows of duplicates.parquet and the report on them."""

    corpus: Corpus
    left: np.ndarray
    drops: list[pa.Table]
    rows: pa.Table
    metrics: dict[str, Any]


def remove_duplicates(config: CurateConfig, stage: StageDir, corpus: Corpus, kept: np.ndarray) -> Duplicates:
    """Find what repeats something.

    Originals come before their planted copies, so that it is the copy that goes. Facts are left alone:
    entries of one table differ in a sign or two. Code is compared whole only: functions that are built alike
    use the same words, and one that is cut runs no more.
    """
    import pyarrow as pa

    kind = corpus.by("kind", KIND_ORDER.__getitem__)
    planted = corpus.by("label", COPY_LABELS.__contains__)
    kept = kept[np.lexsort((planted[kept], kind[kept]))]
    is_facts = kind[kept] == KIND_ORDER["facts"]
    facts, order = kept[is_facts], kept[~is_facts]
    shards = corpus.shards(order, config.shard_documents)
    found = deduplicate(stage, shards, texts_of, config.duplicate_threshold)
    rows = [_rows(corpus, order, found)]
    metrics = _metrics(corpus, order, found, config.duplicate_threshold)
    left = _without(order, found)
    is_code = kind[left] == KIND_ORDER["code"]
    prose, code = left[~is_code], left[is_code]
    if config.semantic_threshold:
        shards = corpus.shards(prose, config.shard_documents)
        same = semantic_duplicates(stage, shards, texts_of, config.semantic_threshold)
        rows.append(_rows(corpus, prose, same, "semantic"))
        metrics["semantic"] = len(same)
        prose = _without(prose, same)
    table = pa.concat_tables(rows)
    drops = [_drops(table)]
    if config.cut_repeats and len(prose):
        corpus, prose, repeated, metrics["repeats"] = _cut_repeats(config, stage, corpus, prose)
        drops.append(repeated)
    left = np.concatenate([prose, code])
    left = left[np.argsort(kind[left], kind="stable")]
    return Duplicates(corpus, np.concatenate([left, facts]), drops, table, metrics)


def _without(order: np.ndarray, found: Sequence[Duplicate]) -> np.ndarray:
    return np.delete(order, np.array([dup.index for dup in found], np.int64))


def _rows(corpus: Corpus, order: np.ndarray, found: Sequence[Duplicate], method: str = "") -> pa.Table:
    import pyarrow as pa

    gone = order[np.array([dup.index for dup in found], np.int64)]
    kept = order[np.array([dup.kept for dup in found], np.int64)]
    columns = {
        "id": corpus.strings("id", gone),
        "kept_id": corpus.strings("id", kept),
        "method": [method or ("exact" if dup.exact else "near") for dup in found],
        "similarity": [dup.similarity for dup in found],
        "source": corpus.strings("source", gone),
        "kept_source": corpus.strings("source", kept),
    }
    return pa.table(columns, schema=schema_of(DuplicateRow))


def _drops(rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    similar = zip(rows["kept_id"].to_pylist(), rows["similarity"].to_pylist(), strict=True)
    columns = {
        "id": rows["id"],
        "step": ["curate.dedup"] * len(rows),
        "reason": [f"{method}_duplicate" for method in rows["method"].to_pylist()],
        "detail": [f"of {name}, similarity {value}" for name, value in similar],
        "source": rows["source"],
    }
    return pa.table(columns, schema=schema_of(Drop))


def _cut_repeats(
    config: CurateConfig, stage: StageDir, corpus: Corpus, prose: np.ndarray
) -> tuple[Corpus, np.ndarray, pa.Table, dict[str, int]]:
    """Cut what stood before."""
    shards = corpus.shards(prose, config.shard_documents)
    repeats = find_repeats(stage, shards, texts_of, config.cut_repeats)
    cut = partial(cut_repeats, config.cut_repeats, config.min_passage_chars, repeats)
    done = keep_shards(stage, "repeats", cut, list(enumerate(shards)), label="cut repeats")
    parts = zip(done.tables("places"), range(0, len(prose), config.shard_documents), strict=True)
    left = prose[np.concatenate([part["place"].to_numpy() + start for part, start in parts])]
    counts = done.table("counts")
    totals = {name: sum(counts[name].to_pylist()) for name in counts.column_names}
    return corpus.moved(left, done.paths("candidates")), left, done.table("drops"), totals


def _metrics(
    corpus: Corpus, order: np.ndarray, found: Sequence[Duplicate], threshold: float
) -> dict[str, Any]:
    known = corpus.by("label", ("good", *COPY_LABELS).__contains__)[order]
    groups = [""] * len(order)
    for place, group in zip(np.flatnonzero(known), corpus.strings("group", order[known]), strict=True):
        groups[place] = group.as_py()
    places = [place for place, group in enumerate(groups) if group]
    texts = corpus.texts(order[np.array(places, np.int64)])
    return {
        "exact": sum(dup.exact for dup in found),
        "near": sum(not dup.exact for dup in found),
        "cluster_sizes": {str(size): count for size, count in cluster_sizes(found).items()},
        "planted": planted_report(
            groups,
            dict(zip(places, texts, strict=True)),
            corpus.by("label", COPY_LABELS.__contains__)[order].tolist(),
            found,
            threshold,
        ),
    }
