"""What a sound run should show, read off the stage table. Informative: a check never fails a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trivium.evaluate.estimate import DIFFERENCE, TableRow
from trivium.evaluate.table import find


class Check(NamedTuple):
    """A claim about the table, whether it holds, and the numbers it was read from."""

    name: str
    holds: bool
    detail: str


ORDER = ("base", "midtrain", "sft", "dpo1")
RECALL_BEFORE, RECALL_AFTER = 0.3, 0.8
"""Recall at 4x context: below before midtraining, at least that after."""
WRONG_DOWN, RIGHT_DOWN = 0.60, 0.10
"""Wrong answers on unknowable facts fall by at least, right ones on known facts by at most (relative).

The report's own refusal training took 56 % of the right answers along (6.8 -> 3.0 %; section 4.4, Fig. 6)."""
CONTEST_ITEMS = 2_000
SFT_BAND = (0.4, 0.8)
"""Greedy contest accuracy after SFT: outside, the contest is too hard or too easy to tell stages apart."""


def checks(rows: Sequence[TableRow]) -> list[Check]:
    """Read every check that the table has the numbers for."""
    found = [
        _ordering(rows, "accuracy"),
        _ordering(rows, "accuracy_sampled"),
        _gain(rows),
        _band(rows),
        _recall(rows),
        _fewer_wrong(rows),
        _right_kept(rows),
        _instructions_up(rows),
        _not_lowered(rows, "dpo1"),
        _not_lowered(rows, "dpo2"),
    ]
    return [check for check in found if check is not None]


def to_text(found: Sequence[Check]) -> str:
    """Render one line a check."""
    return "".join(f"{'holds' if c.holds else 'FAILS':5}  {c.name}: {c.detail}\n" for c in found)


def _ordering(rows: Sequence[TableRow], metric: str) -> Check | None:
    values = [_value(rows, stage, "contest", metric) for stage in ORDER]
    if any(value is None for value in values):
        return None
    base, midtrain, sft, dpo1 = (value for value in values if value is not None)
    shown = " / ".join(
        f"{name} {value:.3f}" for name, value in zip(ORDER, (base, midtrain, sft, dpo1), strict=True)
    )
    return Check(f"contest {metric}: base < midtrain <= sft < dpo1", base < midtrain <= sft < dpo1, shown)


def _gain(rows: Sequence[TableRow]) -> Check | None:
    row = find(rows, "dpo1", "contest", "accuracy_sampled" + DIFFERENCE)
    if row is None:
        return None
    holds = row.low > 0 and row.n >= CONTEST_ITEMS
    name = f"dpo1 gains on the contest at T=1, paired interval above zero, n >= {CONTEST_ITEMS:,}"
    return Check(name, holds, f"{_difference(row)}, n {row.n:,}")


def _band(rows: Sequence[TableRow]) -> Check | None:
    value = _value(rows, "sft", "contest", "accuracy")
    if value is None:
        return None
    low, high = SFT_BAND
    return Check(
        f"contest is hard enough: greedy after sft in [{low}, {high}]", low <= value <= high, f"{value:.3f}"
    )


def _recall(rows: Sequence[TableRow]) -> Check | None:
    before, after = (_value(rows, stage, "recall_4x", "accuracy") for stage in ("base", "midtrain"))
    if before is None or after is None:
        return None
    name = f"recall at 4x context: < {RECALL_BEFORE} before midtraining, >= {RECALL_AFTER} after"
    return Check(name, before < RECALL_BEFORE and after >= RECALL_AFTER, f"{before:.3f} -> {after:.3f}")


def _fewer_wrong(rows: Sequence[TableRow]) -> Check | None:
    pair = _first_and_last(rows, "facts_unknown", "wrong")
    if pair is None:
        return None
    before, after = pair
    fall = 1 - after / before if before else 0.0
    name = f"wrong on unknowable facts falls by >= {WRONG_DOWN:.0%} after midtraining"
    return Check(name, fall >= WRONG_DOWN, f"{before:.3f} -> {after:.3f} ({-fall:+.0%})")


def _right_kept(rows: Sequence[TableRow]) -> Check | None:
    pair = _first_and_last(rows, "facts_known", "right")
    if pair is None:
        return None
    before, after = pair
    fall = 1 - after / before if before else 0.0
    name = f"right on known facts falls by <= {RIGHT_DOWN:.0%} after midtraining"
    return Check(name, fall <= RIGHT_DOWN and before > 0, f"{before:.3f} -> {after:.3f} ({-fall:+.0%})")


def _instructions_up(rows: Sequence[TableRow]) -> Check | None:
    pair = _first_and_last(rows, "instructions", "strict")
    if pair is None:
        return None
    before, after = pair
    return Check(
        "strict instruction following rises after midtraining", after > before, f"{before:.3f} -> {after:.3f}"
    )


def _not_lowered(rows: Sequence[TableRow], stage: str) -> Check | None:
    """Any DPO cost the report 3.2 points of IFEval (Tab. 9); a fall within the paired interval is noise."""
    row = find(rows, stage, "instructions", "strict" + DIFFERENCE)
    if row is None:
        return None
    return Check(f"{stage} does not lower strict instruction following", row.high >= 0, _difference(row))


def _first_and_last(rows: Sequence[TableRow], task: str, metric: str) -> tuple[float, float] | None:
    """Return a number after midtraining and at the last checkpoint."""
    stages = [row.stage for row in rows if (row.task, row.metric) == (task, metric)]
    if "midtrain" not in stages or stages[-1] == "midtrain":
        return None
    before, after = _value(rows, "midtrain", task, metric), _value(rows, stages[-1], task, metric)
    return None if before is None or after is None else (before, after)


def _value(rows: Sequence[TableRow], stage: str, task: str, metric: str) -> float | None:
    row = find(rows, stage, task, metric)
    return None if row is None else row.value


def _difference(row: TableRow) -> str:
    return f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
