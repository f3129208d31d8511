"""Rubrics: named dimensions with anchors and floors, one YAML file a flow."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]


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

    def read(self, critique: str) -> dict[str, int]:
        """Return the scores that a critique names; a dimension that it does not score is left out."""
        scores = {}
        for entry in self.dimensions:
            match = re.search(
                rf"\b{entry.name}\b\W{{0,5}}([0-3])\b(?!\s*(?:to|-)\s*\d)", critique, re.IGNORECASE
            )
            if match:
                scores[entry.name] = int(match.group(1))
        return scores

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
