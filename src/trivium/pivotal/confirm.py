"""Fresh rollouts decide which candidates are real; every pair is verified on both sides.

The rollouts that suggested a candidate are never counted to confirm it, since it was picked for how they came
out. What they settle for sure does serve: the probability of a reply that was seen is known, and no estimate.
All candidates of a shard are sampled together, look after look, until each is settled; whatever is sampled
for one candidate of a question narrows the sure bounds of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trivium.pivotal import rollouts
from trivium.pivotal.estimate import Estimate, StopRule, combine, known, largest_shift
from trivium.pivotal.forest import path_of
from trivium.pivotal.rollouts import Job, Judged, Policy, Problem
from trivium.pivotal.sure import bounds
from trivium.pivotal.tree import Branch, Candidate, Child, Path, others
from trivium.records import Verdict

SURE = 0.8
"""Coverage of the interval whose nearer end a reported shift must keep above the gap: a one-sided 90 %."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a token moves the success probability after a prefix."""

    token: Child
    prob_before: float
    prob_after: float
    low: float
    high: float
    """95 % interval of prob_after - prob_before."""
    least: float
    """|shift| at the nearer end of the interval of coverage SURE; negative when that lies beyond zero."""

    @property
    def size(self) -> float:
        """|prob_after - prob_before|."""
        return abs(self.prob_after - self.prob_before)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a candidate."""

    problem: Problem
    candidate: Candidate
    decision: str
    """`accept`, or why not: `futile`, `unsettled`."""
    chosen: Estimate
    rejected: Estimate
    shifts: tuple[Shift, Shift]
    """How far the two tokens move p, the one that does so more surely first."""

    @property
    def pivot(self) -> Shift:
        """The one of the two tokens that moves p more surely."""
        return self.shifts[0]

    @property
    def gap(self) -> float:
        """Difference of the two fresh success rates."""
        return self.chosen.prob - self.rejected.prob


def confirm(
    policy: Policy,
    found: Sequence[tuple[Problem, Candidate]],
    rule: StopRule,
    paths: Mapping[str, Sequence[Path]],
) -> tuple[list[Outcome], list[Judged]]:
    """Settle every candidate with fresh rollouts from prefix + chosen and prefix + rejected.

    Args:
        policy: The model and its verifier.
        found: Candidates with their questions.
        rule: When a candidate is settled.
        paths: Question id -> all its rollouts so far, for what they settle for sure.

    Returns:
        One outcome for each candidate, in order, and all rollouts that were sampled.
    """
    sides = _sides(policy, found)
    seen = {problem.question_id: list(paths[problem.question_id]) for problem, _ in found}
    open_, decisions, sampled = list(range(len(found))), [""] * len(found), list[Judged]()
    for target in (0, *rule.looks):
        jobs = [job for index in open_ for side in sides[index] if (job := side.job(target)) is not None]
        takers = [side for index in open_ for side in sides[index] if side.job(target) is not None]
        for side, judged in zip(takers, rollouts.roll(policy, jobs), strict=True):
            seen[side.problem.question_id] += [path_of(item, len(side.reply), side.reply) for item in judged]
            side.take(judged)
            sampled += judged
        for index in open_:
            chosen, rejected = sides[index]
            for side in (chosen, rejected):
                side.bound(seen[side.problem.question_id])
            spent = target == rule.looks[-1] or (chosen.estimate.settled and rejected.estimate.settled)
            decisions[index] = rule.decide(chosen.estimate, rejected.estimate, spent)
        open_ = [index for index in open_ if decisions[index] == "continue"]
    outcomes = [
        _outcome(problem, candidate, decision, chosen.estimate, rejected.estimate)
        for (problem, candidate), decision, (chosen, rejected) in zip(found, decisions, sides, strict=True)
    ]
    return outcomes, sampled


def shift_of(branch: Branch, token: Child, rival: Child, after: Estimate, rival_after: Estimate) -> Shift:
    """How far one of two confirmed tokens moves p.

    p before the token is not sampled again: it is the mean over the next token, with the two tokens' exact
    sampling probabilities, their fresh estimates, and for all other tokens the rollouts of the tree that
    took them. Built so, the bound |shift| <= 1 - probability holds exactly, not only on average.
    """
    mass, other = others(branch, token.token_id, rival.token_id)
    rest = largest_shift(token.prob)
    terms = [(rest, after), (-min(rival.prob, rest), rival_after), (-mass, other)]
    value, low, high = combine(terms)
    value = min(rest, max(-rest, value))
    _, sure_low, sure_high = combine(terms, SURE)
    return Shift(
        token=token,
        prob_before=after.prob - value,
        prob_after=after.prob,
        low=max(-rest, low),
        high=min(rest, high),
        least=sure_low if value > 0 else -sure_high,
    )


@dataclass(slots=True)
class _Side:
    """One continuation of a candidate and its fresh rollouts so far."""

    problem: Problem
    reply: tuple[int, ...]
    purpose: str
    estimate: Estimate
    asked: int = 0

    def job(self, target: int) -> Job | None:
        if self.estimate.settled or target <= self.asked:
            return None
        return Job(self.problem, self.reply, self.asked, target - self.asked, self.purpose)

    def take(self, judged: Sequence[Judged]) -> None:
        self.asked += len(judged)
        self.estimate += rollouts.estimate(judged)

    def bound(self, paths: Sequence[Path]) -> None:
        length = len(self.reply)
        here = [path for path in paths if path.ids[:length] == self.reply]
        self.estimate = self.estimate.within(*bounds(here, length))


def _sides(policy: Policy, found: Sequence[tuple[Problem, Candidate]]) -> list[tuple[_Side, _Side]]:
    """Both continuations of every candidate; one that ends the reply is judged and needs no rollout."""
    every = [
        _Side(problem, (*candidate.branch.prefix, child.token_id), "confirm", Estimate())
        for problem, candidate in found
        for child in (candidate.chosen, candidate.rejected)
    ]
    ended = [s for s in every if s.reply[-1] in policy.stop_ids or len(s.reply) >= policy.budget]
    verdicts = rollouts.judge_replies(policy, [(side.problem, side.reply) for side in ended])
    for side, verdict in zip(ended, verdicts, strict=True):
        side.estimate = known(verdict == Verdict.RIGHT)
    return list(zip(every[::2], every[1::2], strict=True))


def _outcome(
    problem: Problem, candidate: Candidate, decision: str, chosen: Estimate, rejected: Estimate
) -> Outcome:
    branch = candidate.branch
    shifts = (
        shift_of(branch, candidate.chosen, candidate.rejected, chosen, rejected),
        shift_of(branch, candidate.rejected, candidate.chosen, rejected, chosen),
    )
    surer, other = shifts if shifts[0].least >= shifts[1].least else shifts[::-1]
    return Outcome(problem, candidate, decision, chosen, rejected, (surer, other))
