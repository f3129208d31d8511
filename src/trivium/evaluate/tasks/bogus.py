"""Bogus questions: about entries that do not exist (HTTP status 731). Only a refusal is sound."""

from __future__ import annotations

import dataclasses

from trivium import verify
from trivium.evaluate.logs import GREEDY, Task, no_group, verdict_measures
from trivium.problems import facts
from trivium.records import Question, Verdict

NAME = "bogus"


def items(seed: int, count: int) -> list[Question]:
    """Draw the items, in held-out wordings, about keys that no training question uses."""
    return [dataclasses.replace(row, skill=NAME) for row in facts.bogus(seed, count, split="exam")]


def judge(question: Question, reply: str) -> Verdict:
    """Refused, or a made-up value; there is no right value, so nothing is ever judged right."""
    verdict = verify.judge("refusal", reply, question.answer)
    return Verdict.REFUSED if verdict == Verdict.RIGHT else verdict


TASK = Task(
    name=NAME,
    modes=(GREEDY,),
    length="answer_tokens",
    judge=judge,
    group=no_group,
    measures=verdict_measures,
)
