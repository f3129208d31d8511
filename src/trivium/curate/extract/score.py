"""How well extracted text matches the known main text of a page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

WORD = re.compile(r"\w+")


def word_overlap(extracted: str, truth: str) -> tuple[float, float]:
    """Return (precision, recall) of the words of a text against the true text, counted with repetition."""
    got, want = Counter(WORD.findall(extracted.lower())), Counter(WORD.findall(truth.lower()))
    shared = sum((got & want).values())
    return shared / max(1, sum(got.values())), shared / max(1, sum(want.values()))


def f1(precision: float, recall: float) -> float:
    """Return the harmonic mean; 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def code_kept(extracted: str, truth: str) -> tuple[int, int]:
    """Return (code blocks of the truth that are found verbatim, code blocks of the truth)."""
    blocks = re.findall(r"```\n(.*?)\n```", truth, re.DOTALL)
    return sum(1 for block in blocks if block in extracted), len(blocks)


def summarise(pairs: Iterable[tuple[float, float]]) -> dict[str, float]:
    """Average (precision, recall) over pages."""
    rows = list(pairs)
    precision = sum(p for p, _ in rows) / max(1, len(rows))
    recall = sum(r for _, r in rows) / max(1, len(rows))
    return {"pages": len(rows), "precision": precision, "recall": recall, "f1": f1(precision, recall)}
