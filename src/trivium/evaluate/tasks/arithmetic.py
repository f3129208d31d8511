"""Arithmetic: one or two operations, trained wordings and new numbers."""

from __future__ import annotations

from trivium import verify
from trivium.evaluate.logs import GREEDY, Task, accuracy_measures, steps_group
from trivium.problems import arithmetic
from trivium.records import Question, Verdict


def items(seed: int, count: int) -> list[Question]:
    """Draw the items."""
    return arithmetic.make(seed, count, split="exam")


def judge(question: Question, reply: str) -> Verdict:
    """Compare the final number."""
    return verify.judge(question.verifier, reply, question.answer)


TASK = Task(
    name="arithmetic",
    modes=(GREEDY,),
    length="solution_tokens",
    judge=judge,
    group=steps_group,
    measures=accuracy_measures,
)
