"""A false-discovery rate for a whole search, whatever the stopping and however the candidates hang together.

Each candidate's fresh rollouts give an e-value against "the two continuations differ by less than the gap":
a number whose expectation is at most 1 when that is so, at whatever look one stops. The e-BH procedure
turns e-values into a set of discoveries in which the expected share of false ones is bounded, without any
assumption on dependence; and the pivots of one question do depend on one another.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from trivium.pivotal.estimate import Estimate

POINTS = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98)
"""Success probabilities of the alternatives that are mixed."""

BEYOND = 0.1
"""Alternatives differ by at least this much more than the gap; nearer ones would cost power."""


def e_value(chosen: Estimate, rejected: Estimate, gap: float) -> float:
    """Evidence from fresh rollouts against p(chosen) - p(rejected) < gap.

    Args:
        chosen: Counts after the token that should be better; exact for a finished reply.
        rejected: Counts after the other. What the verifier could not judge counts against the pair.
        gap: Least difference that makes a pair pivotal.

    Returns:
        A mixture over alternatives, each the likelihood ratio to the nearest point of the null, rollout by
        rollout in pairs. Source: Turner, Ly and Gruenwald 2024 (e-variables for two Bernoulli samples).
    """
    if chosen.floor - rejected.ceiling >= gap:
        return math.inf
    if chosen.ceiling - rejected.floor < gap:
        return 0.0
    # That a side is settled may hang on its own rollouts: the mean of both e-values stays one.
    if chosen.settled:
        wrong, right = _counts_against(rejected, 0)
        known = _one_sided(right, wrong, border=chosen.floor - gap, below=True)
        return known if chosen.ended else (known + _paired(chosen, rejected, gap)) / 2
    if rejected.settled:
        known = _one_sided(*_counts(chosen, 0), border=rejected.ceiling + gap, below=False)
        return known if rejected.ended else (known + _paired(chosen, rejected, gap)) / 2
    return _paired(chosen, rejected, gap)


def _paired(chosen: Estimate, rejected: Estimate, gap: float) -> float:
    pairs = max(_asked(chosen), _asked(rejected))
    right, wrong = _counts(chosen, pairs)
    rival_wrong, rival_right = _counts_against(rejected, pairs)
    ratios = [
        right * math.log(p / q) + wrong * math.log((1 - p) / (1 - q)) + rival
        for p, q, rival_p, rival_q in _alternatives(gap)
        for rival in [
            rival_right * math.log(rival_p / rival_q) + rival_wrong * math.log((1 - rival_p) / (1 - rival_q))
        ]
    ]
    return _mean_exp(ratios)


def discovery_levels(e_values: Sequence[float]) -> list[float]:
    """Smallest false-discovery rate at which each candidate is a discovery; all candidates must be given.

    Source: e-BH (Wang and Ramdas 2022): at rate a, the k candidates of largest e-value are discoveries for
    the largest k whose k-th e-value is at least m / (a k). Those whose level is at most a are that set.
    """
    count = len(e_values)
    order = sorted(range(count), key=lambda index: -e_values[index])
    levels, best = [1.0] * count, 1.0
    for rank in range(count, 0, -1):
        value = e_values[order[rank - 1]]
        best = min(best, count / (rank * value) if value > 0 else 1.0)
        levels[order[rank - 1]] = best
    return levels


def _asked(one: Estimate) -> int:
    return one.num_rollouts + one.num_errors


def _counts(one: Estimate, pairs: int) -> tuple[int, int]:
    """Right and wrong rollouts, filled up to `pairs` with wrong ones; errors are wrong."""
    return one.num_right, max(pairs, _asked(one)) - one.num_right


def _counts_against(one: Estimate, pairs: int) -> tuple[int, int]:
    """Wrong and right rollouts, filled up to `pairs` with right ones; errors are right."""
    wrong = one.num_rollouts - one.num_right
    return wrong, max(pairs, _asked(one)) - wrong


@functools.cache
def _alternatives(gap: float) -> tuple[tuple[float, float, float, float], ...]:
    """(p chosen, its value in the null, p rejected, its value in the null) of every alternative."""
    found = []
    for p in POINTS:
        for rival in POINTS:
            if p - rival >= gap + BEYOND - 1e-9:
                low = _nearest(p, rival, gap)
                found.append((p, low + gap, rival, low))
    return tuple(found)


def _nearest(p: float, rival: float, gap: float) -> float:
    """Lower coordinate of the null's point that is nearest to an alternative in relative entropy."""

    def likelihood(low: float) -> float:
        return (
            p * math.log(low + gap)
            + (1 - p) * math.log(1 - low - gap)
            + rival * math.log(low)
            + (1 - rival) * math.log(1 - low)
        )

    return _maximum(likelihood, 1e-9, 1 - gap - 1e-9)


def _maximum(value: Callable[[float], float], left: float, right: float) -> float:
    """Where a concave function is greatest, by golden sections."""
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = right - ratio * (right - left), left + ratio * (right - left)
        left, right = (left, b) if value(a) >= value(b) else (a, right)
    return (left + right) / 2


def _one_sided(right: int, wrong: int, *, border: float, below: bool) -> float:
    """Evidence that a success probability lies beyond a border, below or above it."""
    if not 0 < border < 1:
        return 0.0 if (border <= 0) == below else math.inf
    points = [p for p in POINTS if (border - p if below else p - border) >= BEYOND - 1e-9]
    return _mean_exp(
        [right * math.log(p / border) + wrong * math.log((1 - p) / (1 - border)) for p in points]
    )


def _mean_exp(logs: Sequence[float]) -> float:
    if not logs:
        return 0.0
    top = max(logs)
    return math.exp(min(top, 600.0)) * sum(math.exp(one - top) for one in logs) / len(logs)
