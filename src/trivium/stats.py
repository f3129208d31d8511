"""Intervals and paired differences: every number in a table carries one."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


def normal_quantile(level: float) -> float:
    """Return z such that a standard normal lies in [-z, z] with probability `level`, e.g. 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion; (0, 1) without trials.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]

    Clustered draws may give their effective number of trials, which need not be whole.

    Source: Wilson 1927; recommended over the Wald interval by Brown, Cai and DasGupta 2001.
    """
    if trials == 0:
        return 0.0, 1.0
    z = normal_quantile(level)
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Return mean, low and high of a sample by the normal approximation; low = high = mean for one value."""
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0:
        return 0.0, 0.0, 0.0
    mean = float(data.mean())
    half = normal_quantile(level) * float(data.std(ddof=1)) / math.sqrt(data.size) if data.size > 1 else 0.0
    return mean, mean - half, mean + half


def paired_difference(
    after: Sequence[float],
    before: Sequence[float],
    *,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 4000,
) -> tuple[float, float, float]:
    """Return mean(after - before) over the same items with a bootstrap percentile interval.

    Items are resampled together, so what the two share (the hardness of an item) cancels.

    Raises:
        ValueError: The two have different lengths.
    """
    if len(after) != len(before):
        raise ValueError(
            f"paired_difference: got {len(after)} and {len(before)} values; expected equally many"
        )
    delta = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    if delta.size == 0:
        return 0.0, 0.0, 0.0
    values, counts = np.unique(delta, return_counts=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(delta.size, counts / delta.size, size=resamples)
    means = draws @ values / delta.size
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(delta.mean()), float(low), float(high)


def ratio_interval(
    parts: Sequence[float],
    wholes: Sequence[float],
    *,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 4000,
) -> tuple[float, float, float]:
    """Return sum(parts) / sum(wholes) with a bootstrap interval over the items; 0 to 1 without any.

    An item is what was drawn independently (a solution); what is counted in it (its tokens) is not.
    """
    part, whole = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    if whole.sum() == 0:
        return 0.0, 0.0, 1.0
    weights = np.random.default_rng(seed).multinomial(
        whole.size, np.full(whole.size, 1 / whole.size), resamples
    )
    below = weights @ whole
    drawn = (weights @ part)[below > 0] / below[below > 0]
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(part.sum() / whole.sum()), float(low), float(high)


def crossed_mean(
    values_SP: np.ndarray, *, level: float = 0.95, seed: int = 0, resamples: int = 2000
) -> tuple[float, float, float]:
    """Return the mean of a table seeds x problems with an interval over both.

    Rows and columns are resampled together (the pigeonhole bootstrap, Owen 2007, arXiv 0712.1111), so the
    interval speaks about new seeds on new problems. Few seeds vary too little when drawn from themselves;
    their deviations are widened by sqrt(S / (S - 1)). With one seed the interval is over problems only.

    Args:
        values_SP: Paired differences, or values, of S seeds on P problems.
        level: Coverage.
        seed: Of the resampling; the same one resamples all tables of a size alike.
        resamples: Draws.
    """
    seeds, problems = values_SP.shape
    weights_RP, weights_RS = _weights(problems, resamples, seed), _weights(seeds, resamples, seed + 1)
    widened = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    weights_RS = 1 / seeds + widened * (weights_RS - 1 / seeds)
    drawn_R = ((weights_RS @ values_SP) * weights_RP).sum(1)
    tail = (1 - level) / 2
    low, high = np.quantile(drawn_R, [tail, 1 - tail])
    return float(values_SP.mean()), float(low), float(high)


def crossed_ratio(
    parts_SP: np.ndarray,
    wholes_SP: np.ndarray,
    *,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 2000,
) -> tuple[float, float, float]:
    """Return mean(parts) / mean(wholes) of two tables seeds x problems with an interval over both.

    Seeds and problems are resampled as in `crossed_mean`, the same ones above and below the line. Where the
    mean below may well be zero the interval is wide and says so (without bounds where too many draws have
    none below); with nothing below it is minus to plus one.
    """
    seeds, problems = parts_SP.shape
    if not wholes_SP.mean():
        return 0.0, -1.0, 1.0
    weights_RP, weights_RS = _weights(problems, resamples, seed), _weights(seeds, resamples, seed + 1)
    widened = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    weights_RS = 1 / seeds + widened * (weights_RS - 1 / seeds)
    above, below = (((weights_RS @ table) * weights_RP).sum(1) for table in (parts_SP, wholes_SP))
    tail = (1 - level) / 2
    value = float(parts_SP.mean() / wholes_SP.mean())
    defined = below != 0
    if defined.mean() < 1 - tail:
        return value, -math.inf, math.inf
    low, high = np.quantile(above[defined] / below[defined], [tail, 1 - tail])
    return value, float(low), float(high)


@functools.lru_cache(maxsize=8)
def _weights(items: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each item is drawn, as shares, draw by draw: (resamples, items)."""
    draws = np.random.default_rng(seed).multinomial(items, np.full(items, 1 / items), resamples)
    return draws / items
