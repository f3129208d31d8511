"""The pivotal tokens of the page: each with the tokens tried instead and what was sampled after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trivium.pivotal.rollouts import Problem
from trivium.records import PivotalToken, Rollout

CONTINUATIONS = 3
"""Sampled continuations shown after a token."""
SHOWN_OPTIONS = 4
"""Tokens shown at a pivot, those with the most rollouts."""


def choose(pivots: Sequence[PivotalToken], count: int) -> list[PivotalToken]:
    """Pick pivots to show: the surest one of every question, then the second one, and so on."""
    by_question: dict[str, list[PivotalToken]] = {}
    for pivot in sorted(pivots, key=lambda pivot: (-_least(pivot), pivot.id)):
        by_question.setdefault(pivot.question_id, []).append(pivot)
    ranked = [(turn, -_least(p), p.id, p) for own in by_question.values() for turn, p in enumerate(own)]
    return [pivot for *_, pivot in sorted(ranked, key=lambda entry: entry[:3])[:count]]


def rows(
    pivots: Sequence[PivotalToken],
    problems: Sequence[Problem],
    seen: Sequence[Rollout],
    text_of: Callable[[Sequence[int]], str],
) -> list[dict[str, Any]]:
    """Spell out pivots for a person.

    Args:
        pivots: What to show.
        problems: The questions.
        seen: Rollouts of their questions, quoted after every option.
        text_of: Text of ids, special tokens spelled out.

    Returns:
        For each pivot the question, the reply before it, the token with its sampling probability, p on both
        sides, and its options: the token itself first, each with counts and up to three continuations.
    """
    asked = {problem.question_id: problem for problem in problems}
    return [_row(pivot, asked[pivot.question_id], seen, text_of) for pivot in pivots]


def _row(
    pivot: PivotalToken, problem: Problem, seen: Sequence[Rollout], text_of: Callable[[Sequence[int]], str]
) -> dict[str, Any]:
    options = sorted(
        pivot.alternatives, key=lambda other: (other.token_id != pivot.token_id, -other.num_rollouts)
    )
    return {
        "id": pivot.id,
        "question_id": pivot.question_id,
        "prompt": problem.prompt,
        "answer": problem.answer,
        "before": text_of(pivot.prefix_ids[len(problem.prompt_ids) :]),
        "text": text_of([pivot.token_id]),
        "prob": pivot.token_prob,
        "prob_before": pivot.prob_before,
        "prob_after": pivot.prob_after,
        "low": pivot.low,
        "high": pivot.high,
        "options": [
            {
                "text": text_of([option.token_id]),
                "num_right": option.num_right,
                "num_rollouts": option.num_rollouts,
                "continuations": _continuations((*pivot.prefix_ids, option.token_id), seen, text_of),
            }
            for option in options[:SHOWN_OPTIONS]
        ],
    }


def _continuations(
    start: tuple[int, ...], seen: Sequence[Rollout], text_of: Callable[[Sequence[int]], str]
) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for rollout in seen:
        whole = (*rollout.prefix_ids, *rollout.completion_ids)
        if whole[: len(start)] == start:
            shown = {"text": text_of(whole[len(start) :]), "verdict": str(rollout.verdict)}
            if shown not in found:
                found.append(shown)
        if len(found) == CONTINUATIONS:
            break
    return found


def _least(pivot: PivotalToken) -> float:
    """|shift| at the nearer end of its interval."""
    return max(pivot.low, -pivot.high)
