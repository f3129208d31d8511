"""Facts as right / wrong / refused: known ones in a wording never trained on, and ones nobody can know.

A withheld fact has a true value that stands nowhere in training, so the right reply is a refusal and a value
is made up. The report shows the three shares by stage (Fig. 6) rather than one score; so do we.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trivium import verify
from trivium.evaluate.logs import GREEDY, Task, no_group, verdict_measures
from trivium.problems import facts
from trivium.records import Question, Verdict

KNOWN, UNKNOWN = "facts_known", "facts_unknown"


def known_items(known: Sequence[facts.Fact], count: int) -> list[Question]:
    """Ask the first `count` known facts, spread over the tables, in the held-out wording."""
    rows = facts.questions(spread(known, count), held_out_wording=True)
    return [dataclasses.replace(row, skill=KNOWN) for row in rows]


def unknown_items(withheld: Sequence[facts.Fact], count: int) -> list[Question]:
    """Ask the first `count` withheld facts, spread over the tables, in the held-out wording."""
    rows = facts.questions(spread(withheld, count), held_out_wording=True)
    return [dataclasses.replace(row, skill=UNKNOWN) for row in rows]


def spread(rows: Sequence[facts.Fact], count: int) -> list[facts.Fact]:
    """Take about `count` facts evenly over a list that is sorted by table."""
    if len(rows) <= count:
        return list(rows)
    return [rows[i * len(rows) // count] for i in range(count)]


def judge(question: Question, reply: str) -> Verdict:
    """Right value, refusal, or wrong value."""
    return verify.judge(question.verifier, reply, question.answer)


def _task(name: str) -> Task:
    return Task(
        name=name,
        modes=(GREEDY,),
        length="answer_tokens",
        judge=judge,
        group=no_group,
        measures=verdict_measures,
    )


KNOWN_TASK = _task(KNOWN)
UNKNOWN_TASK = _task(UNKNOWN)
