"""The account of the curate stage: what came in, what went out, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.curate.corpus import Corpus
from trivium.curate.extract.score import summarise
from trivium.curate.passages import SEED_TAG
from trivium.curate.work import PageScore

if TYPE_CHECKING:
    import pyarrow as pa

SCORES = ("quality", "reasoning", "factual")
BATCH = 10_000
"""Rows that are Python objects at once."""


class Clock:
    """Seconds between laps."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Start the first lap."""
        self._now = now
        self._last = now()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End a lap."""
        now = self._now()
        self._laps[name] = round(now - self._last, 2)
        self._last = now

    def metrics(self) -> dict[str, float]:
        """Return the laps as `<name>_seconds`."""
        return {f"{name}_seconds": seconds for name, seconds in self._laps.items()}


def counts(corpus: Corpus, kept: np.ndarray, drops: Sequence[pa.Table]) -> dict[str, Any]:
    """Count documents by kind, label and reason; `kept_good` scores the whole stage against the labels."""
    dropped: dict[str, Counter[str]] = defaultdict(Counter)
    by_label: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, label, reason in _dropped(corpus, drops):
        dropped[kind or "unread"][reason] += 1
        if label:
            by_label[label][reason] += 1
    kinds, labels = (corpus.by(name, str) for name in ("kind", "label"))
    for label, count in Counter(labels[kept].tolist()).items():
        if label:
            by_label[label]["kept"] += count
    return {
        "read": dict(sorted(Counter(kinds.tolist()).items())),
        "kept": dict(sorted(Counter(kinds[kept].tolist()).items())),
        "kept_bytes": {
            str(kind): int(corpus.size[kept[kinds[kept] == kind]].sum()) for kind in np.unique(kinds[kept])
        },
        "dropped": {kind: dict(found.most_common()) for kind, found in sorted(dropped.items())},
        "web_labels": {label: dict(found.most_common()) for label, found in sorted(by_label.items())},
        "kept_good": _against_labels(labels, labels[kept]),
    }


def _dropped(corpus: Corpus, drops: Sequence[pa.Table]) -> Iterator[tuple[str | None, str | None, str]]:
    """Yield kind, label and reason of each drop; kind and label are None where nothing was read."""
    import pyarrow.compute as pc

    known = corpus.facts.select(["kind", "label"])
    ids = corpus.facts["id"].combine_chunks()
    for batch in (part for table in drops for part in table.to_batches(max_chunksize=BATCH)):
        facts = known.take(pc.index_in(batch["id"], value_set=ids))
        yield from zip(
            *(c.to_pylist() for c in (facts["kind"], facts["label"], batch["reason"])), strict=True
        )


def _against_labels(judged: np.ndarray, kept: np.ndarray) -> dict[str, float]:
    """Return precision and recall of `kept` for the label `good`, over all labelled documents."""
    good, chosen, right = int((judged == "good").sum()), int((kept != "").sum()), int((kept == "good").sum())
    if not good:
        return {}
    return {"precision": round(right / max(1, chosen), 4), "recall": round(right / good, 4)}


def extraction(scores: Sequence[PageScore]) -> dict[str, Any]:
    """Average the word overlap of extracted and true main text over the good pages and their copies."""
    summary = summarise((score.precision, score.recall) for score in scores)
    blocks = sum(score.code_blocks for score in scores)
    kept = sum(score.code_blocks_kept for score in scores)
    return {
        **{name: round(value, 4) for name, value in summary.items()},
        "code_blocks": blocks,
        "code_blocks_kept_frac": round(kept / max(1, blocks), 4),
    }


def masked(rows: pa.Table) -> dict[str, dict[str, int]]:
    """Sum masked spans (rows of MaskRow) by kind of document and of span."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for batch in rows.to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            sums[row["document_kind"]][row["kind"]] += row["count"]
    return {kind: dict(found.most_common()) for kind, found in sorted(sums.items())}


class Passages:
    """Counts of passages and seeds by kind, and of tags."""

    def __init__(self) -> None:
        """Start at none."""
        self._kinds, self._seeds, self._tags = Counter[str](), Counter[str](), Counter[str]()
        self._sums: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, table: pa.Table) -> None:
        """Count the passages of a table."""
        for row in table.select(["kind", "tags", *SCORES]).to_pylist():
            self._kinds[row["kind"]] += 1
            self._tags.update(row["tags"])
            self._seeds[row["kind"]] += SEED_TAG in row["tags"]
            for name in SCORES:
                self._sums[row["kind"]][name] += row[name]

    def metrics(self) -> dict[str, Any]:
        """Return the counts and the mean scores."""
        return {
            "passages": dict(sorted(self._kinds.items())),
            "seeds": dict(sorted((+self._seeds).items())),
            "tags": dict(sorted(self._tags.items())),
            "mean_scores": {
                kind: {name: round(self._sums[kind][name] / count, 4) for name in SCORES}
                for kind, count in sorted(self._kinds.items())
            },
        }
