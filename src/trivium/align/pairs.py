"""Preference pairs of whole replies, the better one first, without teaching the model to write long or short.

Any two replies to one question can be a pair (the report's "any-vs-any", Tab. 8). Preference training likes
length, so a pair whose lengths differ too much is not used, and of a question's admissible pairs that one is
taken which brings the mean length difference of all pairs so far back towards zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

from trivium.align.rubric import BEST, WORST, Grade
from trivium.records import Drop, Rollout, Verdict

ACCURACY, OVERALL = "accuracy", "overall"


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded:
    """A rollout with its grade."""

    rollout: Rollout
    grade: Grade

    @property
    def length(self) -> int:
        """Tokens of the reply, its end token included."""
        return len(self.rollout.completion_ids)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two replies to one question, and by how much the chosen one is better (0 to 1)."""

    kind: str
    chosen: Graded
    rejected: Graded
    gap: float

    @property
    def length_change(self) -> int:
        """Tokens that the chosen reply is longer by."""
        return self.chosen.length - self.rejected.length


def accuracy_pairs(graded: Sequence[Graded]) -> list[Pair]:
    """Every right reply against every wrong one; refused, unread and erroneous replies take no part."""
    return [
        Pair(kind=ACCURACY, chosen=a, rejected=b, gap=(a.grade.accuracy - b.grade.accuracy) / (BEST - WORST))
        for a, b in permutations(graded, 2)
        if a.rollout.verdict == Verdict.RIGHT and b.rollout.verdict == Verdict.WRONG
    ]


def overall_pairs(graded: Sequence[Graded], least_gap: float) -> list[Pair]:
    """Every two right replies whose overall grades differ by at least `least_gap` (grades go from 1 to 5)."""
    right = [one for one in graded if one.rollout.verdict == Verdict.RIGHT]
    return [
        Pair(kind=OVERALL, chosen=a, rejected=b, gap=(a.grade.overall - b.grade.overall) / (BEST - WORST))
        for a, b in permutations(right, 2)
        if a.grade.overall - b.grade.overall >= least_gap
    ]


def choose(
    candidates: Iterable[Sequence[Pair]], *, most: int, max_length_ratio: float, step: str
) -> tuple[list[Pair], list[Drop]]:
    """Take at most one pair a question, balancing lengths, until there are `most`.

    Args:
        candidates: One sequence of pairs a question.
        most: Pairs wanted.
        max_length_ratio: A pair is admissible when the longer reply has at most this many times the tokens.
        step: Step named in the drops.

    Returns:
        The pairs, and a drop for every question whose pairs all differ too much in length.
    """
    taken: list[Pair] = []
    drops: list[Drop] = []
    balance = 0
    for pairs in candidates:
        if len(taken) >= most:
            break
        if not pairs:
            continue
        admissible = [pair for pair in pairs if length_ratio(pair) <= max_length_ratio]
        if not admissible:
            question = pairs[0].chosen.rollout.question_id
            drops.append(Drop(id=question, step=step, reason="lengths differ", detail=f"{len(pairs)} pairs"))
            continue
        best = min(admissible, key=lambda pair: (abs(balance + pair.length_change), length_ratio(pair)))
        balance += best.length_change
        taken.append(best)
    return taken, drops


def length_ratio(pair: Pair) -> float:
    """Length of the longer reply over that of the shorter one."""
    lengths = sorted((pair.chosen.length, pair.rejected.length))
    return lengths[1] / lengths[0]
