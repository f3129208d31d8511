"""Whole solutions with the success probability after every token, for the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.pivotal import rollouts
from trivium.pivotal.estimate import Estimate, known, largest_shift
from trivium.pivotal.rollouts import Job, Policy, Problem
from trivium.records import PivotalToken, Rollout, Verdict

CARRY = 0.05
"""A prefix keeps the estimate of an earlier one while the bounds of the tokens between add up to less."""


@dataclass(frozen=True, slots=True)
class Solution:
    """A sampled solution of one question and the pivotal tokens on its way."""

    problem: Problem
    rollout: Rollout
    pivots: tuple[PivotalToken, ...]
    """Those of which the solution took the pivotal token itself."""


def busiest(pivots: Sequence[PivotalToken], count: int) -> list[str]:
    """The questions with the most pivotal tokens; of equals, those that come first."""
    counts = Counter(pivot.question_id for pivot in pivots)
    return [question_id for question_id, _ in counts.most_common(count)]


def choose_solutions(
    problems: Sequence[Problem],
    roots: Sequence[Rollout],
    pivots: Sequence[PivotalToken],
    count: int,
) -> list[Solution]:
    """Pick the solutions to show: those with the most pivotal tokens, wrong and right ones in turn.

    Args:
        problems: The questions.
        roots: Whole replies; other rollouts may be among them and are left out.
        pivots: All reported pivotal tokens.
        count: How many; each of another question.
    """
    by_question: dict[str, list[PivotalToken]] = {}
    for pivot in pivots:
        by_question.setdefault(pivot.question_id, []).append(pivot)
    known_problems = {problem.question_id: problem for problem in problems}
    offers = []
    for rollout in roots:
        problem = known_problems[rollout.question_id]
        if tuple(rollout.prefix_ids) == problem.prompt_ids:
            passed = [p for p in by_question.get(rollout.question_id, []) if _passes(rollout, p)]
            if passed:
                passed.sort(key=lambda pivot: len(pivot.prefix_ids))
                offers.append(Solution(problem, rollout, tuple(passed)))
    offers.sort(key=lambda offer: (-len(offer.pivots), len(offer.rollout.completion_ids), offer.rollout.id))
    return _in_turn(offers, count)


def solved(
    policy: Policy,
    solution: Solution,
    seen: Sequence[Rollout],
    num_rollouts: int,
    gap: float,
    text_of: Callable[[Sequence[int]], str],
) -> dict[str, Any]:
    """Estimate success after every token of a solution.

    All numbers come from rollouts of their own, of a fixed number. The counts that confirmed a pivot stopped
    as soon as they were clear, so they flatter it; a token is marked only if it shifts p by the gap here too.

    Args:
        policy: The model and its verifier.
        solution: What to walk along.
        seen: Rollouts of the question, from which continuations of the alternatives are quoted.
        num_rollouts: Fresh rollouts for each prefix that needs them.
        gap: Least shift of a token that is marked as pivotal.
        text_of: Text of ids, special tokens spelled out.

    Returns:
        Prompt, answer, verdict and a list of tokens: text, sampling probability, `p` after the token with
        its interval and number of rollouts, whether it was carried over under the bound, and for pivotal
        tokens the probabilities on both sides and the alternatives with a continuation each.
    """
    rollout, problem = solution.rollout, solution.problem
    probs = _probs(rollout)
    needed = places_to_estimate(probs)
    reply = tuple(rollout.completion_ids)
    jobs = [Job(problem, reply[:place], 0, num_rollouts, "solve") for place in needed]
    estimates = dict(zip(needed, map(rollouts.estimate, rollouts.roll(policy, jobs)), strict=True))
    estimates[len(reply)] = known(rollout.verdict == Verdict.RIGHT)
    pivots = {len(pivot.prefix_ids) - len(problem.prompt_ids): pivot for pivot in solution.pivots}
    tokens, current = [], estimates[0]
    for index, token in enumerate(reply):
        before, current = current, estimates.get(index + 1, current)
        row = _token_row(token, probs[index], current, index + 1 not in estimates, text_of)
        if index in pivots:
            row |= {"confirmed": True, "pivotal": abs(current.prob - before.prob) >= gap}
            row |= {"prob_before": before.prob, "prob_after": current.prob}
            row["alternatives"] = _alternatives(pivots[index], seen, text_of)
        tokens.append(row)
    return {
        "question_id": problem.question_id,
        "prompt": problem.prompt,
        "answer": problem.answer,
        "verdict": str(rollout.verdict),
        "p_start": estimates[0].prob,
        "tokens": tokens,
    }


def places_to_estimate(probs: Sequence[float]) -> list[int]:
    """Prefix lengths that need rollouts; between them the bounds of the tokens add up to less than CARRY.

    The empty prefix always needs them, the whole reply never does: its verdict is known.
    """
    places, drift = [0], 0.0
    for index, prob in enumerate(probs[:-1]):
        drift += largest_shift(prob)
        if drift >= CARRY:
            places.append(index + 1)
            drift = 0.0
    return places


def _token_row(
    token: int, prob: float, estimate: Estimate, carried: bool, text_of: Callable[[Sequence[int]], str]
) -> dict[str, Any]:
    low, high = estimate.interval()
    return {
        "id": token,
        "text": text_of([token]),
        "prob": prob,
        "p": estimate.prob,
        "low": low,
        "high": high,
        "n": 0 if estimate.floor == estimate.ceiling else estimate.num_rollouts,
        "carried": carried,
        "confirmed": False,
        "pivotal": False,
    }


def _alternatives(
    pivot: PivotalToken, seen: Sequence[Rollout], text_of: Callable[[Sequence[int]], str]
) -> list[dict[str, Any]]:
    return [
        {
            "id": other.token_id,
            "text": text_of([other.token_id]),
            "num_right": other.num_right,
            "num_rollouts": other.num_rollouts,
            **_continuation((*pivot.prefix_ids, other.token_id), seen, text_of),
        }
        for other in pivot.alternatives
        if other.token_id != pivot.token_id
    ]


def _continuation(
    start: tuple[int, ...], seen: Sequence[Rollout], text_of: Callable[[Sequence[int]], str]
) -> Mapping[str, str]:
    """What some rollout said after these ids, and its verdict; empty when none came this way."""
    for rollout in seen:
        whole = (*rollout.prefix_ids, *rollout.completion_ids)
        if whole[: len(start)] == start:
            return {"continuation": text_of(whole[len(start) :]), "verdict": str(rollout.verdict)}
    return {"continuation": "", "verdict": ""}


def _passes(rollout: Rollout, pivot: PivotalToken) -> bool:
    whole = [*rollout.prefix_ids, *rollout.completion_ids]
    length = len(pivot.prefix_ids)
    return len(whole) > length and whole[:length] == pivot.prefix_ids and whole[length] == pivot.token_id


def _in_turn(offers: Sequence[Solution], count: int) -> list[Solution]:
    chosen: list[Solution] = []
    while len(chosen) < count:
        used = {solution.problem.question_id for solution in chosen}
        left = [offer for offer in offers if offer.problem.question_id not in used]
        wrong_turn = len(chosen) % 2 == 0
        fitting = [offer for offer in left if (offer.rollout.verdict != Verdict.RIGHT) == wrong_turn]
        if not left:
            break
        chosen.append((fitting or left)[0])
    return chosen


def _probs(rollout: Rollout) -> list[float]:
    import numpy as np

    return np.exp(np.asarray(rollout.logprobs, dtype=np.float64)).tolist()
