"""Constraints that nobody trained on: IFBench's file, and the held-out families of our own."""

from __future__ import annotations

import json
import random

from trivium.evaluate.standard.instructions import loosened
from trivium.evaluate.standard.task import (
    GENERATE,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    make_item,
)
from trivium.records import Verdict
from trivium.verify import constraints

SEED = 0
"""Of the made items, which are the same for everyone."""
REQUESTS = (
    "Describe a walk by the sea.",
    "Explain why leaves fall in autumn.",
    "Tell a short story about a lost key.",
    "Write a note to a neighbour about a loud party.",
    "Give advice to somebody who cannot sleep.",
    "Describe your favourite meal.",
    "Explain what a library is for.",
    "Write about a day on which everything went wrong.",
    "Say what makes a good friend.",
    "Describe how bread is baked.",
    "Write a welcome for new members of a choir.",
    "Explain how a bicycle stays upright.",
)
FAMILY_OF = {kind: family for family, kinds in constraints.HELD_OUT_FAMILIES.items() for kind in kinds}


def read_ifbench(rows: Rows) -> list[Item]:
    """Rows with `key`, `prompt`, `instruction_id_list` and `kwargs`."""
    return [
        make_item(
            "ifbench",
            n,
            prompt=row["prompt"],
            group=str(row["instruction_id_list"][0]).split(":")[0],
            facts=json.dumps({"names": row["instruction_id_list"], "kwargs": row["kwargs"]}),
        )
        for n, row in enumerate(rows["test"])
    ]


def read_held_out(rows: Rows) -> list[Item]:
    """One request for every held-out kind and plain request that some reply can obey."""
    items: list[Item] = []
    for kind in constraints.HELD_OUT:
        for request in REQUESTS:
            rng = random.Random(f"held out/{SEED}/{kind}/{request}")
            prompt, answer = constraints.attach(request, rng, 1, kinds=(kind,))
            if prompt != request:
                group = FAMILY_OF.get(kind, "trained relatives")
                facts = json.dumps({"answer": answer})
                items.append(
                    make_item("constraints_held_out", len(items), prompt=prompt, group=group, facts=facts)
                )
    return items


def judge_ifbench(item: Item, output: Output) -> Judged:
    """Check each instruction; an item with one that no rule can judge counts for nothing but `unjudged`."""
    from trivium.verify.ifbench import UNJUDGED, check

    facts = json.loads(item.facts)
    pairs = list(zip(facts["names"], facts["kwargs"], strict=True))
    if any(name in UNJUDGED for name, _ in pairs):
        none = [Score("strict", 0.0, 0.0), Score("loose", 0.0, 0.0), Score("unjudged", 1.0)]
        return Judged(verdict=Verdict.ERROR, scores=none)
    readings = list(loosened(output.reply))
    strict = all(check(name, output.reply, **given) for name, given in pairs)
    loose = all(any(check(name, reading, **given) for reading in readings) for name, given in pairs)
    return _judged(strict, loose, Score("unjudged", 0.0))


def judge_held_out(item: Item, output: Output) -> Judged:
    """Check the constraint."""
    picks = constraints.decode(json.loads(item.facts)["answer"])
    return _judged(constraints.passes(output.reply, picks), constraints.passes_loosely(output.reply, picks))


def _judged(strict: bool, loose: bool, *more: Score) -> Judged:
    scores = [Score("strict", float(strict)), Score("loose", float(loose)), *more]
    return Judged(verdict=Verdict.RIGHT if strict else Verdict.WRONG, scores=scores)


TASKS = (
    StandardTask(
        name="ifbench",
        follows="IFBench (arXiv 2507.02833), single turn, our own checks; 9 of its 58 kinds stay unjudged",
        kind=GENERATE,
        files={"test": "ifbench/*.jsonl*"},
        hub={"test": ("allenai/IFBench_test", "", "train")},
        read=read_ifbench,
        judge=judge_ifbench,
        metrics=("strict", "loose", "unjudged"),
        max_tokens=1280,
        style="auto",
    ),
    StandardTask(
        name="constraints_held_out",
        follows="own requests with one constraint each, of kinds that no training row of ours asks for",
        kind=GENERATE,
        files={},
        hub={},
        read=read_held_out,
        judge=judge_held_out,
        metrics=("strict", "loose"),
        max_tokens=512,
        style="auto",
    ),
)
