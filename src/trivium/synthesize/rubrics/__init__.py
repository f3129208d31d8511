"""Rubrics: named dimensions with anchors and floors, one YAML file a flow."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MOST = 3
"""Highest score."""
LONGEST_FAULT = 80
"""Characters."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing a critic scores from 0 to 3."""

    name: str
    asks: str
    floor: int
    """At this score or above the dimension asks for no further revision."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """What a reply must be."""

    dimensions: tuple[Dimension, ...]
    most_growth: float
    """Longest revision, in lengths of the first draft."""

    def lines(self) -> str:
        """Return the dimensions as lines for a prompt."""
        return "\n".join(f"{entry.name}: {entry.asks}" for entry in self.dimensions)

    def shape(self, *, quote: bool = False) -> dict[str, Any]:
        """Return the JSON schema of a critique: the worst fault first, since a reason before scores helps.

        Args:
            quote: Whether the critic must quote the draft before that.
        """
        said = {"type": "string", "maxLength": LONGEST_FAULT}
        texts = {"quote": said, "fault": said} if quote else {"fault": said}
        scores = {entry.name: {"enum": list(range(MOST + 1))} for entry in self.dimensions}
        shape = {"type": "object", "properties": {**texts, **scores}, "required": [*texts, *scores]}
        return {**shape, "additionalProperties": False}

    def read(self, critique: str) -> tuple[dict[str, int], str]:
        """Return the scores and the fault of a critique; what it does not score is left out."""
        try:
            data = json.loads(critique)
        except ValueError:
            return {}, ""
        if not isinstance(data, dict):
            return {}, ""
        names = [entry.name for entry in self.dimensions]
        scores = {name: data[name] for name in names if data.get(name) in range(MOST + 1)}
        return scores, str(data.get("fault", ""))

    def total(self, scores: dict[str, int]) -> int:
        """Return the sum of the scores; what was not scored counts 0."""
        return sum(scores.values())

    def passes(self, scores: dict[str, int]) -> bool:
        """Say whether every dimension is scored at its floor or above."""
        return all(scores.get(entry.name, -1) >= entry.floor for entry in self.dimensions)


@functools.cache
def load(flow: str) -> Rubric:
    """Read rubrics/<flow>.yaml."""
    data = yaml.safe_load((Path(__file__).parent / f"{flow}.yaml").read_text(encoding="utf-8"))
    entries = tuple(Dimension(row["name"], row["asks"], int(row["floor"])) for row in data["dimensions"])
    return Rubric(entries, float(data["most_growth"]))
