"""Bounds from finished replies hold always, not on average, and spare rollouts."""

from __future__ import annotations

import pytest
from planted import Planted

from trivium.pivotal.confirm import confirm
from trivium.pivotal.estimate import Estimate, StopRule, difference
from trivium.pivotal.forest import Forest
from trivium.pivotal.mine import sample_roots
from trivium.pivotal.sure import bounds, widest_shift
from trivium.pivotal.tree import candidates

GAP = 0.2


@pytest.fixture(scope="module")
def world() -> Planted:
    return Planted.make(60, seed=3)


@pytest.fixture(scope="module")
def forest(world: Planted) -> Forest:
    return Forest.plant(world.policy(), sample_roots(world.policy(), world.problems, (16,)))


def test_the_truth_never_lies_outside(world: Planted, forest: Forest) -> None:
    widths = []
    for problem in world.problems:
        table, paths = world.table(problem), forest.paths[problem.question_id]
        for path in paths[:4]:
            for length in range(len(path.ids)):
                here = [other for other in paths if other.ids[:length] == path.ids[:length]]
                low, high = bounds(here, length)
                assert low - 1e-9 <= table.after(path.ids[:length]) <= high + 1e-9
                widths.append(high - low)
    assert sum(width < 0.2 for width in widths) > 100  # and they say something


def test_no_shift_is_wider_than_said(world: Planted, forest: Forest) -> None:
    ruled_out = 0
    for problem in world.problems:
        table, paths = world.table(problem), forest.paths[problem.question_id]
        for path, at in [(one, at) for one in paths[:6] for at in range(len(one.ids))]:
            before = bounds([p for p in paths if p.ids[:at] == path.ids[:at]], at)
            after = bounds([p for p in paths if p.ids[: at + 1] == path.ids[: at + 1]], at + 1)
            widest = widest_shift(before, after, path.probs[at])
            shift = table.after(path.ids[: at + 1]) - table.after(path.ids[:at])
            assert abs(shift) <= widest + 1e-9
            assert widest <= 1 - path.probs[at] + 1e-9  # never weaker than the bound it sharpens
            ruled_out += widest < GAP <= 1 - path.probs[at]
    assert ruled_out > 4


def test_what_is_known_takes_part_in_a_difference_as_it_stands() -> None:
    known, seen = Estimate(floor=0.9, ceiling=0.95), Estimate(4, 0)
    low, high = difference(known, seen)
    assert low == pytest.approx(0.9 - seen.interval()[1])
    assert high == pytest.approx(0.95)
    assert difference(known, Estimate(floor=0.1, ceiling=0.3)) == pytest.approx((0.6, 0.85))
    plain = difference(Estimate(8, 8), seen)
    assert difference(Estimate(8, 8, floor=0.01), seen) == plain  # a bound that says nothing changes nothing


def test_a_settled_side_gets_no_rollouts() -> None:
    assert Estimate(floor=0.9, ceiling=0.94).settled
    assert not Estimate(400, 380).settled


def test_bounds_decide_before_the_first_look() -> None:
    rule = StopRule(GAP, (4, 8), 0.95)
    assert rule.decide(Estimate(floor=0.75), Estimate(ceiling=0.5), last=False) == "accept"
    assert rule.decide(Estimate(ceiling=0.65), Estimate(floor=0.5), last=False) == "futile"
    assert rule.decide(Estimate(), Estimate(), last=False) == "continue"


def test_what_the_tree_settled_spares_rollouts_and_changes_no_verdict() -> None:
    """Short replies, of which sixteen show nearly all there are."""
    world = Planted.make(120, seed=3)
    for table in world.tables.values():
        del table.options[4:]
    forest = Forest.plant(world.policy(), sample_roots(world.policy(), world.problems, (16,)))
    found = [
        (problem, candidate)
        for problem in world.problems
        for candidate in candidates(
            forest.paths[problem.question_id], gap=GAP, min_rollouts=4, min_apparent_gap=0.3
        )
    ]
    rule = StopRule(GAP, (4, 8, 16, 32, 64), 0.97, 8)
    nothing = {problem.question_id: [] for problem in world.problems}
    with_, spent = confirm(world.policy(), found, rule, forest.paths)
    without, more = confirm(world.policy(), found, rule, nothing)
    assert len(found) > 40 and len(spent) < 0.75 * len(more)
    for outcomes in (with_, without):
        accepted = [o for o in outcomes if o.decision == "accept"]
        real = 0
        for outcome in accepted:
            table, prefix = world.table(outcome.problem), outcome.candidate.branch.prefix
            chosen, rejected = outcome.candidate.chosen.token_id, outcome.candidate.rejected.token_id
            real += table.after((*prefix, chosen)) - table.after((*prefix, rejected)) >= GAP
        assert real >= 0.97 * len(accepted)
