"""IFEval: instructions that a program checks, strict and loose, by prompt and by instruction."""

from __future__ import annotations

import json
from collections.abc import Iterator

from trivium.evaluate.standard.task import (
    GENERATE,
    HARNESS,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    make_item,
)  # fmt: skip
from trivium.records import Verdict


def read(rows: Rows) -> list[Item]:
    """Rows with `prompt`, `instruction_id_list` and `kwargs`."""
    return [
        make_item(
            "ifeval",
            n,
            prompt=row["prompt"],
            facts=json.dumps({"names": row["instruction_id_list"], "kwargs": row["kwargs"]}),
        )
        for n, row in enumerate(rows["test"])
    ]


def judge(item: Item, output: Output) -> Judged:
    """Check each instruction on the reply, and on the eight readings that IFEval's loose scores allow."""
    from trivium.verify.ifeval import check

    facts = json.loads(item.facts)
    pairs = list(zip(facts["names"], facts["kwargs"], strict=True))
    strict = [check(name, output.reply, **given) for name, given in pairs]
    readings = list(loosened(output.reply))
    loose = [any(check(name, reading, **given) for reading in readings) for name, given in pairs]
    count = float(len(pairs))
    return Judged(
        verdict=Verdict.RIGHT if all(strict) else Verdict.WRONG,
        scores=[
            Score("strict", float(all(strict))),
            Score("strict_instructions", sum(strict) / count, count),
            Score("loose", float(all(loose))),
            Score("loose_instructions", sum(loose) / count, count),
        ],
    )


def loosened(reply: str) -> Iterator[str]:
    """Yield the readings of the loose scores: with and without stars, the first and the last line.

    Source: Zhou et al. 2023, arXiv 2311.07911, section 2.2, as its released code does it.
    """
    lines = reply.split("\n")
    for text in (reply, _joined(lines[1:]), _joined(lines[:-1]), _joined(lines[1:-1])):
        yield text
        yield text.replace("*", "")


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).strip()


TASKS = (
    StandardTask(
        name="ifeval",
        follows=f"ifeval 4.0 of {HARNESS}, our own checks (see benchmarks/ifeval_parity.py)",
        kind=GENERATE,
        files={"test": "ifeval-140/*.jsonl"},
        hub={"test": ("google/IFEval", "", "train")},
        read=read,
        judge=judge,
        metrics=("strict", "strict_instructions", "loose", "loose_instructions"),
        max_tokens=1280,
        style="auto",
    ),
)
