"""Replies that a judge reads: MT-bench's marks, ArenaHard's duels against a baseline, rubrics with notes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trivium.errors import DataError
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
from trivium.llm import judge as pairs
from trivium.llm import marks
from trivium.llm.calls import Reply, Request
from trivium.records import Verdict

PASSES = 6
"""A mark from here on counts as right where a verdict is needed; the mark itself is the number to read."""


def read_mt(rows: Rows) -> list[Item]:
    """Rows with `turns` and `category`; the first turn is asked (Zheng et al. 2023, arXiv 2306.05685)."""
    return [
        make_item("mt_bench", n, prompt=row["turns"][0], group=str(row["category"]), facts=_facts())
        for n, row in enumerate(rows["test"])
    ]


def read_arena(rows: Rows) -> list[Item]:
    """Rows with `uid` and `prompt`; of the role `baseline` rows with `uid` and `reply`."""
    replies = {str(row["uid"]): str(row["reply"]) for row in rows["baseline"]}
    items = []
    for n, row in enumerate(rows["test"]):
        if str(row["uid"]) not in replies:
            raise DataError(
                f"task arena_hard: row {n + 1} got no reply of the baseline; expected one with uid "
                f"{row['uid']}, mend the file."
            )
        facts = _facts(baseline=replies[str(row["uid"])])
        group = str(row.get("cluster", ""))
        items.append(make_item("arena_hard", n, prompt=row["prompt"], group=group, facts=facts))
    return items


def read_rubric(rows: Rows) -> list[Item]:
    """Rows with `prompt` and `notes` for the judge; `reference` and `skill` where there are any."""
    return [
        make_item(
            "rubric",
            n,
            prompt=row["prompt"],
            group=str(row.get("skill", "")),
            facts=_facts(notes=str(row["notes"]), reference=str(row.get("reference") or "")),
        )
        for n, row in enumerate(rows["test"])
    ]


def _facts(**told: str) -> str:
    return json.dumps(told)


def ask_mark(item: Item, output: Output) -> tuple[Request, ...]:
    """One mark of the reply, with what is known of a good one."""
    told: Mapping[str, Any] = json.loads(item.facts)
    return (marks.request_for(item.prompt, output.reply, **told),)


def mark(item: Item, output: Output, said: Sequence[Reply]) -> Judged:
    """The mark, from 1 to 10."""
    found = marks.mark_of(said[0])
    if found is None:
        return Judged(verdict=Verdict.ERROR, scores=[Score("mark", 0.0, 0.0)])
    return Judged(
        verdict=Verdict.RIGHT if found >= PASSES else Verdict.WRONG, scores=[Score("mark", float(found))]
    )


def ask_duel(item: Item, output: Output) -> tuple[Request, ...]:
    """The reply against the baseline's, in both orders."""
    pair = pairs.Versus(instruction=item.prompt, one=output.reply, other=json.loads(item.facts)["baseline"])
    return pairs.request_for(pair), pairs.request_for(pair, swapped=True)


def duel(item: Item, output: Output, said: Sequence[Reply]) -> Judged:
    """One for a win in both orders, one half where they disagree."""
    ruling = pairs.Ruling(forward=pairs.letter(said[0]), backward=pairs.letter(said[1]))
    scores = [Score("win_rate", ruling.worth), Score("consistent", float(ruling.consistent))]
    if pairs.UNREAD in (ruling.forward, ruling.backward):
        return Judged(verdict=Verdict.ERROR, scores=scores)
    return Judged(verdict=Verdict.RIGHT if ruling.worth == 1 else Verdict.WRONG, scores=scores)


def unjudged(item: Item, output: Output) -> Judged:
    """Nothing can be said without a judge."""
    return Judged(verdict=Verdict.ERROR, scores=[])


TASKS = (
    StandardTask(
        name="mt_bench",
        follows="the first turns of MT-bench (arXiv 2306.05685); marks by --judge, with our own words",
        kind=GENERATE,
        files={"test": "mt-bench/question.jsonl"},
        hub={},
        read=read_mt,
        judge=unjudged,
        ask_judge=ask_mark,
        mark=mark,
        metrics=("mark",),
        max_tokens=1024,
        style="auto",
    ),
    StandardTask(
        name="arena_hard",
        follows="the shape of ArenaHard (arXiv 2406.11939): duels with a baseline in both orders, by --judge",
        kind=GENERATE,
        files={"test": "arena-hard/question*.jsonl", "baseline": "arena-hard/baseline*.jsonl"},
        hub={},
        read=read_arena,
        judge=unjudged,
        ask_judge=ask_duel,
        mark=duel,
        metrics=("win_rate", "consistent"),
        max_tokens=1024,
        style="auto",
    ),
    StandardTask(
        name="rubric",
        follows="own questions with notes for the judge, as in PhiBench (Phi-4 report, section 1.1)",
        kind=GENERATE,
        files={"test": "rubric/*.jsonl"},
        hub={},
        read=read_rubric,
        judge=unjudged,
        ask_judge=ask_mark,
        mark=mark,
        metrics=("mark",),
        max_tokens=1024,
        style="auto",
    ),
)
