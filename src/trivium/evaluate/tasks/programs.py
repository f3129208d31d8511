"""Program output: what does this small program print? The answers come from running the programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trivium import verify
from trivium.evaluate.logs import GREEDY, Task, accuracy_measures
from trivium.problems import programs
from trivium.records import Question, Verdict
from trivium.verify.sandbox import Sandbox

NAME = "programs"


def items(seed: int, count: int) -> list[Question]:
    """Draw the items and run their programs."""
    made = programs.make(seed, count, split="exam", run=run_programs)
    return [dataclasses.replace(question, skill=NAME) for question in made]


def run_programs(codes: Sequence[str]) -> list[str]:
    """Run made programs; they are ours, so a machine without a sandbox runs them in a limited process."""
    with Sandbox(allow_unsandboxed=True) as sandbox:
        return [sandbox.run(code, want_value=False).stdout for code in codes]


def judge(question: Question, reply: str) -> Verdict:
    """Compare the printed text."""
    return verify.judge(question.verifier, reply, question.answer)


def shape(question: Question) -> str:
    """Group by the shape of the program, e.g. `loop`."""
    return question.template.split()[0]


TASK = Task(
    name=NAME,
    modes=(GREEDY,),
    length="solution_tokens",
    judge=judge,
    group=shape,
    measures=accuracy_measures,
)
