"""Conversations from a file, in the shapes in which other tools write them.

A row holds `messages` (or `conversations`) of role and content, or ShareGPT's from and value; or `prompt` and
`completion`, each a text or turns, as TRL has it; or a question and an answer under their usual names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.errors import DataError
from trivium.records import Drop, Example, Message, row_id
from trivium.store.row_files import read_rows

TURNS = ("messages", "conversations", "conversation")
PAIRS = (("prompt", "completion"), ("instruction", "output"), ("question", "answer"), ("prompt", "response"))
"""Columns of what is asked and what is to be said; `input` is added to what is asked (Alpaca)."""
ROLES = {"human": "user", "gpt": "assistant", "system": "system", "user": "user", "assistant": "assistant"}
"""Roles as they are called elsewhere -> ours."""


def read_chats(path: Path, step: str) -> tuple[list[Example], list[Drop]]:
    """Read conversations.

    Args:
        path: JSONL (or gzipped), JSON or Parquet.
        step: Stage name, for ids and drops.

    Returns:
        Conversations in the order of the file, and the rows that hold none, with the reason.

    Raises:
        DataError: The file cannot be read, or its columns have none of the shapes.
    """
    found: list[Example] = []
    drops: list[Drop] = []
    for number, row in enumerate(read_rows(path), 1):
        place = f"{path.name}:{number}"
        turns, reason = _turns(row, path)
        text = "\0".join(f"{turn.role}\0{turn.content}" for turn in turns)
        name = row_id(step, [place], text)
        if reason:
            drops.append(Drop(id=name, step=step, reason=reason, source=place))
        else:
            flow = str(row.get("flow") or path.name.split(".")[0])
            found.append(Example(id=name, source="chat", flow=flow, messages=turns, parents=[place]))
    return found, drops


def _turns(row: Mapping[str, Any], path: Path) -> tuple[list[Message], str]:
    """Return the turns of a row, and why it has none."""
    listed = next((row[name] for name in TURNS if row.get(name)), None)
    pair = next((names for names in PAIRS if names[0] in row and names[1] in row), None)
    if listed is None and pair is None:
        if any(name in row for name in TURNS):
            return [], "no turns"
        raise DataError(
            f"{path}: got columns {', '.join(row)}; expected messages, or prompt and completion, or question "
            "and answer."
        )
    if listed is None and pair is not None:
        listed = [*_side(row[pair[0]], "user", row.get("input")), *_side(row[pair[1]], "assistant")]
    turns = [_turn(turn) for turn in listed or []]
    if any(turn is None for turn in turns):
        return [], "a turn without a known role and text"
    kept = [turn for turn in turns if turn is not None]
    return kept, "" if any(turn.role == "assistant" for turn in kept) else "no reply to learn"


def _side(value: Any, role: str, more: Any = None) -> list[Any]:
    if isinstance(value, list):
        return value
    text = f"{value}\n\n{more}" if more else value
    return [{"role": role, "content": text}]


def _turn(turn: Any) -> Message | None:
    if not isinstance(turn, Mapping):
        return None
    role = ROLES.get(str(turn.get("role") or turn.get("from")))
    text = turn.get("content", turn.get("value"))
    return Message(role=role, content=text) if role and isinstance(text, str) else None
