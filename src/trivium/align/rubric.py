"""Grades of a worked solution: accuracy, style and detail from 1 to 5, faults first, no judge model needed.

The report's judge (Appendix A.2) lists a reply's faults, then grades accuracy, style and detail; a reply is
better when it is more accurate, or when the mean of the three is higher. Here a verifier grades accuracy and
plain rules find the faults, so a grade is the same on every machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trivium.problems.solutions import evaluate
from trivium.records import Question, Verdict

BEST, WORST = 5, 1

ACCURACY = {
    Verdict.RIGHT: 5,
    Verdict.REFUSED: 2,
    Verdict.WRONG: 1,
    Verdict.UNPARSED: 1,
    Verdict.ERROR: 1,
}
"""A refusal to a problem that can be solved is better than a wrong answer, but not good."""

UNFINISHED, NO_ANSWER, REPEATS, FALSE_STEP = "unfinished", "no answer", "repeats itself", "a step is false"
STYLE_COST = {UNFINISHED: 2, NO_ANSWER: 2, REPEATS: 1, FALSE_STEP: 2}

_EQUATION = re.compile(r"([0-9+\-*/()]*[+\-*/][0-9+\-*/()]*)=(\d+)")
_ANSWER = re.compile(r"Answer:\s*\S[^\n]*$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grade:
    """Grades from 1 to 5 and the faults behind them."""

    accuracy: int
    style: int
    detail: int
    faults: tuple[str, ...]

    @property
    def overall(self) -> float:
        """Mean of the three."""
        return (self.accuracy + self.style + self.detail) / 3


def grade(question: Question, reply: str, verdict: Verdict, finish: str) -> Grade:
    """Grade a reply.

    Args:
        question: Its difficulty says how many steps a full solution shows.
        reply: The text of the reply.
        verdict: What the verifier said.
        finish: `eos` or `length`.
    """
    faults = find_faults(reply, finish)
    return Grade(
        accuracy=ACCURACY[verdict],
        style=max(WORST, BEST - sum(STYLE_COST[fault] for fault in faults)),
        detail=detail(reply, question.difficulty),
        faults=faults,
    )


def find_faults(reply: str, finish: str) -> tuple[str, ...]:
    """List what is wrong with the form of a reply."""
    sentences = [part for part in re.split(r"(?<=[.?!])\s+", reply.strip()) if part]
    found = {
        UNFINISHED: finish != "eos",
        NO_ANSWER: _ANSWER.search(reply.strip()) is None,
        REPEATS: len(set(sentences)) < len(sentences),
        FALSE_STEP: any(not is_true(left, right) for left, right in _EQUATION.findall(reply)),
    }
    return tuple(fault for fault, present in found.items() if present)


def detail(reply: str, steps: int) -> int:
    """Grade how much of the work is shown: 1 for none of `steps` equations, 5 for all of them or more."""
    shown = len(_EQUATION.findall(reply))
    return WORST + round((BEST - WORST) * min(1.0, shown / max(1, steps)))


def is_true(left: str, right: str) -> bool:
    """Say whether an equation written in a reply holds; what cannot be read as arithmetic does not."""
    try:
        return evaluate(left) == int(right)
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError, OverflowError, RecursionError):
        return False
