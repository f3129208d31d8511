"""Intervals against closed forms and by simulation with known truth."""

import numpy as np
import pytest

from trivium.stats import mean_interval, normal_quantile, paired_difference, wilson


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
