from __future__ import annotations

import pytest

from trivium.pivotal.estimate import Estimate
from trivium.pivotal.sure import bounds
from trivium.pivotal.tree import Path, branches, candidates, others, share_ruled_out
from trivium.records import Verdict

R, W, E = Verdict.RIGHT, Verdict.WRONG, Verdict.ERROR


def path(text: str, verdict: Verdict, **probs: float) -> Path:
    """One token a letter; probability 1 unless named."""
    return Path(tuple(map(ord, text)), tuple(probs.get(letter, 1.0) for letter in text), verdict)


PATHS = [path("abx", R, b=0.5, x=0.5)] * 3 + [path("acx", W, c=0.4, x=0.5)]


def test_a_branching_has_its_children_with_counts_and_probabilities() -> None:
    (branch,) = branches(PATHS)
    assert branch.prefix == (ord("a"),)
    assert [(c.token_id, c.prob, c.estimate) for c in branch.children] == [
        (ord("b"), 0.5, Estimate(3, 3, floor=0.5, ceiling=1.0)),
        (ord("c"), 0.4, Estimate(1, 0, floor=0.0, ceiling=0.5)),
    ]


def test_a_reply_seen_once_bounds_the_success_of_every_prefix_on_its_way() -> None:
    paths = [path("abx", R, b=0.5, x=0.9), path("abx", R, b=0.5, x=0.9), path("aby", W, b=0.5, y=0.1)]
    assert bounds(paths, 2) == pytest.approx((0.9, 0.9))
    assert bounds(paths, 0) == pytest.approx((0.45, 0.95))
    assert bounds([path("abx", E)], 0) == (0.0, 1.0)
    assert bounds([Path((97, 98), (1.0, 0.5), R, start=1)], 0) == (0.0, 1.0)


def test_a_reply_that_is_the_start_of_another_does_not_branch() -> None:
    assert list(branches([path("ab", R), path("abc", W)])) == []


def test_nested_branchings_are_all_seen() -> None:
    found = list(branches([path("abx", R), path("aby", W), path("acx", W), path("acy", R)]))
    assert [b.prefix for b in found] == [(97,), (97, 98), (97, 99)]


def test_candidates_name_the_better_token_chosen() -> None:
    (candidate,) = candidates(PATHS, gap=0.2, min_rollouts=4, min_apparent_gap=0.4)
    assert (candidate.chosen.token_id, candidate.rejected.token_id) == (ord("b"), ord("c"))
    assert candidate.apparent_gap == pytest.approx(3.5 / 4 - 0.5 / 2)


@pytest.mark.parametrize(
    ("changed", "value"), [("min_rollouts", 5), ("min_apparent_gap", 0.7), ("gap", 0.61)]
)
def test_each_threshold_leaves_out(changed: str, value: float) -> None:
    rule = {"gap": 0.2, "min_rollouts": 4, "min_apparent_gap": 0.4} | {changed: value}
    assert candidates(PATHS, **rule) == []  # type: ignore[arg-type]


def test_one_lucky_rollout_does_not_beat_many_good_ones() -> None:
    rare = {"b": 0.5, "x": 0.05, "y": 0.05}
    many = [path("abx", R, **rare)] * 9 + [path("aby", W, **rare), path("acx", R, x=0.05)]
    many += [path("adx", W, x=0.05)] * 2
    found = candidates(many, gap=0.2, min_rollouts=4, min_apparent_gap=0.4)
    (candidate,) = [one for one in found if one.branch.prefix == (ord("a"),)]
    assert candidate.chosen.token_id == ord("b")


def test_a_child_without_a_verdict_is_no_candidate() -> None:
    paths = [path("ab", R)] * 4 + [path("ac", E)] * 4
    assert candidates(paths, gap=0.2, min_rollouts=4, min_apparent_gap=0.2) == []


def test_others_pool_the_rest_and_what_was_never_seen() -> None:
    paths = [path("b", R, b=0.5), path("c", W, c=0.2), path("d", R, d=0.1), path("e", W, e=0.1)]
    (branch,) = branches(paths)
    mass, pooled = others(branch, ord("b"), ord("c"))
    assert mass == pytest.approx(0.3)
    assert pooled == Estimate(2, 1)


def test_the_bound_rules_out_by_probability() -> None:
    assert share_ruled_out([path("abc", R, a=0.9, b=0.79)], gap=0.2) == (2, 3)
