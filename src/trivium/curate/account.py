"""The account of the curate stage: what came in, what went out, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from trivium.curate.candidates import Candidate
from trivium.curate.clean import MaskRow
from trivium.curate.extract.score import summarise
from trivium.curate.passages import SEED_TAG
from trivium.curate.work import PageScore
from trivium.records import Drop, Passage


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


def counts(judged: Sequence[Candidate], kept: Sequence[Candidate], drops: Sequence[Drop]) -> dict[str, Any]:
    """Count documents by kind, label and reason; `kept_good` scores the whole stage against the labels."""
    kinds = {c.id: c.kind for c in judged}
    labels = {c.id: c.label for c in judged if c.label}
    dropped: dict[str, Counter[str]] = defaultdict(Counter)
    by_label: dict[str, Counter[str]] = defaultdict(Counter)
    for drop in drops:
        dropped[kinds.get(drop.id, "unread")][drop.reason] += 1
        if drop.id in labels:
            by_label[labels[drop.id]][drop.reason] += 1
    for c in kept:
        if c.label:
            by_label[c.label]["kept"] += 1
    return {
        "read": dict(sorted(Counter(c.kind for c in judged).items())),
        "kept": dict(sorted(Counter(c.kind for c in kept).items())),
        "kept_bytes": {kind: _bytes(kept, kind) for kind in sorted({c.kind for c in kept})},
        "dropped": {kind: dict(found.most_common()) for kind, found in sorted(dropped.items())},
        "web_labels": {label: dict(found.most_common()) for label, found in sorted(by_label.items())},
        "kept_good": _against_labels(judged, kept),
    }


def _bytes(kept: Sequence[Candidate], kind: str) -> int:
    return sum(len(c.text.encode()) for c in kept if c.kind == kind)


def _against_labels(judged: Sequence[Candidate], kept: Sequence[Candidate]) -> dict[str, float]:
    """Return precision and recall of `kept` for the label `good`, over all labelled documents."""
    good = sum(c.label == "good" for c in judged)
    chosen = [c for c in kept if c.label]
    right = sum(c.label == "good" for c in chosen)
    if not good:
        return {}
    return {"precision": round(right / max(1, len(chosen)), 4), "recall": round(right / good, 4)}


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


def masked(rows: Sequence[MaskRow]) -> dict[str, dict[str, int]]:
    """Sum masked spans by kind of document and of span."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        sums[row.document_kind][row.kind] += row.count
    return {kind: dict(found.most_common()) for kind, found in sorted(sums.items())}


def passages(found: Sequence[Passage]) -> dict[str, Any]:
    """Count passages and seeds by kind, and tags."""
    seeds = [p for p in found if SEED_TAG in p.tags]
    return {
        "passages": dict(sorted(Counter(p.kind for p in found).items())),
        "seeds": dict(sorted(Counter(p.kind for p in seeds).items())),
        "tags": dict(sorted(Counter(tag for p in found for tag in p.tags).items())),
        "mean_scores": {kind: _means(found, kind) for kind in sorted({p.kind for p in found})},
    }


def _means(found: Sequence[Passage], kind: str) -> dict[str, float]:
    rows = [p for p in found if p.kind == kind]
    return {
        name: round(sum(getattr(p, name) for p in rows) / len(rows), 4)
        for name in ("quality", "reasoning", "factual")
    }
