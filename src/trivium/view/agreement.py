"""How far a machine's decisions agree with a person's labels, and which cut of its score would agree best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trivium.stats import wilson

LEAST_FOR_CUT = 10
"""Labels below which no cut is proposed."""


@dataclass(frozen=True)
class Agreement:
    """Counts of (machine, person), in that order, and what follows from them."""

    yes_yes: int
    yes_no: int
    no_yes: int
    no_no: int

    @property
    def count(self) -> int:
        """Labels that are yes or no."""
        return self.yes_yes + self.yes_no + self.no_yes + self.no_no

    @property
    def share(self) -> float:
        """Part on which both say the same, in [0, 1]; 0 without labels."""
        return (self.yes_yes + self.no_no) / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share."""
        return wilson(self.yes_yes + self.no_no, self.count)

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance (Cohen 1960), at most 1; None where one side always says the same."""
        if not self.count:
            return None
        machine = (self.yes_yes + self.yes_no) / self.count
        person = (self.yes_yes + self.no_yes) / self.count
        expected = machine * person + (1 - machine) * (1 - person)
        if machine in (0.0, 1.0) or person in (0.0, 1.0):
            return None
        return (self.share - expected) / (1 - expected)


def agree(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """Count (machine, person) pairs."""
    counts = {pair: 0 for pair in ((True, True), (True, False), (False, True), (False, False))}
    for pair in pairs:
        counts[pair] += 1
    return Agreement(*counts.values())


@dataclass(frozen=True)
class Cut:
    """Saying yes from this score on."""

    score: float
    agreement: Agreement


def best_cut(scored: Sequence[tuple[float, bool]]) -> Cut | None:
    """Return the cut with the best agreement, lowest of equals; None for too few labels or one kind alone.

    It is chosen on the labels that it is judged by, so its agreement flatters it.

    Args:
        scored: (the machine's score, the person's yes or no).
    """
    if len(scored) < LEAST_FOR_CUT or len({said for _, said in scored}) < 2:
        return None
    cuts = [
        Cut(c, agree([(score >= c, said) for score, said in scored])) for c in sorted({s for s, _ in scored})
    ]
    return max(cuts, key=lambda cut: (cut.agreement.share, -cut.score))
