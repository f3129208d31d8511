"""From questions to confirmed pairs: roots, search, confirmation, for one shard of questions at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivium.pivotal import pairs, rollouts, tree
from trivium.pivotal.confirm import Outcome, confirm
from trivium.pivotal.discoveries import Settled, settled
from trivium.pivotal.estimate import Estimate
from trivium.pivotal.forest import path_of
from trivium.pivotal.rollouts import Job, Judged, Policy, Problem
from trivium.pivotal.searches import SEARCHES, SearchRule, widest
from trivium.pivotal.sure import bounds
from trivium.records import Drop, PivotalToken, Preference, Rollout, to_table

if TYPE_CHECKING:
    import pyarrow as pa

GLANCE = 4
"""Whole replies after which a question may already be surely out of the band."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """What the search did with one question."""

    question_id: str
    num_rollouts: int
    num_right: int
    num_errors: int
    in_band: bool
    num_candidates: int
    num_confirmed: int
    root_tokens: int
    search_tokens: int
    confirm_tokens: int
    tokens_ruled_out: int
    """Tokens of the root rollouts that the bound rules out as pivots."""


@dataclass(frozen=True, slots=True)
class Mined:
    """All that one shard gave."""

    searched: list[Searched]
    rollouts: list[Rollout]
    outcomes: list[Outcome]
    drops: list[Drop]
    gap: float

    def tables(self) -> dict[str, pa.Table]:
        """Arrow tables of the shard, for the ledger."""
        accepted = [outcome for outcome in self.outcomes if outcome.decision == "accept"]
        refused = [outcome for outcome in self.outcomes if outcome.decision != "accept"]
        return {
            "searched": to_table(Searched, self.searched),
            "rollouts": to_table(Rollout, self.rollouts),
            "candidates": to_table(Settled, [settled(outcome, self.gap) for outcome in self.outcomes]),
            "pivotal_tokens": to_table(
                PivotalToken, [token for o in accepted for token in pairs.pivotal_tokens(o, self.gap)]
            ),
            "preferences": to_table(Preference, [pairs.preference(o, self.gap) for o in accepted]),
            "drops": to_table(Drop, [*self.drops, *map(pairs.drop, refused)]),
        }


def mine(policy: Policy, problems: Sequence[Problem], rule: SearchRule) -> Mined:
    """Search a shard of questions for pivotal tokens.

    Args:
        policy: The model and its verifier.
        problems: Questions with their prompts as ids.
        rule: Numbers of rollouts, the band and the thresholds.

    Returns:
        Rollouts, outcomes of all candidates and what was left out, in the order of the questions.
    """
    roots = sample_roots(policy, problems, rule.root_rollouts, rule.band)
    kept = [problem for problem in problems if in_band(roots[problem.question_id], rule.band)]
    proposal = SEARCHES[rule.search](policy, kept, roots, rule)
    grown = proposal.forest.grown
    outcomes, sampled = confirm(
        policy, widest(proposal.found, rule.max_candidates), rule.stop, proposal.forest.paths
    )
    searched = [
        _searched(problem, roots[problem.question_id], grown, outcomes, sampled, rule) for problem in problems
    ]
    whole = [item.row for problem in problems for item in roots[problem.question_id]]
    drops = [drop for row in searched if (drop := _band_drop(row, rule)) is not None]
    return Mined(
        searched=searched,
        rollouts=whole + [item.row for item in grown] + [item.row for item in sampled],
        outcomes=outcomes,
        drops=drops + proposal.drops,
        gap=rule.stop.gap,
    )


def sample_roots(
    policy: Policy,
    problems: Sequence[Problem],
    steps: Sequence[int],
    band: tuple[float, float] = (0.0, 1.0),
) -> dict[str, list[Judged]]:
    """Sample whole replies to every question, in steps; questions that are plainly out of band stop early.

    Args:
        policy: The model and its verifier.
        problems: The questions.
        steps: Replies to a question after each step. At a glance before the first one, and between steps, a
            question stops whose replies so far settle that it is out of the band; from the first step on
            also one of which all or none are right.
        band: Success probability that a question must have.
    """
    found: dict[str, list[Judged]] = {problem.question_id: [] for problem in problems}
    for target in (*(n for n in (GLANCE,) if n < steps[0]), *steps):
        open_ = [problem for problem in problems if not _settled(found[problem.question_id], steps[0], band)]
        jobs = [
            Job(problem, (), len(done), target - len(done), "root")
            for problem in open_
            for done in [found[problem.question_id]]
        ]
        for job, judged in zip(jobs, rollouts.roll(policy, jobs), strict=True):
            found[job.problem.question_id] += judged
    return found


def _settled(done: Sequence[Judged], first: int, band: tuple[float, float]) -> bool:
    counts = _root_estimate(done)
    if counts.floor > band[1] or counts.ceiling < band[0]:
        return True
    return counts.num_rollouts >= first and counts.num_right in (0, counts.num_rollouts)


def _root_estimate(done: Sequence[Judged]) -> Estimate:
    return rollouts.estimate(done).within(*bounds([path_of(item, 0) for item in done], 0))


def in_band(roots: Sequence[Judged], band: tuple[float, float]) -> bool:
    """Whether whole replies show a success probability in the band."""
    counts = _root_estimate(roots)
    return counts.num_rollouts > 0 and band[0] <= counts.prob <= band[1]


def _searched(
    problem: Problem,
    roots: Sequence[Judged],
    grown: Sequence[Judged],
    outcomes: Sequence[Outcome],
    sampled: Sequence[Judged],
    rule: SearchRule,
) -> Searched:
    counts = _root_estimate(roots)
    own = [outcome for outcome in outcomes if outcome.problem.question_id == problem.question_id]
    ruled_out, root_tokens = tree.share_ruled_out([path_of(item, 0) for item in roots], rule.stop.gap)
    return Searched(
        question_id=problem.question_id,
        num_rollouts=counts.num_rollouts,
        num_right=counts.num_right,
        num_errors=counts.num_errors,
        in_band=in_band(roots, rule.band),
        num_candidates=len(own),
        num_confirmed=sum(outcome.decision == "accept" for outcome in own),
        root_tokens=root_tokens,
        search_tokens=_tokens(grown, problem),
        confirm_tokens=_tokens(sampled, problem),
        tokens_ruled_out=ruled_out,
    )


def _tokens(judged: Sequence[Judged], problem: Problem) -> int:
    return sum(len(item.row.completion_ids) for item in judged if item.row.question_id == problem.question_id)


def _band_drop(row: Searched, rule: SearchRule) -> Drop | None:
    if row.in_band:
        return None
    prob = row.num_right / row.num_rollouts if row.num_rollouts else 0.0
    reason = "no verdict" if not row.num_rollouts else "too hard" if prob < rule.band[0] else "too easy"
    return Drop(
        id=row.question_id,
        step="pivotal.band",
        reason=reason,
        detail=f"{row.num_right} of {row.num_rollouts} rollouts right",
        source=row.question_id,
    )
