"""MMLU-Pro: ten options, reasoned out, the letter read from `answer is (X)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trivium.evaluate.standard.choices import LETTERS
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

SHOTS = 5
"""Worked examples of the same category, the first ones of the validation split (Wang et al. 2024, arXiv
2406.01574)."""

ANSWER = re.compile(r"answer is \(?([ABCDEFGHIJ])\)?")
ONCE = "Answer: Let's think step by step."


def read(rows: Rows) -> list[Item]:
    """Rows with `category`, `question`, `options` and `answer`; those of `shots` also with `cot_content`."""
    shots: dict[str, list[str]] = {}
    for row in rows["shots"]:
        own = shots.setdefault(row["category"], [])
        if len(own) < SHOTS:
            own.append(_worked(row))
    items = []
    for n, row in enumerate(rows["test"]):
        category = str(row["category"])
        head = (
            f"The following are multiple choice questions (with answers) about {category}. Think step by "
            'step and then finish your answer with "the answer is (X)" where X is the correct letter '
            "choice.\n"
        )
        prompt = head + "".join([*shots.get(category, []), _asked(row)])
        items.append(make_item("mmlu_pro", n, prompt=prompt, gold=(row["answer"],), group=category))
    return items


def _asked(row: Mapping[str, Any]) -> str:
    options = "".join(f"{LETTERS[i]}. {text.strip()}\n" for i, text in enumerate(row["options"][:10]))
    return f"Question:\n{row['question']}\nOptions:\n{options}{ONCE}"


def _worked(row: Mapping[str, Any]) -> str:
    reasons = row["cot_content"].replace("A: Let's think step by step. ", "")
    return f"{_asked(row)} {reasons}\n\n"


def judge(item: Item, output: Output) -> Judged:
    """The first letter after `answer is`."""
    found = ANSWER.search(output.reply)
    if found is None:
        return judged(Verdict.UNPARSED)
    return judged(Verdict.RIGHT if found[1] == item.gold[0] else Verdict.WRONG, found[1])


TASKS = (
    StandardTask(
        name="mmlu_pro",
        follows=f"mmlu_pro 3.1 of {HARNESS}, five worked examples of the category",
        kind=GENERATE,
        files={"test": "mmlu-pro/test*", "shots": "mmlu-pro/validation*"},
        hub={
            "test": ("TIGER-Lab/MMLU-Pro", "default", "test"),
            "shots": ("TIGER-Lab/MMLU-Pro", "default", "validation"),
        },
        read=read,
        judge=judge,
        metrics=("accuracy",),
        stops=("Question:",),
        max_tokens=2048,
    ),
)
