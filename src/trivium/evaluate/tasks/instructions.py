"""Instruction following: every constraint of a request met, strictly, as checked by a program.

Half of the requests use kinds of constraint that training rows ask for (in other prompts), half one kind
that no training row has. IFEval (arXiv 2311.07911) calls the share of requests with all constraints met
the prompt-level strict accuracy; the share by kind is its instruction-level accuracy.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence

from trivium import verify
from trivium.evaluate.logs import GREEDY, ItemLog, Measure, Task, right, within
from trivium.records import Question, Verdict
from trivium.verify import constraints

NAME = "instructions"
SEEN, HELD_OUT = "seen", "held_out"


def items(seed: int, count: int) -> list[Question]:
    """Draw requests: the first half of seen kinds, the other half with a held-out kind each."""
    half = count // 2
    parts = {
        SEEN: constraints.make(seed, count - half, "exam"),
        HELD_OUT: constraints.make(seed, half, "exam", held_out=True) if half else [],
    }
    return [
        dataclasses.replace(question, skill=NAME, meta=json.dumps({"family": family}))
        for family, rows in parts.items()
        for question in rows
    ]


def judge(question: Question, reply: str) -> Verdict:
    """Right when every constraint is met and the task itself is done."""
    return verify.judge(question.verifier, reply, question.answer)


def family(question: Question) -> str:
    """Return seen or held_out."""
    return json.loads(question.meta)["family"]


def outcome(question: Question, reply: str) -> str:
    """Return which constraints were met, as JSON of kind -> whether."""
    return json.dumps(constraints.results(reply, constraints.decode(question.answer)))


def measures(logs: Sequence[ItemLog]) -> list[Measure]:
    """Strict accuracy, overall and by family, and the share met of every kind of constraint."""
    kinds = sorted({kind for log in logs for kind in json.loads(log.detail or "{}")})
    return [
        Measure(metric="strict", mode=GREEDY, value_of=right),
        *(
            Measure(metric=f"strict_{family}", mode=GREEDY, value_of=within(family, right))
            for family in (SEEN, HELD_OUT)
        ),
        *(Measure(metric=f"kind_{kind}", mode=GREEDY, value_of=met(kind)) for kind in kinds),
    ]


def met(kind: str) -> Callable[[ItemLog], float | None]:
    """Return 1 or 0 for an item that asks for this kind of constraint, None for any other."""

    def value_of(log: ItemLog) -> float | None:
        found = json.loads(log.detail or "{}").get(kind)
        return None if found is None else float(found)

    return value_of


TASK = Task(
    name=NAME,
    modes=(GREEDY,),
    length="instruction_tokens",
    judge=judge,
    group=family,
    measures=measures,
    outcome=outcome,
)
