from __future__ import annotations

import random
from functools import cache
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import ConfigError
from trivium.pivotal.estimate import (
    Estimate,
    StopRule,
    anytime_difference,
    combine,
    confidence_sequence,
    count,
    false_accept_rate,
    known,
    largest_shift,
)
from trivium.pivotal.stage import PivotalConfig
from trivium.records import Verdict
from trivium.stats import wilson

CONFIG = PivotalConfig()
RULE = StopRule(CONFIG.gap, CONFIG.looks, CONFIG.level)


def test_verifier_errors_are_counted_apart() -> None:
    seen = [Verdict.RIGHT, Verdict.WRONG, Verdict.REFUSED, Verdict.UNPARSED, Verdict.ERROR]
    assert count(seen) == Estimate(num_rollouts=4, num_right=1, num_errors=1)


def test_pooling_adds_counts() -> None:
    assert Estimate(4, 3, 1) + Estimate(6, 2) == Estimate(10, 5, 1)


def test_interval_is_wilson_and_a_point_for_a_finished_reply() -> None:
    assert Estimate(12, 9).interval() == wilson(9, 12)
    assert known(True).interval() == (1.0, 1.0)
    assert known(False).prob == 0.0


def test_difference_is_newcombes_example() -> None:
    """Newcombe 1998, table II, example (a): 56/70 and 48/80 by method 10 gives 0.0524 to 0.3339."""
    value, low, high = combine([(1.0, Estimate(70, 56)), (-1.0, Estimate(80, 48))])
    assert value == pytest.approx(0.2)
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


@given(st.floats(0.01, 0.99), st.integers(1, 40), st.data())
def test_weights_that_add_to_the_bound_keep_it(prob: float, n: int, data: st.DataObject) -> None:
    right, other = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    rest = largest_shift(prob)
    value, _, _ = combine([(rest, Estimate(n, right)), (-rest, Estimate(n, other))])
    assert abs(value) <= rest + 1e-12


@cache
def decide(n: int, chosen: int, rejected: int, last: bool) -> str:
    return RULE.decide(Estimate(n, chosen), Estimate(n, rejected), last)


def chance_of_accepting(chosen: float, rejected: float) -> float:
    """Exact: every outcome of every look, weighted."""
    weights, accepted, done = {(0, 0): 1.0}, 0.0, 0
    for look, n in enumerate(RULE.looks):
        new = n - done
        a = [comb(new, k) * chosen**k * (1 - chosen) ** (new - k) for k in range(new + 1)]
        b = [comb(new, k) * rejected**k * (1 - rejected) ** (new - k) for k in range(new + 1)]
        spread: dict[tuple[int, int], float] = {}
        for (x, y), weight in weights.items():
            for i, p in enumerate(a):
                for j, q in enumerate(b):
                    spread[x + i, y + j] = spread.get((x + i, y + j), 0.0) + weight * p * q
        weights = {}
        for (x, y), weight in spread.items():
            decision = decide(n, x, y, look == len(RULE.looks) - 1)
            accepted += weight if decision == "accept" else 0.0
            if decision == "continue":
                weights[x, y] = weight
        done = n
    return accepted


def test_a_gap_below_the_threshold_is_rarely_accepted() -> None:
    grid = [i / 20 for i in range(17)]
    assert max(chance_of_accepting(p + RULE.gap, p) for p in grid) <= 0.05
    assert max(chance_of_accepting(p, p) for p in grid) <= 0.01


def test_a_wide_gap_is_found() -> None:
    assert chance_of_accepting(0.9, 0.1) > 0.95
    assert chance_of_accepting(0.8, 0.1) > 0.85


def test_the_rule_stops_early_both_ways() -> None:
    assert RULE.decide(Estimate(4, 4), Estimate(4, 0), last=False) == "accept"
    assert RULE.decide(Estimate(4, 2), Estimate(4, 2), last=False) == "futile"
    assert RULE.decide(Estimate(4, 3), Estimate(4, 0), last=False) == "continue"
    assert RULE.decide(Estimate(4, 3), Estimate(4, 0), last=True) == "unsettled"
    assert RULE.decide(Estimate(4, 0), Estimate(4, 4), last=False) == "futile"


@pytest.mark.parametrize("looks", [(), (4, 4), (8, 4), (0, 4)])
def test_looks_that_do_not_grow_are_refused(looks: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="looks"):
        StopRule(0.2, looks, 0.95)


def test_the_stated_error_is_the_enumerated_one() -> None:
    worst = max(chance_of_accepting(p / 20 + RULE.gap, p / 20) for p in range(17))
    assert false_accept_rate(RULE) == pytest.approx(worst)
    assert 0.01 < false_accept_rate(RULE) <= 0.05


def test_more_looks_accept_wrongly_more_often() -> None:
    one, many = StopRule(0.2, (64,), 0.95), StopRule(0.2, tuple(range(4, 65, 4)), 0.95)
    assert false_accept_rate(one) < false_accept_rate(many)


@pytest.mark.parametrize("prob", [0.03, 0.3, 0.5])
def test_a_confidence_sequence_holds_at_every_look(prob: float) -> None:
    """Wilson intervals miss the truth at some look far more often than their level says; this never may."""
    rng, missed, wilson_missed, runs = random.Random(1), 0, 0, 300
    for _ in range(runs):
        right, ever, ever_wilson = 0, False, False
        for n in range(1, 201):
            right += rng.random() < prob
            low, high = confidence_sequence(Estimate(n, right), 0.9)
            ever |= not low <= prob <= high
            low, high = wilson(right, n, 0.9)
            ever_wilson |= not low <= prob <= high
        missed, wilson_missed = missed + ever, wilson_missed + ever_wilson
    assert missed / runs <= 0.1
    assert wilson_missed / runs > 0.2


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.5, 0.99))
def test_a_confidence_sequence_holds_its_estimate_and_contains_the_fixed_interval_when_long(
    right: int, wrong: int, level: float
) -> None:
    estimate = Estimate(right + wrong, right)
    low, high = confidence_sequence(estimate, level)
    assert 0 <= low <= estimate.prob <= high <= 1
    narrower = confidence_sequence(estimate, level / 2)
    assert low <= narrower[0] and narrower[1] <= high


def test_a_difference_at_any_time() -> None:
    low, high = anytime_difference(Estimate(200, 180), Estimate(200, 60))
    assert 0.2 < low < 0.6 < high < 0.9
    assert anytime_difference(known(True), known(False)) == (1.0, 1.0)
    assert confidence_sequence(Estimate()) == (0.0, 1.0)
