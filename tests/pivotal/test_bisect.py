from __future__ import annotations

from collections.abc import Sequence

import pytest

from trivium.pivotal.bisect import Place, bisect, midpoint
from trivium.pivotal.estimate import Estimate


def test_the_cut_is_where_half_the_log_probability_is_spent() -> None:
    assert midpoint([-0.1, -0.1, -0.1, -3.0, -0.1], 0, 5) == 3
    assert midpoint([-3.0, -0.1, -0.1, -0.1], 0, 4) == 1
    assert midpoint([0.0, 0.0, 0.0, 0.0], 0, 4) == 2
    assert midpoint([-1.0, -1.0], 0, 2) == 1
    assert midpoint([0.0, 0.0, 0.0, 0.0, 0.0, -3.0], 0, 6) == 3, "ties give way to the middle"
    assert midpoint([-3.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0, 6) == 3


class Curve:
    """Known success after each token; counts what is asked."""

    def __init__(self, *curves: list[float]) -> None:
        self.curves, self.asked, self.waves = curves, list[Place](), 0

    def __call__(self, places: Sequence[Place]) -> list[Estimate]:
        self.asked += places
        self.waves += 1
        return [Estimate(100, round(100 * self.curves[trace][end])) for trace, end in places]


def test_pivots_of_a_monotone_curve_are_all_found() -> None:
    curve = Curve([0.1] * 3 + [0.4] * 4 + [0.9] * 3)
    found = bisect([[-1.0] * 9], curve, 0.2)
    assert [(s.position, s.before.prob, s.after.prob) for s in found] == [(2, 0.1, 0.4), (6, 0.4, 0.9)]


def test_no_prefix_is_estimated_twice_and_traces_share_the_waves() -> None:
    curve = Curve([0.0] * 8 + [1.0] * 8, [0.5] * 4 + [1.0] * 12, [0.3] * 16)
    found = bisect([[-0.5] * 15] * 3, curve, 0.2)
    assert [(s.trace, s.position) for s in found] == [(0, 7), (1, 3)]
    assert len(curve.asked) == len(set(curve.asked))
    assert curve.waves <= 5
    assert [place for place in curve.asked if place[0] == 2] == [(2, 0), (2, 15)]


def test_moves_that_cancel_are_missed_as_the_report_says() -> None:
    assert bisect([[-1.0] * 4], Curve([0.5, 0.9, 0.9, 0.5, 0.5]), 0.2) == []


@pytest.mark.parametrize("before", [0.1, 0.3, 0.5, 0.7])
def test_an_exact_gap_counts(before: float) -> None:
    assert len(bisect([[-1.0]], Curve([before, before + 0.2]), 0.2)) == 1


def test_an_empty_trace_gives_nothing() -> None:
    assert bisect([[]], Curve([0.5]), 0.2) == []
