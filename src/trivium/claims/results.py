"""From outcomes to numbers with intervals, and from intervals to verdicts.

Shapes: S seeds, P problems. SFT is one model, so its S is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trivium.claims.measure import Outcome, kept
from trivium.evaluate.logs import ItemLog
from trivium.stats import crossed_mean, normal_quantile

Verdict = Literal["holds", "fails", "undecided"]
Unit = Literal["points", "share", "count", "percent"]
Matrix = np.ndarray
"""(S, P)."""
KNOWN = "facts right, of four"
"""What the grid measures of facts: whether the right value is the likeliest of four of its table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One testable sentence and what came out."""

    claim: int
    statement: str
    metric: str
    """What is measured."""
    unit: Unit
    """points: a difference of shares, percent: a part of something; both are shown times a hundred."""
    direction: Literal["above", "below"]
    threshold: float
    """The statement holds where the whole interval lies on its side of this."""
    value: float
    low: float
    high: float
    """95 % interval."""
    n: int
    """Problems or traces behind it."""
    seeds: int
    verdict: Verdict
    detectable: float
    """A true distance from the threshold of this size would be found in four repetitions of five."""
    main: bool = True
    """Whether the claim's own verdict hangs on it; a control or a detail is not."""


def judge(low: float, high: float, threshold: float, direction: str) -> Verdict:
    """Say what an interval decides: it must lie wholly on one side of the threshold."""
    if low > threshold:
        return "holds" if direction == "above" else "fails"
    if high < threshold:
        return "fails" if direction == "above" else "holds"
    return "undecided"


def detectable(low: float, high: float) -> float:
    """Return the smallest difference that a test at 5 % finds with a power of 80 %, given a 95 % interval.

    Source: (z_0.975 + z_0.8) standard errors; e.g. Card et al. 2020, arXiv:2010.06595.
    """
    return (normal_quantile(0.95) + normal_quantile(0.6)) * (high - low) / (2 * normal_quantile(0.95))


def finding(
    claim: int,
    statement: str,
    metric: str,
    interval: tuple[float, float, float],
    *,
    n: int,
    seeds: int,
    unit: Unit = "points",
    direction: Literal["above", "below"] = "above",
    threshold: float = 0.0,
    trained: bool = False,
    main: bool = True,
) -> Finding:
    """Build a finding and judge it; about what training does, one seed decides nothing."""
    value, low, high = interval
    decided = judge(low, high, threshold, direction) if seeds > 1 or not trained else "undecided"
    return Finding(
        claim=claim,
        statement=statement,
        metric=metric,
        unit=unit,
        direction=direction,
        threshold=threshold,
        value=value,
        low=low,
        high=high,
        n=n,
        seeds=seeds,
        verdict=decided,
        detectable=detectable(low, high),
        main=main,
    )


def grid_finding(
    claim: int,
    statement: str,
    metric: str,
    saved_SI: Matrix,
    *,
    direction: Literal["above", "below"] = "above",
    threshold: float = 0.0,
    main: bool = True,
) -> Finding:
    """Build a finding of what an arm saves of another's cost (see `grid.measured.Grid.saved`)."""
    return finding(
        claim,
        statement,
        f"saved, {metric}",
        crossed_mean(saved_SI),
        n=saved_SI.shape[1],
        seeds=saved_SI.shape[0],
        unit="percent",
        direction=direction,
        threshold=threshold,
        trained=True,
        main=main,
    )


def change_finding(
    claim: int,
    statement: str,
    metric: str,
    change_SI: Matrix,
    *,
    unit: Unit = "points",
    direction: Literal["above", "below"] = "above",
    threshold: float = 0.0,
    main: bool = True,
) -> Finding:
    """Build a finding of paired differences between trained arms."""
    return finding(
        claim,
        statement,
        metric,
        crossed_mean(change_SI),
        n=change_SI.shape[1],
        seeds=change_SI.shape[0],
        unit=unit,
        direction=direction,
        threshold=threshold,
        trained=True,
        main=main,
    )


def whole_verdict(found: Sequence[Finding]) -> Verdict | Literal["in part"]:
    """Say what a claim's main statements come to: `in part` where some hold and others do not."""
    verdicts = {row.verdict for row in found if row.main}
    if verdicts == {"holds"}:
        return "holds"
    if "holds" in verdicts:
        return "in part"
    return "fails" if "fails" in verdicts else "undecided"


def matrices(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Matrix]]:
    """Arm -> metric -> values, problems in the same order for every arm; KL of those it was measured on."""
    groups: dict[str, dict[int, list[Outcome]]] = {}
    for row in outcomes:
        groups.setdefault(row.arm, {}).setdefault(row.seed, []).append(row)
    found: dict[str, dict[str, Matrix]] = {}
    for arm, seeds in groups.items():
        rows = [sorted(seeds[number], key=lambda row: row.item_id) for number in sorted(seeds)]
        found[arm] = {
            name: np.array(
                [[value_of(row) for row in line if name != "kl" or row.kl_tokens] for line in rows]
            )
            for name, value_of in METRICS
        }
    return found


METRICS = (
    ("greedy", lambda row: row.greedy),
    ("sampled", lambda row: row.right / row.samples),
    ("pass", lambda row: float(row.right > 0)),
    ("entropy", lambda row: row.nats / max(row.tokens, 1)),
    ("length", lambda row: row.tokens / row.samples),
    ("kl", lambda row: row.kl_nats),
)
"""Metric -> its value on one problem; entropy in nats a token, length in tokens, kl in nats a reply."""

METRIC_TITLES = {
    "greedy": "greedy",
    "sampled": "at T=1",
    "pass": "pass@k",
    "entropy": "entropy",
    "length": "tokens a reply",
    "kl": "KL to SFT",
}


def untouched_matrices(logs: Sequence[ItemLog]) -> dict[str, dict[str, Matrix]]:
    """Arm -> task -> what was kept (S, items); `checkpoint` is arm/seed."""
    groups: dict[tuple[str, str], dict[int, dict[str, float]]] = {}
    for log in logs:
        arm, number = log.stage.split("/")
        cells = groups.setdefault((arm, log.task), {}).setdefault(int(number), {})
        cells[log.item_id] = kept(log.task, log.verdict)
    found: dict[str, dict[str, Matrix]] = {}
    for (arm, task), seeds in groups.items():
        lines = [[seeds[number][key] for key in sorted(seeds[number])] for number in sorted(seeds)]
        found.setdefault(arm, {})[task] = np.array(lines)
    return found


def num_problems(values_SP: Matrix, spread: bool) -> int:
    """Number of problems behind a table: its columns, or its cells where no two seeds share a problem.

    A column of such a table is a chance group of problems, one a seed, and intervals over columns hold alike.
    """
    return int(values_SP.size if spread else values_SP.shape[1])


def difference(
    cells: Mapping[str, Mapping[str, Matrix]], after: str, before: str, metric: str
) -> tuple[float, float, float]:
    """Paired difference of two arms with its interval over problems and seeds."""
    return crossed_mean(cells[after][metric] - cells[before][metric])


def arm_rows(
    cells: Mapping[str, Mapping[str, Matrix]], arms: Sequence[str], *, spread: bool = False
) -> list[dict[str, Any]]:
    """One row for each arm and metric: value and interval; `spread` as in the sizes."""
    rows = []
    for arm in arms:
        for metric, values in cells[arm].items():
            value, low, high = crossed_mean(values)
            rows.append({"arm": arm, "metric": metric, "value": value, "low": low, "high": high})
            rows[-1] |= {"seeds": len(values), "n": num_problems(values, spread)}
            rows[-1] |= {"by_seed": [float(line.mean()) for line in values]}
    return rows
