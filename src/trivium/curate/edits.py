"""Changes to the text of a candidate that keep its offsets into the source right."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from trivium.curate.candidates import Candidate

Edit = tuple[int, int, str]
"""A range of characters and what stands there instead."""


def edited(candidate: Candidate, edits: Sequence[Edit], note: dict[str, Any]) -> Candidate:
    """Return the candidate with its text changed; the id stays, for it names the source.

    Args:
        candidate: Whose `meta` may pair characters of the text with characters of the source (`offsets`).
        edits: In order, not overlapping.
        note: Goes into `meta`.
    """
    if not edits:
        return candidate
    meta = json.loads(candidate.meta) if candidate.meta else {}
    if "offsets" in meta:
        meta["offsets"] = _moved(meta["offsets"], edits)
    text = applied(candidate.text, edits)
    return dataclasses.replace(candidate, text=text, meta=json.dumps(meta | note, ensure_ascii=False))


def applied(text: str, edits: Sequence[Edit]) -> str:
    """Return a text with ranges replaced."""
    kept, place = [], 0
    for start, end, instead in edits:
        kept += [text[place:start], instead]
        place = end
    return "".join([*kept, text[place:]])


def _moved(offsets: Sequence[Sequence[int]], edits: Sequence[Edit]) -> list[list[int]]:
    """Return the offsets of what is left: those within a replaced range are taken out."""
    moved = []
    for at, source in offsets:
        if any(start < at < end for start, end, _ in edits):
            continue
        shift = sum(len(instead) - (end - start) for start, end, instead in edits if end <= at)
        moved.append([at + shift, source])
    return moved
