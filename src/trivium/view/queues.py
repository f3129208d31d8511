"""What a person is asked to label, and what the machine decided there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trivium.view.site import Site
from trivium.view.tables import Loaded


@dataclass(frozen=True)
class Queue:
    """Rows of one table and a question about each."""

    key: str
    title: str
    question: str
    table: str
    """Folder (without its number) and table."""
    decided: str
    """SQL: whether the machine said yes."""
    machine: str
    """Who decided."""
    texts: Callable[[Site, dict[str, Any]], list[tuple[str, str]]]
    """What the person reads of a row: label and text."""
    score: str = ""
    """Column of the number behind the decision, where there is one."""
    where: str = "true"
    """SQL: which rows are asked about."""


def _passage(site: Site, row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f"passage ({row['kind']})", row["text"])]


def _call(site: Site, row: dict[str, Any]) -> list[tuple[str, str]]:
    return [("prompt", row["prompt"]), ("reply", row["reply"])]


def _drop(site: Site, row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f"removed by {row['step']}", row["detail"])]


def _judged(site: Site, row: dict[str, Any]) -> list[tuple[str, str]]:
    parts = [(key, json.loads(row[key])) for key in ("prefix_ids", "completion_ids")]
    named = {"prefix_ids": "question", "completion_ids": "reply"}
    return [(named[key], site.text_of(ids) or " ".join(map(str, ids))) for key, ids in parts]


QUEUES = {
    queue.key: queue
    for queue in (
        Queue("seeds", "Seeds", "Would this passage make a good seed?", "curate/passages",
              "list_contains(tags, 'seed')", "the seed scores", _passage, score="quality"),
        Queue("calls", "Teacher replies", "Is this reply worth training on?", "synthesize/calls",
              "verdict IN ('kept', 'used')", "the flow's checks", _call),
        Queue("judged", "Judged replies", "Is this reply right?", "judge/judged",
              "verdict = 'right'", "the verifier", _judged),
        Queue("removed", "Removed rows", "Was it right to remove this?", "synthesize/dropped/drops",
              "true", "the filters of synthesis", _drop, where="detail <> ''"),
    )
}  # fmt: skip
"""Key -> queue. Adding one is one entry."""


def open_queue(site: Site, queue: Queue) -> Loaded | None:
    """Return the queue's table; None where its stage has not run or writes none."""
    for place in site.tables.places():
        if place.name[3:] == queue.table and place.rows:
            return site.tables.open(place.name)
    return None


def next_row(site: Site, queue: Queue, table: Loaded, labelled: set[str]) -> dict[str, Any] | None:
    """Return the next row without a label, by a hash of its id: an order that no data knows."""
    names = [column.name for column in table.columns]
    chosen = ", ".join(column.quoted for column in table.columns)
    marks = ", ".join("?" for _ in labelled) or "''"
    row = site.tables.cursor().execute(
        f"SELECT {chosen} FROM {table.sql} WHERE {queue.where} AND id NOT IN ({marks}) "
        "ORDER BY md5(id), id LIMIT 1",
        sorted(labelled),
    ).fetchone()  # fmt: skip
    return dict(zip(names, row, strict=True)) if row else None


def decisions(
    site: Site, queue: Queue, table: Loaded, ids: list[str]
) -> dict[str, tuple[bool, float | None]]:
    """Return row id -> what the machine decided, and the score behind it where there is one."""
    if not ids:
        return {}
    score = table.column(queue.score).quoted if queue.score else "NULL"
    marks = ", ".join("?" for _ in ids)
    rows = site.tables.cursor().execute(
        f"SELECT id, {queue.decided}, {score} FROM {table.sql} WHERE id IN ({marks})", ids
    ).fetchall()  # fmt: skip
    return {row_id: (bool(said), None if value is None else float(value)) for row_id, said, value in rows}
