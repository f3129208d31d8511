"""The duplicates step of the curate stage: exact and near, then semantic, then repeated runs of words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trivium.curate.candidates import Candidate, drop_of
from trivium.curate.clean import cut_repeats
from trivium.curate.dedup import Duplicate, cluster_sizes, planted_report
from trivium.curate.dedup_semantic import semantic_duplicates
from trivium.curate.dedup_shards import deduplicate
from trivium.records import Drop

if TYPE_CHECKING:
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
    """The rows of duplicates.parquet and the report on them."""

    rows: list[DuplicateRow]
    metrics: dict[str, Any]


def remove_duplicates(
    config: CurateConfig, stage: StageDir, kept: Sequence[Candidate]
) -> tuple[list[Candidate], list[Drop], Duplicates]:
    """Return what repeats nothing, drops for the rest, and the report.

    Originals come before their planted copies, so that it is the copy that goes. Facts are left alone:
    entries of one table differ in a sign or two. Code is compared whole only: functions that are built alike
    use the same words, and one that is cut runs no more.
    """
    order = sorted(kept, key=lambda c: (KIND_ORDER[c.kind], c.label in COPY_LABELS))
    facts = [c for c in order if c.kind == "facts"]
    order = [c for c in order if c.kind != "facts"]
    found = deduplicate(stage, _shards(order, config), as_texts, config.duplicate_threshold)
    rows = _rows(order, found)
    metrics = _metrics(order, found, config.duplicate_threshold)
    left = _without(order, found)
    prose, code = [c for c in left if c.kind != "code"], [c for c in left if c.kind == "code"]
    if config.semantic_threshold:
        same = semantic_duplicates(stage, _shards(prose, config), as_texts, config.semantic_threshold)
        rows += _rows(prose, same, "semantic")
        metrics["semantic"] = len(same)
        prose = _without(prose, same)
    by_id = {c.id: c for c in order}
    drops = [_drop(by_id[row.id], row) for row in rows]
    if config.cut_repeats:
        prose, repeated, metrics["repeats"] = cut_repeats(prose, config.cut_repeats, config.min_passage_chars)
        drops += repeated
    left = sorted([*prose, *code], key=lambda c: KIND_ORDER[c.kind])
    return left + facts, drops, Duplicates(rows, metrics)


def as_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of a shard, which is these texts."""
    return texts


def _shards(order: Sequence[Candidate], config: CurateConfig) -> list[tuple[str, ...]]:
    size = config.shard_documents
    return [tuple(c.text for c in order[i : i + size]) for i in range(0, len(order), size)]


def _without(order: Sequence[Candidate], found: Sequence[Duplicate]) -> list[Candidate]:
    gone = {dup.index for dup in found}
    return [c for i, c in enumerate(order) if i not in gone]


def _rows(order: Sequence[Candidate], found: Sequence[Duplicate], method: str = "") -> list[DuplicateRow]:
    return [
        DuplicateRow(
            id=order[dup.index].id,
            kept_id=order[dup.kept].id,
            method=method or ("exact" if dup.exact else "near"),
            similarity=dup.similarity,
            source=order[dup.index].source,
            kept_source=order[dup.kept].source,
        )
        for dup in found
    ]


def _drop(candidate: Candidate, row: DuplicateRow) -> Drop:
    return drop_of(
        candidate, "dedup", f"{row.method}_duplicate", f"of {row.kept_id}, similarity {row.similarity}"
    )


def _metrics(order: Sequence[Candidate], found: Sequence[Duplicate], threshold: float) -> dict[str, Any]:
    return {
        "exact": sum(dup.exact for dup in found),
        "near": sum(not dup.exact for dup in found),
        "cluster_sizes": {str(size): count for size, count in cluster_sizes(found).items()},
        "planted": planted_report(
            [c.group if c.label in ("good", *COPY_LABELS) else "" for c in order],
            [c.text for c in order],
            [c.label in COPY_LABELS for c in order],
            found,
            threshold,
        ),
    }
