"""From item logs to table rows: proportions with Wilson intervals, ratios and clusters by linearisation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trivium.evaluate.logs import ItemLog, Measure
from trivium.stats import normal_quantile, paired_difference, wilson


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One number of the stage table."""

    stage: str
    task: str
    metric: str
    value: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    n: int
    """Items behind the number."""
    seed: int
    """Seed that the items were drawn with."""


DIGITS = 6
"""Decimals kept in the table; float noise between machines stays below."""

DIFFERENCE = "_minus_previous"
"""Suffix of the paired difference to the checkpoint before."""

Cell = dict[str, tuple[float, float, str]]
"""Item id -> (value, weight, cluster)."""


def table_rows(
    stages: Sequence[str], task: str, logs: Sequence[ItemLog], measures: Sequence[Measure], seed: int
) -> list[TableRow]:
    """Turn one task's logs into rows: every measure at every stage, and its change since the stage before.

    Args:
        stages: Checkpoints in training order; the change is taken between neighbours that both have the task.
        task: Name of the task.
        logs: The task's logs, all checkpoints.
        measures: What to compute.
        seed: Seed of the items, kept in every row and used for the bootstrap.
    """
    rows: list[TableRow] = []
    by_stage_mode: dict[tuple[str, str], list[ItemLog]] = defaultdict(list)
    for log in logs:
        by_stage_mode[log.stage, log.mode].append(log)
    for measure in measures:
        before: Cell = {}
        for stage in stages:
            cell = cell_of(measure, by_stage_mode.get((stage, measure.mode), []))
            if not cell:
                continue
            rows.append(_row(stage, task, measure.metric, estimate(cell), len(cell), seed))
            if before:
                change = difference(cell, before, seed=0)
                shared = len(cell.keys() & before.keys())
                rows.append(_row(stage, task, measure.metric + DIFFERENCE, change, shared, seed))
            before = cell
    return rows


def cell_of(measure: Measure, logs: Sequence[ItemLog]) -> Cell:
    """Collect a measure's values; items it does not count are left out."""
    values = ((log, measure.value_of(log)) for log in logs)
    return {log.item_id: (value, log.weight, log.cluster) for log, value in values if value is not None}


def estimate(cell: Cell, *, share: bool = True) -> tuple[float, float, float]:
    """Return value, low and high of a weighted mean.

    The error is that of a ratio, linearised over clusters (Cochran 1977, section 6.4; Miller 2024, arXiv
    2411.00640). A proportion gets the Wilson interval: with the number of items when they are independent,
    else with the number of independent ones that would have the same error.

    Args:
        cell: Item -> value, weight, cluster; some weight must be above 0.
        share: Whether values of 0 and 1 alone are a proportion; marks of 1 are none.
    """
    total = sum(weight for _, weight, _ in cell.values())
    value = sum(v * weight for v, weight, _ in cell.values()) / total
    residuals = _by_cluster({key: (v - value, w, c) for key, (v, w, c) in cell.items()}, total)
    if share and is_proportion(cell):
        trials = float(len(cell)) if len(residuals) == len(cell) else _effective(value, len(cell), residuals)
        return value, *wilson(value * trials, trials)
    half = normal_quantile(0.95) * math.sqrt(_variance(residuals))
    return value, value - half, value + half


def is_proportion(cell: Cell) -> bool:
    """Say whether every item is a 0 or 1 of weight 1."""
    return all(weight == 1 and value in (0, 1) for value, weight, _ in cell.values())


def difference(after: Cell, before: Cell, *, seed: int) -> tuple[float, float, float]:
    """Return the paired change over the items that both have, clusters resampled whole."""
    shared = sorted(after.keys() & before.keys())
    total = sum(after[key][1] for key in shared)
    if not total:
        return 0.0, 0.0, 0.0
    sides = [_by_cluster({key: cell[key] for key in shared}, total) for cell in (after, before)]
    return paired_difference(list(sides[0]), list(sides[1]), seed=seed)


def clustered(after: Cell, before: Cell) -> np.ndarray:
    """Return the paired changes summed by cluster, scaled so that their mean is the weighted mean change."""
    shared = sorted(after.keys() & before.keys())
    total = sum(after[key][1] for key in shared)
    changes = {key: (after[key][0] - before[key][0], after[key][1], after[key][2]) for key in shared}
    return _by_cluster(changes, total) if total else np.array([])


def _by_cluster(cell: Mapping[str, tuple[float, float, str]], total: float) -> np.ndarray:
    """Sum weight x value by cluster, scaled so that the mean over clusters is the weighted mean."""
    sums: dict[str, float] = defaultdict(float)
    for value, weight, cluster in cell.values():
        sums[cluster] += value * weight
    return np.array([sums[key] for key in sorted(sums)]) * (len(sums) / total)


def _effective(value: float, items: int, residuals: np.ndarray) -> float:
    """Return how many independent items would have the clusters' error; where all agree, one a cluster."""
    variance = _variance(residuals)
    if variance == 0:
        return float(residuals.size)
    return min(float(items), value * (1 - value) / variance)


def _variance(residuals: np.ndarray) -> float:
    """Return the variance of the mean of one residual a cluster; 0 for a single cluster."""
    return float(residuals.var(ddof=1)) / residuals.size if residuals.size > 1 else 0.0


def _row(
    stage: str, task: str, metric: str, estimated: tuple[float, float, float], n: int, seed: int
) -> TableRow:
    value, low, high = (round(number, DIGITS) for number in estimated)
    return TableRow(stage=stage, task=task, metric=metric, value=value, low=low, high=high, n=n, seed=seed)
