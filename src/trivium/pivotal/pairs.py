"""Rows for training and for the page: preference pairs, and the pivotal tokens among them."""

from __future__ import annotations

from collections.abc import Sequence

from trivium.pivotal.confirm import Outcome, Shift
from trivium.pivotal.estimate import Estimate, largest_shift
from trivium.records import Alternative, Drop, PivotalToken, Preference, row_id

STEP = "pivotal.confirm"
SLACK = 1e-9
"""Rounding allowed when a shift is held against the bound."""


def pivotal_tokens(outcome: Outcome, gap: float) -> list[PivotalToken]:
    """The tokens of a confirmed pair that surely move p by the gap, the report's sense of pivotal.

    None, one or both: at a choice between two common tokens each of them decides, while of two rare tokens
    that are far apart neither need be far from p before them.
    """
    return [_pivotal_token(outcome, shift) for shift in outcome.shifts if shift.least >= gap]


def _pivotal_token(outcome: Outcome, shift: Shift) -> PivotalToken:
    """One of the two tokens, with every token seen after the prefix.

    `alternatives` holds the fresh counts of the two tokens of the pair and the tree's counts of the others,
    and of a token of the pair that needed no fresh rollouts.
    """
    prefix = outcome.problem.prompt_ids + outcome.candidate.branch.prefix
    return PivotalToken(
        id=row_id("pivotal.token", [outcome.problem.question_id], _spell(prefix, shift.token.token_id)),
        question_id=outcome.problem.question_id,
        prefix_ids=list(prefix),
        token_id=shift.token.token_id,
        token_prob=shift.token.prob,
        prob_before=shift.prob_before,
        prob_after=shift.prob_after,
        low=shift.low,
        high=shift.high,
        alternatives=_alternatives(outcome),
    )


def preference(outcome: Outcome, gap: float) -> Preference:
    """The pair as training data: one token over another after the same ids, no stop token added.

    Source: Phi-4 report, section 4.3: pairs of single tokens that follow the same prefix.
    """
    candidate = outcome.candidate
    prompt = outcome.problem.prompt_ids + candidate.branch.prefix
    chosen, rejected = candidate.chosen.token_id, candidate.rejected.token_id
    return Preference(
        id=row_id("pivotal.pair", [outcome.problem.question_id], _spell(prompt, chosen, rejected)),
        question_id=outcome.problem.question_id,
        prompt_ids=list(prompt),
        chosen_ids=[chosen],
        rejected_ids=[rejected],
        origin="pivotal",
        gap=outcome.gap,
        parents=[token.id for token in pivotal_tokens(outcome, gap)] or [outcome.problem.question_id],
    )


def drop(outcome: Outcome) -> Drop:
    """Why a candidate gave no pair."""
    candidate = outcome.candidate
    spelled = _spell(candidate.branch.prefix, candidate.chosen.token_id, candidate.rejected.token_id)
    counts = " against ".join(f"{e.num_right}/{e.num_rollouts}" for e in (outcome.chosen, outcome.rejected))
    return Drop(
        id=row_id("pivotal.candidate", [outcome.problem.question_id], spelled),
        step=STEP,
        reason=outcome.decision,
        detail=f"fresh rollouts right: {counts}",
        source=outcome.problem.question_id,
    )


def breaks_bound(token: PivotalToken) -> bool:
    """Say whether a reported token moves p by more than it can; must never be so."""
    return abs(token.prob_after - token.prob_before) > largest_shift(token.token_prob) + SLACK


def _alternatives(outcome: Outcome) -> list[Alternative]:
    fresh = {
        outcome.candidate.chosen.token_id: outcome.chosen,
        outcome.candidate.rejected.token_id: outcome.rejected,
    }
    counts: dict[int, Estimate] = {}
    for child in outcome.candidate.branch.children:
        estimate = fresh.get(child.token_id, child.estimate)
        counts[child.token_id] = estimate if estimate.num_rollouts else child.estimate
    return [
        Alternative(token_id=t, num_rollouts=e.num_rollouts, num_right=e.num_right) for t, e in counts.items()
    ]


def _spell(prefix: Sequence[int], *tokens: int) -> str:
    return f"{','.join(map(str, prefix))}|{','.join(map(str, tokens))}"
