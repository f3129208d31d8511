"""Three ways to propose pivotal tokens behind one interface; `confirm` settles what any of them proposes.

`tree` reads candidates off the rollouts that are there, and can be told to grow more of them along a few
replies. `bisect` is the report's own algorithm, as the reference. `scan` looks at every eligible token of a
reply, for ground truth. A token is eligible when the bound |shift| <= 1 - probability leaves room for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from trivium.pivotal import bisect as subdivision
from trivium.pivotal import tree
from trivium.pivotal.bisect import TIE, Shift
from trivium.pivotal.estimate import Estimate, StopRule, anytime_difference, largest_shift
from trivium.pivotal.forest import Forest, Place, Trace, choose_traces
from trivium.pivotal.rollouts import Judged, Policy, Problem
from trivium.pivotal.sure import bounds, widest_shift
from trivium.pivotal.tree import Branch, Candidate, Child
from trivium.records import Drop, row_id

STEP = "pivotal.search"

GLANCE = 8
"""Rollouts a prefix of a first walk along a trace; the second goes only where that left a doubt."""

PLAIN = 0.6
"""Two tokens this far apart in the tree are a candidate that needs no more rollouts to be seen."""


@dataclass(frozen=True, slots=True)
class SearchRule:
    """What is searched and what counts; the fields of PivotalConfig that the search needs."""

    root_rollouts: tuple[int, ...]
    """Rollouts a question after each step. A question of which all or none are right stops early."""
    band: tuple[float, float]
    min_rollouts: int
    min_apparent_gap: float
    max_candidates: int
    stop: StopRule
    search: str = "tree"
    traces: int = 0
    """Replies of each question that the search walks along."""
    trace_rollouts: int = 16
    """Rollouts for each prefix on the way that needs them."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a search proposes, before anything is confirmed."""

    found: list[tuple[Problem, Candidate]]
    """At most one for each prefix, the widest apparent gap of a question first."""
    forest: Forest
    """All rollouts of the search."""
    drops: list[Drop]


def by_tree(policy: Policy, problems: Sequence[Problem], roots: Roots, rule: SearchRule) -> Proposal:
    """Read candidates off the tree; with `traces`, first let it grow where it is thin on eligible tokens."""
    forest = Forest.plant(policy, roots)
    traces = _traces(forest, problems, rule)
    for target in (GLANCE, rule.trace_rollouts):
        wanted = [(trace, _eligible(trace, rule.stop.gap)) for trace in traces]
        _in_waves(forest, wanted, min(target, rule.trace_rollouts), where=lambda p: _thin(forest, p, rule))
    found = [
        (problem, candidate)
        for problem in problems
        for candidate in tree.candidates(
            forest.paths[problem.question_id],
            gap=rule.stop.gap,
            min_rollouts=rule.min_rollouts,
            min_apparent_gap=rule.min_apparent_gap,
        )
    ]
    return Proposal(found, forest, [])


def by_bisect(policy: Policy, problems: Sequence[Problem], roots: Roots, rule: SearchRule) -> Proposal:
    """Subdivide the traces as the report does, with fresh rollouts for every prefix."""
    import math

    forest = Forest.plant(policy, roots)
    traces = _traces(forest, problems, rule)

    def estimate_many(asked: Sequence[subdivision.Place]) -> list[Estimate]:
        places = [(traces[index], length) for index, length in asked]
        forest.grow(places, rule.trace_rollouts, reuse=False)
        return [forest.estimate(place, reuse=False) for place in places]

    logprobs = [[math.log(prob) for prob in trace.path.probs] for trace in traces]
    shifts = subdivision.bisect(logprobs, estimate_many, rule.stop.gap)
    return _propose(forest, problems, traces, shifts, rule)


def by_scan(policy: Policy, problems: Sequence[Problem], roots: Roots, rule: SearchRule) -> Proposal:
    """Estimate both sides of every eligible token of the traces."""
    forest = Forest.plant(policy, roots)
    traces = _traces(forest, problems, rule)
    return _propose(forest, problems, traces, scan(forest, traces, rule.stop.gap, rule.trace_rollouts), rule)


def scan(
    forest: Forest,
    traces: Sequence[Trace],
    gap: float,
    num_rollouts: int,
    *,
    reuse: bool = True,
    early: bool = True,
) -> list[Shift]:
    """Find every token of the traces that shifts the success probability by the gap.

    Args:
        forest: The rollouts so far; grows.
        traces: Replies to walk along.
        gap: Least shift that counts.
        num_rollouts: Rollouts behind each of the two estimates of an eligible token, at most.
        reuse: Whether rollouts from ancestors count. They make the two estimates of a token share rollouts,
            which only makes their difference more exact.
        early: Whether a token is left alone as soon as confidence sequences settle on which side of the gap
            it lies, at 64, 128, 256, ... rollouts.

    Returns:
        Shifts in the order of traces and positions; none breaks the bound by more than chance.
    """
    positions = [_eligible(trace, gap) for trace in traces]
    open_ = [list(found) for found in positions]
    for target in looks(num_rollouts) if early else (num_rollouts,):
        ends = [sorted({end for at in found for end in (at, at + 1)}) for found in open_]
        _in_waves(forest, list(zip(traces, ends, strict=True)), target, reuse=reuse)
        open_ = [
            [at for at in found if not _settled(forest, trace, at, gap, reuse=reuse)]
            for trace, found in zip(traces, open_, strict=True)
        ]
    return [
        Shift(index, at, before, after)
        for index, (trace, found) in enumerate(zip(traces, positions, strict=True))
        for at in found
        for before in [forest.estimate((trace, at), reuse=reuse)]
        for after in [forest.estimate((trace, at + 1), reuse=reuse)]
        if abs(after.prob - before.prob) >= gap - TIE
    ]


Roots = Mapping[str, Sequence[Judged]]
"""Question id -> judged whole replies."""

SEARCHES: dict[str, Callable[[Policy, Sequence[Problem], Roots, SearchRule], Proposal]] = {
    "tree": by_tree,
    "bisect": by_bisect,
    "scan": by_scan,
}


def widest(found: Sequence[tuple[Problem, Candidate]], limit: int) -> list[tuple[Problem, Candidate]]:
    """Keep the widest candidates of each question, at most `limit` and one for each prefix."""
    kept: list[tuple[Problem, Candidate]] = []
    taken: dict[str, set[tuple[int, ...]]] = {}
    for problem, candidate in sorted(found, key=lambda one: -one[1].apparent_gap):
        prefixes = taken.setdefault(problem.question_id, set())
        if len(prefixes) < limit and candidate.branch.prefix not in prefixes:
            prefixes.add(candidate.branch.prefix)
            kept.append((problem, candidate))
    order = {problem.question_id: place for place, (problem, _) in enumerate(found)}
    return sorted(kept, key=lambda one: order[one[0].question_id])


def looks(most: int) -> tuple[int, ...]:
    """Numbers of rollouts at which a scan asks whether a token is settled."""
    return (*(n for n in (64 << power for power in range(20)) if n < most), most)


def _settled(forest: Forest, trace: Trace, at: int, gap: float, *, reuse: bool) -> bool:
    before = forest.estimate((trace, at), reuse=reuse)
    after = forest.estimate((trace, at + 1), reuse=reuse)
    low, high = anytime_difference(after, before)
    return low >= gap or high <= -gap or (-gap < low and high < gap)


def _traces(forest: Forest, problems: Sequence[Problem], rule: SearchRule) -> list[Trace]:
    return [
        trace
        for problem in problems
        for trace in choose_traces(problem, forest.paths[problem.question_id], rule.traces)
    ]


def _eligible(trace: Trace, gap: float) -> list[int]:
    return [index for index, prob in enumerate(trace.path.probs) if largest_shift(prob) >= gap]


def _thin(forest: Forest, place: Place, rule: SearchRule) -> bool:
    """Whether more rollouts may tell something: a pivot is possible here, and not plain already."""
    trace, at = place
    paths = [*forest.through(place), trace.path]
    after = [path for path in paths if path.ids[: at + 1] == trace.path.ids[: at + 1]]
    prob = trace.path.probs[at]
    if widest_shift(bounds(paths, at), bounds(after, at + 1), prob) < rule.stop.gap:
        return False
    children = tree.branch_at(paths, at).children
    if sum(child.estimate.num_rollouts for child in children) < rule.min_rollouts:
        return True
    shrunk = [child.estimate.shrunk for child in children]
    return max(shrunk) - min(shrunk) < PLAIN


def _in_waves(
    forest: Forest,
    wanted: Sequence[tuple[Trace, Sequence[int]]],
    target: int,
    *,
    reuse: bool = True,
    where: Callable[[Place], bool] = lambda place: True,
) -> None:
    """Grow from the root outwards, all traces at once: later prefixes use what earlier ones sampled."""
    for wave in zip_longest(*([(trace, at) for at in ends] for trace, ends in wanted)):
        places = [place for place in wave if place is not None and where(place)]
        forest.grow(places, target, reuse=reuse)


def _propose(
    forest: Forest,
    problems: Sequence[Problem],
    traces: Sequence[Trace],
    shifts: Sequence[Shift],
    rule: SearchRule,
) -> Proposal:
    found: list[tuple[Problem, Candidate]] = []
    drops: list[Drop] = []
    for shift in shifts:
        trace = traces[shift.trace]
        if largest_shift(trace.path.probs[shift.position]) < rule.stop.gap:
            drops.append(_drop(trace, shift, "breaks the bound"))
        elif (candidate := _candidate(forest, (trace, shift.position), shift)) is None:
            drops.append(_drop(trace, shift, "no rival token was sampled"))
        else:
            found.append((trace.problem, candidate))
    order = {problem.question_id: place for place, problem in enumerate(problems)}
    found.sort(key=lambda one: (order[one[0].question_id], -one[1].apparent_gap))
    return Proposal(found, forest, drops)


def _candidate(forest: Forest, place: Place, shift: Shift) -> Candidate | None:
    """A shift and its rival: the token that did best or worst among the rollouts from the same prefix.

    Source: Phi-4 report, footnote 7: both tokens are taken from rollouts that are there anyway.
    """
    trace, at = place
    token, prefix = trace.path.ids[at], trace.path.ids[:at]
    children = tree.branch_at(forest.through(place), at).children
    others = [child for child in children if child.token_id != token]
    judged = [child for child in others if child.estimate.num_rollouts]
    if not judged:
        return None
    own = Child(token, trace.path.probs[at], shift.after)
    branch = Branch(prefix, (own, *others))
    if shift.after.prob > shift.before.prob:
        return Candidate(branch, own, min(judged, key=lambda child: child.estimate.shrunk))
    return Candidate(branch, max(judged, key=lambda child: child.estimate.shrunk), own)


def _drop(trace: Trace, shift: Shift, reason: str) -> Drop:
    question = trace.problem.question_id
    spelled = ",".join(map(str, trace.path.ids[: shift.position + 1]))
    return Drop(
        id=row_id("pivotal.shift", [question], spelled),
        step=STEP,
        reason=reason,
        detail=f"p {shift.before.prob:.2f} before, {shift.after.prob:.2f} after",
        source=question,
    )
