"""Tag a passage: kind of information, complexity, obscurity, and the deductions that it makes.

Phi-4 report, section 2.2 and appendix D.1.1. The tags stand in `meta` of a row of source `seeds`: later flows
choose by them, nothing trains on them. A deduction counts only if the passage has its words.
"""

from __future__ import annotations

import json
from typing import Any

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.session import DRAW, Session, object_of

KINDS = ("definition", "procedure", "argument", "example", "facts", "narrative")
LEAST_STEPS = 2
MOST_OBSCURITY = 4
"""Of 5; what nobody else writes about cannot be checked. The report keeps what is not too obscure."""
GROUNDED = 0.6
"""Least share of a deduction's content words that the passage has."""
SPREAD = 1
"""Most difference between two independent taggings, on the scale from 0 to 5."""

_LEVEL = {"type": "integer", "minimum": 0, "maximum": 5}
_STEP = object_of(
    assumption={"type": "string", "maxLength": 160}, conclusion={"type": "string", "maxLength": 160}
)
SCHEMA = object_of(
    steps={"type": "array", "items": _STEP, "maxItems": 4},
    information={"enum": list(KINDS)},
    complexity=_LEVEL,
    obscurity=_LEVEL,
)


async def grow(at: Session) -> list[Example]:
    """Tag twice, independently; keep what agrees, is grounded and reasons."""
    passage = at.seed.text
    first = await at.ask("tag", read, max_tokens=200, schema=SCHEMA, passage=passage)
    at.object_if("tag", objection(first, passage), json.dumps(first))
    second = await at.ask(
        "tag", read, max_tokens=200, schema=SCHEMA, sampling=DRAW, number=1, passage=passage
    )
    at.object_if("agreement", disagreement(first, second), json.dumps([first, second]))
    level = round((first["complexity"] + second["complexity"]) / 10, 2)
    return [at.plain("seeds", passage, difficulty=level, meta={"tags": first}, method=first["information"])]


def read(text: str) -> dict[str, Any]:
    """Read a tagging; raises ValueError, with what is missing, for anything else."""
    tags = json.loads(text)
    if not isinstance(tags, dict) or set(tags) != set(SCHEMA["properties"]):
        raise ValueError(f"a JSON object with {', '.join(SCHEMA['properties'])} was expected")
    if tags["information"] not in KINDS:
        raise ValueError(f"information was expected to be one of {', '.join(KINDS)}")
    for name in ("complexity", "obscurity"):
        if tags[name] not in range(6):
            raise ValueError(f"{name} was expected to be 0 to 5")
    steps = tags["steps"]
    if not isinstance(steps, list) or any(set(step) != {"assumption", "conclusion"} for step in steps):
        raise ValueError("each step was expected to have an assumption and a conclusion")
    return tags


def objection(tags: dict[str, Any], passage: str) -> str | None:
    """Say why a passage with these tags is no seed for reasoning."""
    if len(tags["steps"]) < LEAST_STEPS:
        return "too few deductions"
    if tags["obscurity"] > MOST_OBSCURITY:
        return "too obscure"
    said = [(step["assumption"], step["conclusion"]) for step in tags["steps"]]
    if len({conclusion for _, conclusion in said}) < len(said):
        return "a deduction twice"
    for assumption, conclusion in said:
        if words.overlap_f1(assumption, conclusion) > 0.9:
            return "a conclusion that repeats its assumption"
        if min(filters.grounded_share(part, passage) for part in (assumption, conclusion)) < GROUNDED:
            return "a deduction that the passage does not make"
        if filters.invented(f"{assumption} {conclusion}".lower(), passage.lower()):
            return "a deduction with a foreign number"
    return None


def disagreement(first: dict[str, Any], second: dict[str, Any]) -> str | None:
    """Say where two taggings of one passage part."""
    if first["information"] != second["information"]:
        return "kind of information"
    for name in ("complexity", "obscurity"):
        if abs(first[name] - second[name]) > SPREAD:
            return name
    return None
