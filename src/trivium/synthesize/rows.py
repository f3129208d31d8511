"""Making examples: one place that gives a row its id, its form and its lineage."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trivium.models.chat import plain_problem
from trivium.records import Drop, Example, Message, Question, row_id

STEP = "synthesize"


@dataclass(kw_only=True)
class Grown:
    """What a flow made, and what it made and threw away."""

    examples: list[Example] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    tried: int = 0
    """Seeds that the flow took up."""

    def add(self, other: Grown) -> None:
        """Take over everything another flow made."""
        self.examples += other.examples
        self.questions += other.questions
        self.drops += other.drops
        self.tried += other.tried


def plain(
    flow: str,
    source: str,
    text: str,
    *,
    parents: Sequence[str] = (),
    depth: int = 0,
    difficulty: float = 0.0,
    method: str = "",
    meta: str = "",
) -> Example:
    """Return a row of plain text for pretraining."""
    return Example(
        id=row_id(f"{STEP}.{flow}", list(parents), text),
        source=source,
        flow=flow,
        text=text,
        depth=depth,
        difficulty=difficulty,
        method=method,
        parents=list(parents),
        meta=meta,
    )


def chat(
    flow: str,
    user: str,
    assistant: str,
    *,
    parents: Sequence[str] = (),
    depth: int = 0,
    difficulty: float = 0.0,
    method: str = "",
    meta: str = "",
) -> Example:
    """Return a conversation of one turn each for fine-tuning."""
    common: dict[str, Any] = {"depth": depth, "difficulty": difficulty, "method": method, "meta": meta}
    return conversation(flow, [user, assistant], parents=parents, **common)


def conversation(
    flow: str,
    turns: Sequence[str],
    *,
    parents: Sequence[str] = (),
    depth: int = 0,
    difficulty: float = 0.0,
    method: str = "",
    meta: str = "",
) -> Example:
    """Return a conversation for fine-tuning; turns alternate, the user's first."""
    roles = itertools.cycle(("user", "assistant"))
    return Example(
        id=row_id(f"{STEP}.{flow}.chat", list(parents), json.dumps(list(turns))),
        source="chat",
        flow=flow,
        messages=[Message(role=role, content=turn) for role, turn in zip(roles, turns, strict=False)],
        depth=depth,
        difficulty=difficulty,
        method=method,
        parents=list(parents),
        meta=meta,
    )


def solved(prompt: str, solution: str) -> str:
    """Return a problem and its solution as plain text, the way base models are later asked."""
    return f"{plain_problem(prompt)} {solution}"


def drop(row: str, flow: str, reason: str, *, detail: str = "", source: str = "") -> Drop:
    """Return the record of something that a flow threw away; what follows a colon in the reason is detail."""
    reason, _, particular = reason.partition(": ")
    whole = f"{particular} | {detail}" if particular and detail else particular or detail
    return Drop(id=row, step=f"{STEP}.{flow}", reason=reason, detail=whole[:300], source=source)


def without_repeats(examples: Iterable[Example]) -> tuple[list[Example], list[Drop]]:
    """Keep the first of examples with the same words; a plain text and a chat never count as the same."""
    kept: list[Example] = []
    drops: list[Drop] = []
    seen: set[str] = set()
    for example in examples:
        key = example.text or json.dumps([message.content for message in example.messages])
        if (form := f"{bool(example.text)}{key}") in seen:
            drops.append(drop(example.id, example.flow, "repeated", detail=key))
            continue
        seen.add(form)
        kept.append(example)
    return kept, drops
