"""Tree, bisect and scan against the exact truth of planted pivots: they find what is there, and only that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted import Option, Planted

from trivium.pivotal import pairs, rollouts
from trivium.pivotal.estimate import StopRule, largest_shift
from trivium.pivotal.forest import Forest, Trace, choose_traces
from trivium.pivotal.mine import Mined, mine, sample_roots
from trivium.pivotal.searches import SearchRule, by_bisect, looks, scan
from trivium.records import Verdict

GAP = 0.2
CLEAR = 0.35
"""A shift that is well beyond the gap: near the gap no number of rollouts tells the two sides apart."""
RULE = SearchRule(
    root_rollouts=(8, 16),
    band=(0.2, 0.8),
    min_rollouts=4,
    min_apparent_gap=0.3,
    max_candidates=20,
    stop=StopRule(GAP, (8, 16, 32, 64), 0.95),
    search="tree",
    traces=2,
    trace_rollouts=24,
)


@pytest.fixture(scope="module")
def world() -> Planted:
    return Planted.make(120, seed=2)


def mined(world: Planted, search: str) -> Mined:
    return mine(world.policy(), world.problems, replace(RULE, search=search))


def walked(world: Planted) -> list[Trace]:
    """The replies that all three searches walk along: all begin with the same rollouts."""
    roots = sample_roots(world.policy(), world.problems, RULE.root_rollouts)
    forest = Forest.plant(world.policy(), roots)
    return [
        trace
        for problem in world.problems
        if 0.2 <= rollouts.estimate(roots[problem.question_id]).prob <= 0.8
        for trace in choose_traces(problem, forest.paths[problem.question_id], RULE.traces)
    ]


def true_shift(world: Planted, trace: Trace, at: int) -> float:
    table, ids = world.table(trace.problem), trace.path.ids
    return table.after(ids[: at + 1]) - table.after(ids[:at])


def truth(world: Planted, least: float) -> set[tuple[str, tuple[int, ...]]]:
    """Question and prefix of every token of the traces that truly shifts p by this much."""
    return {
        (trace.problem.question_id, trace.path.ids[:at])
        for trace in walked(world)
        for at in range(len(trace.path.ids))
        if abs(true_shift(world, trace, at)) >= least
    }


def precision(world: Planted, found: Mined) -> float:
    """Share of the reported pivotal tokens whose exact shift has the size of the gap."""
    real = []
    for outcome in found.outcomes:
        if outcome.decision == "accept":
            table, prefix = world.table(outcome.problem), outcome.candidate.branch.prefix
            for token in pairs.pivotal_tokens(outcome, GAP):
                shift = table.after((*prefix, token.token_id)) - table.after(prefix)
                real.append(abs(shift) >= GAP)
    assert len(real) > 40
    return sum(real) / len(real)


def recall(world: Planted, found: Mined) -> float:
    """Share of the places with a clear pivot on a trace at which a pair was confirmed."""
    places = truth(world, CLEAR)
    assert len(places) > 40
    told = {
        (o.problem.question_id, o.candidate.branch.prefix) for o in found.outcomes if o.decision == "accept"
    }
    return len(places & told) / len(places)


def test_the_tree_finds_what_is_there_and_reports_what_is_real(world: Planted) -> None:
    found = mined(world, "tree")
    assert recall(world, found) >= 0.9
    assert precision(world, found) >= 0.95


def test_the_scan_finds_what_is_there_and_reports_what_is_real(world: Planted) -> None:
    found = mined(world, "scan")
    assert recall(world, found) >= 0.9
    assert precision(world, found) >= 0.95


def test_bisection_reports_what_is_real_and_misses_what_cancels(world: Planted) -> None:
    """The report says that it does not always find all; here a slip that is made good again hides both."""
    found = mined(world, "bisect")
    assert precision(world, found) >= 0.95
    assert 0.5 <= recall(world, found) < recall(world, mined(world, "scan"))


@pytest.mark.parametrize("search", ["tree", "bisect", "scan"])
def test_all_give_the_same_kind_of_pairs_the_right_way_round(world: Planted, search: str) -> None:
    found = mined(world, search)
    accepted = [outcome for outcome in found.outcomes if outcome.decision == "accept"]
    wrong = 0
    for outcome in accepted:
        table, prefix = world.table(outcome.problem), outcome.candidate.branch.prefix
        chosen, rejected = outcome.candidate.chosen.token_id, outcome.candidate.rejected.token_id
        wrong += table.after((*prefix, chosen)) <= table.after((*prefix, rejected))
        offers = dict(table.next_probs(prefix))
        assert outcome.candidate.chosen.prob == pytest.approx(offers[chosen])
        assert outcome.candidate.rejected.prob == pytest.approx(offers[rejected])
    assert wrong / len(accepted) <= 0.01
    places = [(o.problem.question_id, o.candidate.branch.prefix) for o in found.outcomes]
    assert len(places) == len(set(places))
    tables = found.tables()
    spent = sum(row.root_tokens + row.search_tokens + row.confirm_tokens for row in found.searched)
    assert spent == sum(len(row.completion_ids) for row in found.rollouts)
    assert tables["rollouts"].num_rows == len(found.rollouts)


def test_a_long_scan_is_the_truth(world: Planted) -> None:
    """With many rollouts a prefix the scan's shifts are the exact ones, but for those at the gap itself."""
    traces = walked(world)[:24]
    forest = Forest.plant(world.policy(), {t.problem.question_id: [] for t in traces})
    for trace in traces:
        forest.paths[trace.problem.question_id] = [trace.path]
    found = {(shift.trace, shift.position) for shift in scan(forest, traces, GAP, 400)}
    for index, trace in enumerate(traces):
        for at in range(len(trace.path.ids)):
            shift = abs(true_shift(world, trace, at))
            if abs(shift - GAP) > 0.08:
                assert ((index, at) in found) == (shift > GAP), (trace.path.ids, at, shift)


def test_reused_rollouts_are_draws_from_the_prefix(world: Planted) -> None:
    """Estimates from ancestors' rollouts agree with the truth on average: no trace flatters its own path."""
    traces = walked(world)
    forest = Forest.plant(world.policy(), sample_roots(world.policy(), world.problems, (64,)))
    off = []
    for trace in traces:
        mine_ = next(p for p in forest.paths[trace.problem.question_id] if p.ids == trace.path.ids)
        place = (Trace(trace.problem, mine_), 5)
        counts = forest.estimate(place)
        if counts.num_rollouts >= 4:
            off.append(counts.prob - world.table(trace.problem).after(trace.path.ids[:5]))
    assert len(off) > 30
    assert abs(sum(off) / len(off)) < 0.05


def test_a_scan_that_may_stop_early_spends_less_and_says_the_same(world: Planted) -> None:
    def spent(early: bool) -> tuple[int, set[tuple[int, int]]]:
        traces = walked(world)[:12]
        forest = Forest(world.policy(), {t.problem.question_id: [] for t in traces})
        found = scan(forest, traces, GAP, 512, reuse=False, early=early)
        return len(forest.grown), {(s.trace, s.position) for s in found}

    (less, some), (more, every) = spent(True), spent(False)
    assert less < 0.8 * more
    assert len(some ^ every) <= max(1, len(every) // 10)


def test_looks_double() -> None:
    assert looks(400) == (64, 128, 256, 400)
    assert looks(64) == (64,) and looks(16) == (16,)


def test_only_eligible_tokens_are_scanned(world: Planted) -> None:
    traces = walked(world)[:6]
    forest = Forest(world.policy(), {t.problem.question_id: [] for t in traces})
    scan(forest, traces, GAP, 16, reuse=False)
    for trace in traces:
        near = {
            end
            for at, prob in enumerate(trace.path.probs)
            if largest_shift(prob) >= GAP
            for end in (at, at + 1)
        }
        sampled = {
            path.start
            for path in forest.paths[trace.problem.question_id]
            if path.ids[: path.start] == trace.path.ids[: path.start]
        }
        assert sampled <= near


def test_a_pivot_without_a_rival_is_dropped_with_its_reason() -> None:
    """Too few rollouts to see another token: the shift is real, but there is nothing to prefer to it."""
    world = Planted.make(1)
    (table,) = world.tables.values()
    table.options = [[Option(10, 0.79, 0.75), Option(11, 0.21, 0.0)]]
    rule = replace(RULE, search="bisect", traces=4, trace_rollouts=1)
    proposals = []
    for seed in range(30):
        policy = world.policy(seed)
        proposals.append(by_bisect(policy, world.problems, sample_roots(policy, world.problems, (4,)), rule))
    reasons = {drop.reason for proposal in proposals for drop in proposal.drops}
    assert reasons <= {"no rival token was sampled", "breaks the bound"} and reasons


def test_traces_are_wrong_and_right_in_turn_and_never_twice_the_same(world: Planted) -> None:
    traces = walked(world)
    for one, other in zip(traces[::2], traces[1::2], strict=True):
        assert one.problem == other.problem
        assert (one.path.verdict, other.path.verdict) == (Verdict.WRONG, Verdict.RIGHT)
        assert one.path.ids != other.path.ids
