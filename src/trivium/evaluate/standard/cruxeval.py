"""CRUXEval's output prediction: what does this function return? Answers are compared as literals."""

from __future__ import annotations

import ast

from trivium.evaluate.standard.task import (
    GENERATE,
    HARNESS,
    Item,
    Judged,
    Output,
    Rows,
    StandardTask,
    judged,
    make_item,
)  # fmt: skip
from trivium.records import Verdict

TOLD = (
    "You are given a Python function and an assertion containing an input to the function. Complete the "
    "assertion with a literal (no unsimplified expressions, no function calls) containing the output when "
    "executing the provided code on the given input, even if the function is incorrect or incomplete. Do NOT "
    "output any extra information. Provide the full assertion with the correct output in [ANSWER] and "
    "[/ANSWER] tags, following the examples.\n"
)
SHOTS = (
    ("def f(n):\n    return n", "17", "17"),
    ('def f(s):\n    return s + "a"', "x9j", "x9ja"),
)
"""The two examples of Gu et al. 2024 (arXiv 2401.03065), without their quotes, as the harness has them."""


def read(rows: Rows) -> list[Item]:
    """Rows with `code`, `input` and `output`, a Python literal."""
    shots = "".join(
        f"{_asked(code, given)} \n[ANSWER]\nassert f({given}) == {output}\n[/ANSWER]\n\n"
        for code, given, output in SHOTS
    )
    return [
        make_item(
            "cruxeval_output",
            n,
            prompt=f"{TOLD}{shots}{_asked(row['code'], row['input'])}",
            gold=(row["output"],),
        )
        for n, row in enumerate(rows["test"])
    ]


def _asked(code: str, given: str) -> str:
    return f"[PYTHON]\n{code}\nassert f({given}) == ??\n[/PYTHON]"


def judge(item: Item, output: Output) -> Judged:
    """The literal after `==`; nothing is run, so that `f(input)` is no answer to f(input)."""
    said = literal_of(output.reply)
    if said is None:
        return judged(Verdict.UNPARSED)
    right = said == (ast.literal_eval(item.gold[0]),)
    return judged(Verdict.RIGHT if right else Verdict.WRONG, repr(said[0]))


def literal_of(reply: str) -> tuple[object] | None:
    """The value that a reply asserts, as a tuple of one; None where there is no literal."""
    inside = reply.split("[ANSWER]")[-1].split("[/ANSWER]")[0]
    last = inside.split("==", 1)[-1].strip()
    for text in (last, last.split("\n")[0]):
        try:
            return (ast.literal_eval(text),)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    return None


TASKS = (
    StandardTask(
        name="cruxeval_output",
        follows=f"the prompt of cruxeval_output 1.0 of {HARNESS}; answers compared as literals, not run",
        kind=GENERATE,
        files={"test": "cruxeval/*.jsonl"},
        hub={"test": ("cruxeval-org/cruxeval", "", "test")},
        read=read,
        judge=judge,
        metrics=("accuracy",),
        stops=("[/ANSWER]",),
    ),
)
