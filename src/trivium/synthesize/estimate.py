"""What growing so many rows will take, from the first few seeds: said before the rest is paid for.

The probe goes through the call cache, so the run that follows pays for none of its calls again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from trivium.llm.budget import Prices
from trivium.llm.generate import Harvest
from trivium.stats import wilson

PROBES = 3
"""Seeds of a probe."""
MANY = 10**9
"""Rows that a probe may have: all that its seeds give."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Seeds, tokens and money of a run; low and high from the 95 % interval of the probe's yield."""

    probed: int
    """Seeds that were tried."""
    accepted: int
    """Seeds of them that gave rows."""
    written: float
    """Tokens that the model wrote for a seed, mean of the probe."""
    read: float
    """Tokens that it read for a seed, mean of the probe."""
    seeds: tuple[int, int]
    """Fewest and most seeds that the rows will take; at most those that there are."""
    enough: bool
    """Whether even the fewest seeds are there."""

    def cost(self, prices: Prices) -> tuple[float, float]:
        """Return low and high in the prices' currency."""
        low, high = (prices.cost(self.written * seeds, self.read * seeds) for seeds in self.seeds)
        return low, high

    def sentence(self, prices: Prices | None = None) -> str:
        """Say what is expected and what that rests on."""
        (low, high), share = self.seeds, f"{self.accepted} of {self.probed} probed seeds gave rows"
        written, read = (f"{low * one:,.0f}-{high * one:,.0f}" for one in (self.written, self.read))
        money = "{:.3g}-{:.3g} in the prices' currency, ".format(*self.cost(prices)) if prices else ""
        short = "" if self.enough else "; the seeds are unlikely to be enough"
        return (
            f"estimate: {low:,}-{high:,} seeds, {money}{written} tokens written and {read} read ({share}, "
            f"{self.written:,.0f} tokens written and {self.read:,.0f} read for a seed){short}"
        )


def estimate(probe: Harvest, target: int, available: int) -> Estimate:
    """Return what `target` rows will take.

    Args:
        probe: What the first seeds gave; at least one of them was taken.
        target: Rows wanted.
        available: Seeds that may be used at most.
    """
    good = probe.taken - len(probe.lost)
    rows = (len(probe.accepted) + probe.surplus_samples) / good if good else 1.0
    low, high = wilson(good, probe.taken)
    fewest = math.ceil(target / rows / high)
    most = math.ceil(target / rows / low) if low else available
    return Estimate(
        probed=probe.taken,
        accepted=good,
        written=probe.generated_tokens / probe.taken,
        read=probe.prompt_tokens / probe.taken,
        seeds=(min(fewest, available), max(min(most, available), min(fewest, available))),
        enough=fewest <= available,
    )


def told(probe: Harvest, target: int, available: int, prices: Prices | None) -> str:
    """Return the estimate as a line, or why there is none."""
    if not probe.taken:
        return "estimate: none, the budget does not cover one seed"
    return estimate(probe, target, available).sentence(prices)
