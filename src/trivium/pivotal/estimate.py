"""Success probabilities from rollouts: counts, intervals, the bound, and when to stop sampling.

Two facts carry the search. The bound: p(prefix) is the mean of p(prefix + token) over the tokens weighted
with their sampling probabilities, so a token of probability pi moves it by at most 1 - pi; a token with
pi > 1 - gap is never pivotal and needs no rollout. The rule: two continuations are compared with fresh
rollouts, looked at a few times, and sampling stops as soon as the answer is clear.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from trivium.errors import ConfigError
from trivium.records import Verdict
from trivium.stats import wilson

Decision = Literal["accept", "futile", "unsettled", "continue"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A success probability as counts. Rollouts whose verifier failed are counted apart, never as wrong."""

    num_rollouts: int = 0
    """Judged rollouts."""
    num_right: int = 0
    num_errors: int = 0
    """Rollouts that the verifier could not judge."""
    exact: bool = False
    """True for a finished reply, whose success probability is known to be 0 or 1."""

    @property
    def prob(self) -> float:
        """Share of right rollouts; 0.5 without any."""
        return self.num_right / self.num_rollouts if self.num_rollouts else 0.5

    @property
    def shrunk(self) -> float:
        """Posterior mean under Jeffreys' Beta(1/2, 1/2): 0.75 after one right rollout, never 0 or 1."""
        return (self.num_right + 0.5) / (self.num_rollouts + 1)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Wilson interval of the success probability; a point for a finished reply."""
        if self.exact:
            return self.prob, self.prob
        return wilson(self.num_right, self.num_rollouts, level)

    def __add__(self, other: Estimate) -> Estimate:
        """Pool two sets of rollouts of one prefix."""
        return Estimate(
            self.num_rollouts + other.num_rollouts,
            self.num_right + other.num_right,
            self.num_errors + other.num_errors,
        )


def count(verdicts: Iterable[Verdict]) -> Estimate:
    """Count verdicts; a refusal or a reply without an answer is not right, a verifier error is no rollout."""
    seen = list(verdicts)
    errors = sum(verdict == Verdict.ERROR for verdict in seen)
    return Estimate(len(seen) - errors, sum(verdict == Verdict.RIGHT for verdict in seen), errors)


def known(right: bool) -> Estimate:
    """A finished reply: its success probability is 0 or 1 and needs no rollouts."""
    return Estimate(1, int(right), exact=True)


def largest_shift(token_prob: float) -> float:
    """Greatest possible |p(prefix + token) - p(prefix)| for a token of this sampling probability.

    Source: p(prefix) = pi * p(prefix + token) + (1 - pi) * p(prefix, another token), exactly, when all
    rollouts share one total length budget and one temperature.
    """
    return 1.0 - token_prob


def combine(terms: Sequence[tuple[float, Estimate]], level: float = 0.95) -> tuple[float, float, float]:
    """Value and interval of a weighted sum of independent success probabilities.

    Args:
        terms: (weight, estimate); weights may be negative.
        level: Coverage.

    Returns:
        (value, low, high). Source: MOVER with Wilson limits (Zou and Donner 2008); for weights (1, -1) it
        is Newcombe's hybrid score interval (1998, method 10).
    """
    value, below, above = 0.0, 0.0, 0.0
    for weight, estimate in terms:
        low, high = estimate.interval(level)
        near, far = sorted((weight * low, weight * high))
        value += weight * estimate.prob
        below += (weight * estimate.prob - near) ** 2
        above += (weight * estimate.prob - far) ** 2
    return value, value - math.sqrt(below), value + math.sqrt(above)


@dataclass(frozen=True, slots=True)
class StopRule:
    """When the comparison of two continuations ends.

    After each of `looks` rollouts a side the difference d of the two success rates gets an interval of
    coverage `level`. Accept when its lower end is at least `gap`. Give up as futile when its upper end or d
    itself is below `gap`. After the last look what is left is unsettled. A true difference below the gap is
    accepted with probability at most 0.05 for the default rule (exact enumeration, tests/pivotal).
    """

    gap: float
    looks: tuple[int, ...]
    level: float

    def __post_init__(self) -> None:
        """Refuse a rule that cannot work."""
        if not self.looks or sorted(set(self.looks)) != list(self.looks) or self.looks[0] < 1:
            raise ConfigError(
                f"pivotal.looks: got {self.looks}, expected growing numbers of rollouts such as 4,8,12,16."
            )

    def decide(self, chosen: Estimate, rejected: Estimate, last: bool) -> Decision:
        """Say what follows from the rollouts so far; `last` when no more will come."""
        difference, low, high = combine([(1.0, chosen), (-1.0, rejected)], self.level)
        if low >= self.gap:
            return "accept"
        if difference < self.gap or high < self.gap:
            return "futile"
        return "unsettled" if last else "continue"
