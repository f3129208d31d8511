"""The search on planted pivots: what it finds is there, what is there it finds, and every pair is right."""

from __future__ import annotations

import pytest
from planted import BUDGET, STOP, Planted

from trivium.pivotal import pairs, tree
from trivium.pivotal.confirm import Outcome
from trivium.pivotal.estimate import StopRule
from trivium.pivotal.mine import Mined, mine
from trivium.pivotal.rollouts import Problem
from trivium.pivotal.searches import SearchRule
from trivium.records import Verdict

RULE = SearchRule(
    root_rollouts=(8, 16),
    band=(0.2, 0.8),
    min_rollouts=4,
    min_apparent_gap=0.3,
    max_candidates=20,
    stop=StopRule(0.2, (4, 8, 12, 16), 0.95),
)
GAP = RULE.stop.gap


@pytest.fixture(scope="module")
def world() -> Planted:
    return Planted.make(400)


@pytest.fixture(scope="module")
def mined(world: Planted) -> Mined:
    return mine(world.policy(), world.problems, RULE)


def true_gap(world: Planted, outcome: Outcome) -> float:
    table, prefix = world.table(outcome.problem), outcome.candidate.branch.prefix
    chosen, rejected = outcome.candidate.chosen.token_id, outcome.candidate.rejected.token_id
    return table.after((*prefix, chosen)) - table.after((*prefix, rejected))


def accepted(mined: Mined) -> list[Outcome]:
    return [outcome for outcome in mined.outcomes if outcome.decision == "accept"]


def pivots(mined: Mined) -> list[Outcome]:
    return [outcome for outcome in accepted(mined) if pairs.pivotal_tokens(outcome, GAP)]


def test_precision_pairs_are_real_and_the_right_way_round(world: Planted, mined: Mined) -> None:
    gaps = [true_gap(world, outcome) for outcome in accepted(mined)]
    assert len(gaps) > 150
    assert sum(gap >= RULE.stop.gap for gap in gaps) / len(gaps) >= 0.97
    assert sum(gap <= 0 for gap in gaps) / len(gaps) <= 0.01


def test_recall_of_wide_gaps_seen_by_the_tree(world: Planted, mined: Mined) -> None:
    """Of the branchings that the tree saw on both sides and whose true gap is wide, nearly all are found."""
    found = {(o.problem.question_id, o.candidate.branch.prefix) for o in accepted(mined)}
    in_band = {row.question_id for row in mined.searched if row.in_band}
    wide = [
        (problem.question_id, branch.prefix)
        for problem in world.problems
        if problem.question_id in in_band
        for branch in tree.branches(root_paths(mined, problem.question_id))
        if sum(child.estimate.num_rollouts for child in branch.children) >= RULE.min_rollouts
        if spread(world, problem, branch) >= 0.7
    ]
    assert len(wide) > 50
    assert sum(place in found for place in wide) / len(wide) >= 0.9


def root_paths(mined: Mined, question_id: str) -> list[tree.Path]:
    rows = [r for r in mined.rollouts if r.question_id == question_id and len(r.prefix_ids) == 2]
    return [tree.Path(tuple(r.completion_ids), (1.0,) * len(r.logprobs), Verdict(r.verdict)) for r in rows]


def spread(world: Planted, problem: Problem, branch: tree.Branch) -> float:
    values = [world.table(problem).after((*branch.prefix, child.token_id)) for child in branch.children]
    return max(values) - min(values)


def test_pivotal_tokens_truly_shift_the_probability(world: Planted, mined: Mined) -> None:
    real, covered, told = 0, 0, 0
    outcomes = pivots(mined)
    assert len(outcomes) > 100
    for outcome in outcomes:
        table, prefix = world.table(outcome.problem), outcome.candidate.branch.prefix
        for token in pairs.pivotal_tokens(outcome, GAP):
            assert token.prefix_ids == [*outcome.problem.prompt_ids, *prefix]
            truth = table.after((*prefix, token.token_id)) - table.after(prefix)
            told += 1
            real += abs(truth) >= GAP
            covered += token.low - 1e-9 <= truth <= token.high + 1e-9
            assert dict(table.next_probs(prefix))[token.token_id] == pytest.approx(token.token_prob)
    assert told > len(outcomes)  # at some places both tokens decide
    assert real / told >= 0.94
    assert covered / told >= 0.9


def test_the_bound_is_never_broken(mined: Mined) -> None:
    for outcome in mined.outcomes:
        for shift in outcome.shifts:
            assert shift.size <= 1 - shift.token.prob + 1e-12
            assert -(1 - shift.token.prob) - 1e-12 <= shift.low <= shift.high <= 1 - shift.token.prob + 1e-12
    tokens = [token for outcome in accepted(mined) for token in pairs.pivotal_tokens(outcome, GAP)]
    assert not any(map(pairs.breaks_bound, tokens))


def test_no_candidate_without_a_token_that_may_shift_enough(mined: Mined) -> None:
    for outcome in mined.outcomes:
        assert min(outcome.candidate.chosen.prob, outcome.candidate.rejected.prob) <= 1 - RULE.stop.gap


def test_without_pivots_nothing_is_found() -> None:
    world = Planted.make(60, seed=4)
    for table in world.tables.values():
        for position, options in enumerate(table.options):
            table.options[position] = [type(o)(o.token, o.prob, 0.93) for o in options]
    found = mine(world.policy(), world.problems, RULE)
    ends = [o for o in accepted(found) if len(o.candidate.branch.prefix) < len(table.options)]
    searched = sum(row.num_candidates for row in found.searched)
    assert searched > 50
    assert len(ends) / searched <= 0.05


def test_confirming_uses_fresh_rollouts_only(world: Planted, mined: Mined) -> None:
    for outcome in accepted(mined)[:40]:
        candidate = outcome.candidate
        for child, estimate in ((candidate.chosen, outcome.chosen), (candidate.rejected, outcome.rejected)):
            start = [*outcome.problem.prompt_ids, *candidate.branch.prefix, child.token_id]
            own = [row for row in mined.rollouts if row.prefix_ids == start]
            if estimate.floor < estimate.ceiling:
                assert len(own) == estimate.num_rollouts
                assert sum(row.verdict == Verdict.RIGHT for row in own) == estimate.num_right


def test_every_rollout_has_one_total_budget(mined: Mined) -> None:
    for row in mined.rollouts:
        assert len(row.completion_ids) == len(row.logprobs)
        assert len(row.prefix_ids) - 2 + len(row.completion_ids) <= BUDGET
        assert (row.completion_ids[-1] == STOP) == (row.finish == "eos")


def test_ids_of_pairs_are_ids_of_rollouts(mined: Mined) -> None:
    """No pair holds a prefix or token that was not sampled exactly so: nothing is ever tokenised again."""
    seen = set()
    for row in mined.rollouts:
        whole = (*row.prefix_ids, *row.completion_ids)
        seen |= {whole[:end] for end in range(len(row.prefix_ids), len(whole) + 1)}
    for outcome in accepted(mined):
        pair = pairs.preference(outcome, GAP)
        assert (*pair.prompt_ids, *pair.chosen_ids) in seen
        assert (*pair.prompt_ids, *pair.rejected_ids) in seen
        assert len(pair.chosen_ids) == len(pair.rejected_ids) == 1
        assert pair.chosen_ids != pair.rejected_ids
        assert pair.origin == "pivotal" and pair.gap >= GAP


def test_a_stop_token_is_judged_without_a_rollout() -> None:
    """Stopping too early is a pivot like any other; the finished side costs nothing."""
    world = Planted.make(1)
    (table,) = world.tables.values()
    table.options = [[type(table.options[0][0])(10, 1.0, 0.6)]]
    found = mine(world.policy(), world.problems, RULE)
    (outcome,) = accepted(found)
    assert (outcome.chosen.prob, outcome.rejected.prob) == (1.0, 0.0)
    assert world.asked[(1000, 7, 10, 2)] == 0  # the stop token follows for sure, as a reply has shown


def test_what_is_left_out_says_why(mined: Mined) -> None:
    tables = mined.tables()
    reasons = set(tables["drops"].column("reason").to_pylist())
    assert reasons == {"too easy", "too hard", "futile", "unsettled"}
    dropped = tables["drops"].num_rows
    in_band = sum(row.in_band for row in mined.searched)
    candidates = sum(row.num_candidates for row in mined.searched)
    assert dropped == len(mined.searched) - in_band + candidates - len(accepted(mined))
    assert tables["preferences"].num_rows == len(accepted(mined)) > len(pivots(mined))
    told = [token for outcome in accepted(mined) for token in pairs.pivotal_tokens(outcome, GAP)]
    assert tables["pivotal_tokens"].num_rows == len(told) == len({token.id for token in told})


def test_the_order_and_the_company_of_questions_do_not_matter(world: Planted) -> None:
    some = world.problems[:30]
    together = mine(world.policy(), some, RULE)
    apart = [mine(world.policy(), [problem], RULE) for problem in some]
    assert [pairs.preference(outcome, GAP) for outcome in accepted(together)] == [
        pairs.preference(outcome, GAP) for one in apart for outcome in accepted(one)
    ]


def test_another_seed_gives_other_rollouts(world: Planted) -> None:
    one = mine(world.policy(0), world.problems[:5], RULE).rollouts
    other = mine(world.policy(1), world.problems[:5], RULE).rollouts
    assert [row.completion_ids for row in one] != [row.completion_ids for row in other]
