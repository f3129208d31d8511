"""GPQA: four options of one right and three wrong answers, by likelihood and written out."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from trivium.evaluate.standard.choices import judge_choice
from trivium.evaluate.standard.task import (
    GENERATE,
    HARNESS,
    LIKELIHOOD,
    Item,
    Judged,
    Output,
    Rows,
    StandardTask,
    judged,
    make_item,
)  # fmt: skip
from trivium.records import Verdict

WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
MARKED = re.compile(r"\(([A-Z])\)")
SPLIT = ("Idavidrein/gpqa", "gpqa_diamond", "train")
"""The split that the Phi-4 report uses (table 1). The hub wants an account that agreed to its terms."""


def read(rows: Rows) -> list[Item]:
    """Rows with `Question`, `Correct Answer` and `Incorrect Answer 1` to 3, as released; letters decide."""
    items = []
    for n, row in enumerate(rows["test"]):
        text, gold = _options(row)
        sides = tuple((f"{text}\nAnswer:", f" ({letter})") for letter in "ABCD")
        items.append(make_item("gpqa", n, options=sides, gold=(str(gold),), group=_domain(row)))
    return items


def read_written(rows: Rows) -> list[Item]:
    """The same questions, to be reasoned out."""
    items = []
    for n, row in enumerate(rows["test"]):
        text, gold = _options(row)
        prompt = f"{text}\nLet's think step by step: "
        items.append(make_item("gpqa_cot", n, prompt=prompt, gold=("ABCD"[gold],), group=_domain(row)))
    return items


def _options(row: Mapping[str, Any]) -> tuple[str, int]:
    """The question with its options in an order that hangs on its own words; and the right one's place.

    The harness shuffles with one stream for the whole set, so its order hangs on the rows before.
    """
    right = _cleaned(row["Correct Answer"])
    options = [*(_cleaned(row[name]) for name in WRONG), right]
    random.Random(f"gpqa {row['Question']}").shuffle(options)
    lines = "".join(f"\n({letter}) {text}" for letter, text in zip("ABCD", options, strict=True))
    return f"What is the correct answer to this question:{row['Question']}\nChoices:{lines}", options.index(
        right
    )


def _cleaned(text: str | None) -> str:
    return " " if text is None else text.strip().replace(" [title]", ". ").replace("  ", " ")


def _domain(row: Mapping[str, Any]) -> str:
    return str(row.get("High-level domain") or "")


def judge_written(item: Item, output: Output) -> Judged:
    """The last letter in brackets (the harness's flexible-extract)."""
    found = MARKED.findall(output.reply)
    if not found:
        return judged(Verdict.UNPARSED)
    return judged(Verdict.RIGHT if found[-1] == item.gold[0] else Verdict.WRONG, found[-1])


TASKS = (
    StandardTask(
        name="gpqa",
        follows=f"gpqa_diamond_zeroshot 2.2 of {HARNESS}, the order of options by the question",
        kind=LIKELIHOOD,
        files={"test": "gpqa/gpqa_diamond*"},
        hub={"test": SPLIT},
        read=read,
        judge=judge_choice,
        metrics=("accuracy",),
    ),
    StandardTask(
        name="gpqa_cot",
        follows=f"gpqa_diamond_cot_zeroshot 2.2 of {HARNESS}, options ordered by the question, 1,024 tokens",
        kind=GENERATE,
        files={"test": "gpqa/gpqa_diamond*"},
        hub={"test": SPLIT},
        read=read_written,
        judge=judge_written,
        metrics=("accuracy",),
        stops=("</s>",),
        max_tokens=1024,
    ),
)
