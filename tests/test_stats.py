"""Intervals against closed forms and by simulation with known truth."""

import numpy as np
import pytest

from trivium.stats import (
    crossed_mean,
    crossed_ratio,
    mean_interval,
    normal_quantile,
    paired_difference,
    ratio_interval,
    wilson,
)


def test_wilson_matches_the_published_example() -> None:
    low, high = wilson(81, 263)  # Newcombe 1998, table I, method 3
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 20)[0] == 0.0 and wilson(20, 20)[1] == 1.0


def test_normal_quantile() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959964, abs=1e-5)


def test_wilson_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    hits = [low <= 0.3 <= high for low, high in (wilson(int(k), 80) for k in rng.binomial(80, 0.3, 2000))]
    assert 0.93 <= np.mean(hits) <= 0.97


def test_paired_difference_covers_the_truth_and_uses_pairing() -> None:
    rng = np.random.default_rng(1)
    hits, widths = [], []
    for trial in range(300):
        hard = rng.random(400)
        before = (hard < 0.5).astype(float)
        after = (hard < 0.5 + 0.1).astype(float)
        _, low, high = paired_difference(after, before, seed=trial, resamples=400)
        hits.append(low <= 0.1 <= high)
        widths.append(high - low)
    assert 0.90 <= np.mean(hits) <= 0.98
    assert np.mean(widths) < 0.08  # two independent samples of 400 would give about 0.14


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        paired_difference([1.0], [1.0, 0.0])


def test_mean_interval_of_one_value_is_the_value() -> None:
    assert mean_interval([2.0]) == (2.0, 2.0, 2.0)


def test_crossed_mean_covers_the_truth_over_new_seeds_and_new_problems() -> None:
    rng = np.random.default_rng(2)
    hits = []
    for trial in range(300):
        noise = rng.normal(0, 0.4, (5, 150))
        table = 0.1 + rng.normal(0, 0.05, (5, 1)) + rng.normal(0, 0.3, (1, 150)) + noise
        value, low, high = crossed_mean(table, seed=trial, resamples=400)
        assert low < value < high
        hits.append(low <= 0.1 <= high)
    assert 0.88 <= np.mean(hits) <= 0.98  # five seeds are few; resampling problems only would give about 0.7


def test_crossed_mean_of_one_seed_is_over_problems() -> None:
    table = np.random.default_rng(0).random((1, 500))
    value, low, high = crossed_mean(table)
    half = 1.96 * table.std(ddof=1) / np.sqrt(500)
    assert (value, high - low) == (pytest.approx(table.mean()), pytest.approx(2 * half, rel=0.1))


def test_crossed_ratio_over_what_may_be_nothing_has_no_bounds() -> None:
    parts, wholes = np.ones((2, 8)), np.zeros((2, 8))
    wholes[:, 0] = 1.0  # a third of the draws of problems miss the only one that counts
    assert crossed_ratio(parts, wholes) == (8.0, -np.inf, np.inf)
    value, low, high = crossed_ratio(parts, parts * 2)
    assert (value, low, high) == pytest.approx((0.5, 0.5, 0.5))


def test_ratio_interval_treats_the_items_as_the_draws() -> None:
    rng = np.random.default_rng(3)
    hits = []
    for trial in range(300):
        wholes = rng.integers(5, 40, 60)
        parts = rng.binomial(wholes, rng.beta(2, 18, 60))  # what is counted in one item hangs together
        _, low, high = ratio_interval(parts, wholes, seed=trial, resamples=400)
        hits.append(low <= 0.1 <= high)
    assert 0.90 <= np.mean(hits) <= 0.98
    assert ratio_interval([0, 0], [0, 0]) == (0.0, 0.0, 1.0)
