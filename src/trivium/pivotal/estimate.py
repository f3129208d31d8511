"""Success probabilities from rollouts: counts, intervals, the bound, and when to stop sampling.

Two facts carry the search. The bound: p(prefix) is the mean of p(prefix + token) over the tokens weighted
with their sampling probabilities, so a token of probability pi moves it by at most 1 - pi; a token with
pi > 1 - gap is never pivotal and needs no rollout. The rule: two continuations are compared with fresh
rollouts, looked at a few times, and sampling stops as soon as the answer is clear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from trivium.errors import ConfigError
from trivium.records import Verdict
from trivium.stats import wilson

if TYPE_CHECKING:
    import numpy as np

SETTLED = 0.05
"""A success probability between sure bounds this close gets no more rollouts."""

Decision = Literal["accept", "futile", "unsettled", "continue"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A success probability as counts. Rollouts whose verifier failed are counted apart, never as wrong."""

    num_rollouts: int = 0
    """Judged rollouts."""
    num_right: int = 0
    num_errors: int = 0
    """Rollouts that the verifier could not judge."""
    floor: float = 0.0
    """The success probability is surely not below: see `trivium.pivotal.sure`."""
    ceiling: float = 1.0
    """The success probability is surely not above."""

    @property
    def prob(self) -> float:
        """Share of right rollouts, within the sure bounds; their middle without any rollout."""
        if not self.num_rollouts:
            return (self.floor + self.ceiling) / 2
        return self._bounded(self.num_right / self.num_rollouts)

    @property
    def shrunk(self) -> float:
        """Posterior mean under Jeffreys' Beta(1/2, 1/2), 0.75 after one right rollout; within the bounds."""
        return self._bounded((self.num_right + 0.5) / (self.num_rollouts + 1))

    @property
    def settled(self) -> bool:
        """Whether more rollouts can tell next to nothing."""
        return self.ceiling - self.floor <= SETTLED

    @property
    def ended(self) -> bool:
        """Whether this is a finished reply, or one that is as good as finished."""
        return self.floor == self.ceiling

    @property
    def judged_or_all(self) -> float:
        """Judged rollouts; without end where nothing more can be learnt."""
        return math.inf if self.settled else self.num_rollouts

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Wilson interval of the success probability, within the sure bounds."""
        low, high = wilson(self.num_right, self.num_rollouts, level)
        return self._bounded(low), self._bounded(high)

    def within(self, floor: float, ceiling: float) -> Estimate:
        """The same rollouts with what is surely known."""
        return replace(self, floor=max(floor, self.floor), ceiling=min(ceiling, self.ceiling))

    def __add__(self, other: Estimate) -> Estimate:
        """Pool two sets of rollouts of one prefix."""
        return Estimate(
            self.num_rollouts + other.num_rollouts,
            self.num_right + other.num_right,
            self.num_errors + other.num_errors,
            max(self.floor, other.floor),
            min(self.ceiling, other.ceiling),
        )

    def _bounded(self, value: float) -> float:
        return max(self.floor, min(self.ceiling, value))


def count(verdicts: Iterable[Verdict]) -> Estimate:
    """Count verdicts; a refusal or a reply without an answer is not right, a verifier error is no rollout."""
    seen = list(verdicts)
    errors = sum(verdict == Verdict.ERROR for verdict in seen)
    return Estimate(len(seen) - errors, sum(verdict == Verdict.RIGHT for verdict in seen), errors)


def known(right: bool) -> Estimate:
    """A finished reply: its success probability is 0 or 1 and needs no rollouts."""
    return Estimate(1, int(right), floor=float(right), ceiling=float(right))


def largest_shift(token_prob: float) -> float:
    """Greatest possible |p(prefix + token) - p(prefix)| for a token of this sampling probability.

    >>> round(largest_shift(0.9), 3)
    0.1

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


def difference(one: Estimate, other: Estimate, level: float = 0.95) -> tuple[float, float]:
    """Interval of p(one) - p(other): rollouts against rollouts, or against sure bounds where these say more.

    Sure bounds are no draws: they are added to the limit of the other side as they stand, whereas two
    limits that come from rollouts are seldom both missed, and `combine` allows for that.
    """
    counts = [Estimate(e.num_rollouts, e.num_right) for e in (one, other)]
    rates = [e.num_right / e.num_rollouts if e.num_rollouts else 0.5 for e in counts]
    (low, high), (other_low, other_high) = (e.interval(level) for e in counts)
    value = rates[0] - rates[1]
    below = math.hypot(rates[0] - low, other_high - rates[1])
    above = math.hypot(high - rates[0], rates[1] - other_low)
    if not all(e.num_rollouts for e in counts):
        below = above = math.inf
    least = max(value - below, one.floor - min(other_high, other.ceiling), low - other.ceiling)
    most = min(value + above, one.ceiling - max(other_low, other.floor), high - other.floor)
    return least, most


@dataclass(frozen=True, slots=True)
class StopRule:
    """When the comparison of two continuations ends.

    After each of `looks` rollouts a side the difference d of the two success rates gets an interval of
    coverage `level`. Accept when its lower end is at least `gap`. Give up as futile when its upper end is
    below `gap`, or d itself with at least `patience` rollouts a side. After the last look what is left is
    unsettled. A true difference below the gap is accepted with the probability of `false_accept_rate`. Sure
    bounds, where there are any, narrow the interval and decide before the first look; they add no error.
    """

    gap: float
    looks: tuple[int, ...]
    level: float
    patience: int = 0

    def __post_init__(self) -> None:
        """Refuse a rule that cannot work."""
        if not self.looks or sorted(set(self.looks)) != list(self.looks) or self.looks[0] < 1:
            raise ConfigError(
                f"pivotal.looks: got {self.looks}, expected growing numbers of rollouts such as 4,8,12,16."
            )

    def decide(self, chosen: Estimate, rejected: Estimate, last: bool) -> Decision:
        """Say what follows from the rollouts so far; `last` when no more will come."""
        low, high = difference(chosen, rejected, self.level)
        if low >= self.gap:
            return "accept"
        looked = min(chosen.judged_or_all, rejected.judged_or_all)
        impatient = last or looked >= max(self.patience, self.looks[0])
        if high < self.gap or (chosen.prob - rejected.prob < self.gap and impatient):
            return "futile"
        return "unsettled" if last else "continue"


def confidence_sequence(estimate: Estimate, level: float = 0.95) -> tuple[float, float]:
    """Interval of a success probability that holds at every number of rollouts at once.

    One may look after each rollout and stop when one likes: the chance that the truth ever lies outside is at
    most 1 - level, whereas `Estimate.interval` keeps its level at one number fixed beforehand.

    Source: Robbins 1970; the set of p whose likelihood ratio against a Beta(1/2, 1/2) mixture, a martingale
    under p, is below 1 / (1 - level) (Ville's inequality).
    """
    right, wrong = estimate.num_right, estimate.num_rollouts - estimate.num_right
    most = _log_mixture(right, wrong) + math.log(1 - level)

    def inside(p: float) -> bool:
        return _log_likelihood(right, wrong, p) > most

    middle = right / (right + wrong) if right + wrong else 0.5
    low = 0.0 if inside(0.0) else _border(inside, middle, 0.0)
    high = 1.0 if inside(1.0) else _border(inside, middle, 1.0)
    return max(low, estimate.floor), min(high, estimate.ceiling)


def anytime_difference(one: Estimate, other: Estimate, level: float = 0.95) -> tuple[float, float]:
    """Interval of p(one) - p(other) that holds at every look, whether or not the two share rollouts."""
    each = (1 + level) / 2  # union bound over the two
    (low, high), (other_low, other_high) = confidence_sequence(one, each), confidence_sequence(other, each)
    return low - other_high, high - other_low


def false_accept_rate(rule: StopRule) -> float:
    """Greatest chance that the rule accepts two continuations whose true gap is just the threshold.

    Exact: every outcome of every look weighted with its probability, on a grid of the lower probability in
    steps of 0.05. Below the threshold the chance is smaller.
    """
    accepts, opens = zip(*(_verdict_grids(rule, look) for look in range(len(rule.looks))), strict=True)
    lows = [step / 20 for step in range(21) if step / 20 + rule.gap <= 1 + 1e-9]
    return max(_chance(rule, accepts, opens, low + rule.gap, low) for low in lows)


def _verdict_grids(rule: StopRule, look: int) -> tuple[np.ndarray, np.ndarray]:
    """For every (right chosen, right rejected) after a look: accepted, and still open."""
    import numpy as np

    n, last = rule.looks[look], look == len(rule.looks) - 1
    said = np.array(
        [[rule.decide(Estimate(n, x), Estimate(n, y), last) for y in range(n + 1)] for x in range(n + 1)]
    )
    return said == "accept", said == "continue"


def _chance(
    rule: StopRule, accepts: Sequence[np.ndarray], opens: Sequence[np.ndarray], chosen: float, rejected: float
) -> float:
    import numpy as np

    weights, accepted, done = np.ones((1, 1)), 0.0, 0
    for n, accept, is_open in zip(rule.looks, accepts, opens, strict=True):
        weights = _spread(done, n, chosen) @ weights @ _spread(done, n, rejected).T
        accepted += float(weights[accept].sum())
        weights, done = weights * is_open, n
    return accepted


def _spread(before: int, after: int, p: float) -> np.ndarray:
    """Chance of k right after `after` rollouts given j right after `before`: (after + 1, before + 1)."""
    import numpy as np

    new = after - before
    chances = [math.comb(new, k) * p**k * (1 - p) ** (new - k) for k in range(new + 1)]
    found = np.zeros((after + 1, before + 1))
    for j in range(before + 1):
        found[j : j + new + 1, j] = chances
    return found


def _log_mixture(right: int, wrong: int) -> float:
    return (
        math.lgamma(right + 0.5)
        + math.lgamma(wrong + 0.5)
        - math.lgamma(right + wrong + 1)
        - math.log(math.pi)
    )


def _log_likelihood(right: int, wrong: int, p: float) -> float:
    if (right and p <= 0) or (wrong and p >= 1):
        return -math.inf
    return (right * math.log(p) if right else 0.0) + (wrong * math.log1p(-p) if wrong else 0.0)


def _border(inside: Callable[[float], bool], within: float, beyond: float) -> float:
    """Where `inside` ends between a point within and one beyond, by halving; rounded outwards."""
    for _ in range(50):
        middle = (within + beyond) / 2
        within, beyond = (middle, beyond) if inside(middle) else (within, middle)
    return beyond
