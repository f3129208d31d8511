"""Abstention by calibrated confidence: the fit, the curve and what a threshold costs."""

import random

import pytest

from trivium.align import abstention
from trivium.align.abstention import Held, Point, Reply
from trivium.records import Verdict


def reply(text, verdict, logprob=-0.1):
    return Reply(text=text, verdict=verdict, logprob=logprob)


def held(item, right, *, share=1.0, willing=1.0, answers=True, logprob=-0.1):
    return Held(
        item=item, kind="known", right=right, answers=answers, share=share, willing=willing, margin=share,
        logprob=logprob,
    )  # fmt: skip


def test_the_most_frequent_value_is_held():
    replies = [
        reply("Paris.", Verdict.RIGHT, -0.2), reply("paris", Verdict.RIGHT, -0.4),
        reply("Rome", Verdict.WRONG), reply("I do not know.", Verdict.REFUSED), reply("", Verdict.UNPARSED),
    ]  # fmt: skip
    found = abstention.hold("q", "known", replies)
    assert found.right and found.answers
    assert found.features == pytest.approx((0.4, 0.6, 0.2, -0.3))
    silent = abstention.hold("q", "bogus", [reply("I do not know.", Verdict.REFUSED)])
    assert not silent.answers and not silent.right and silent.share == 0


def test_confidence_is_calibrated_on_other_questions():
    rng = random.Random(3)
    rows = []
    for number in range(2000):
        share = rng.random()
        rows.append(held(f"q{number}", rng.random() < share, share=share, willing=rng.random()))
    scores = abstention.cross_fitted(rows)
    for low in (0.1, 0.4, 0.7):
        inside = [one.right for one, s in zip(rows, scores, strict=True) if low <= s < low + 0.2]
        assert sum(inside) / len(inside) == pytest.approx(low + 0.1, abs=0.08)
    flipped = [one for one in rows if abstention.fold_of(one.item, 2) == 0]
    changed = [held(one.item, not one.right, share=one.share, willing=one.willing) for one in flipped]
    others = [one for one in rows if abstention.fold_of(one.item, 2) == 1]
    again = abstention.cross_fitted([*changed, *others])
    first = dict(zip((one.item for one in rows), scores, strict=True))
    assert again[: len(changed)] == [first[one.item] for one in changed]


def test_a_fit_stays_finite_where_classes_separate():
    rows = [held(f"q{n}", n % 2 == 0, share=float(n % 2 == 0)) for n in range(40)]
    scores = abstention.cross_fitted(rows)
    assert min(s for one, s in zip(rows, scores, strict=True) if one.right) > 0.8
    assert max(s for one, s in zip(rows, scores, strict=True) if not one.right) < 0.2


def test_the_curve_goes_from_nothing_to_everything():
    rows = [held("a", True), held("b", False), held("c", True), held("d", False, answers=False)]
    points = abstention.curve(rows, [0.9, 0.5, 0.5, 0.99])
    assert [(p.right, p.wrong) for p in points] == [(0, 0), (0.25, 0), (0.5, 0.25)]
    assert abstention.wrong_at(points, 0.25) == 0
    assert abstention.wrong_at(points, 0.375) == pytest.approx(0.125)
    assert abstention.wrong_at(points, 0.6) == float("inf")
    assert abstention.area(points) == pytest.approx(0.0625)
    assert abstention.area([Point(1.0, 0.0, 0.0)]) == 0


@pytest.mark.parametrize(("kept", "threshold"), [(1.0, 0.2), (0.75, 0.4), (0.5, 0.6), (0.01, 0.9)])
def test_a_threshold_keeps_its_share_of_right_answers(kept, threshold):
    rows = [held(f"q{n}", right) for n, right in enumerate([True, True, True, True, False])]
    scores = [0.9, 0.6, 0.4, 0.2, 0.95]
    assert abstention.threshold_keeping(rows, scores, kept) == threshold
