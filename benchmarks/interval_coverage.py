"""Do our 95 % intervals cover the truth 95 times in 100? A simulation in which the truth is known.

    python benchmarks/interval_coverage.py

Draws evaluations of two models: items of different hardness (beta-distributed, so that some are nearly always
right), alone or in clusters that share their hardness (as several questions about one text do), one reply an
item or four. The truth is the mean over the population that items are drawn from, known in closed form for
the first model and by the definition of the second. Each evaluation goes through the code that makes the
table: `estimate` for a share, `difference` for a paired difference. Needs nothing but the package. Prints the
coverage of every setting beside the target and, for contrast, that of an interval which takes the clustered
items for independent ones; ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np

from trivium.evaluate.estimate import Cell, difference, estimate
from trivium.stats import wilson

LOW, HIGH = 0.93, 0.97


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A population and how it is drawn from."""

    name: str
    items: int
    size: int
    """Items of a cluster; 1: independent items."""
    samples: int
    mean: float
    """True accuracy of the first model."""
    spread: float
    """Beta(mean x spread, (1 - mean) x spread) is the chance of a right reply over clusters."""
    gain: float
    """True difference of the second model: it is right where the first would not be, or the other way."""


SETTINGS = (
    Setting(name="independent", items=200, size=1, samples=1, mean=0.6, spread=1.5, gain=0.05),
    Setting(name="independent, rare", items=400, size=1, samples=1, mean=0.05, spread=1.5, gain=0.02),
    Setting(name="four replies", items=150, size=1, samples=4, mean=0.5, spread=1.5, gain=0.05),
    Setting(name="clusters of 5", items=400, size=5, samples=1, mean=0.6, spread=1.5, gain=0.05),
    Setting(name="clusters of 8", items=800, size=8, samples=1, mean=0.3, spread=1.0, gain=-0.04),
    Setting(name="clusters of 4, four", items=400, size=4, samples=4, mean=0.5, spread=2.0, gain=0.03),
)


def main() -> None:
    """Simulate and print."""
    args = arguments()
    found = {}
    for number, setting in enumerate(SETTINGS):
        found[setting.name] = coverage(setting, args.trials, args.seed + number)
        one = found[setting.name]
        print(
            f"{setting.name}: share {one['share']:.3f}, paired difference {one['paired']:.3f}, taken as "
            f"independent items {one['naive']:.3f} (target {LOW} to {HIGH})"
        )
    holds = all(LOW <= one[kind] <= HIGH for one in found.values() for kind in ("share", "paired"))
    print(f"all within {LOW} to {HIGH}: {'yes' if holds else 'NO'}")
    line = {"name": "interval_coverage", "trials": args.trials, "seed": args.seed, "holds": holds}
    print(json.dumps(line | {"coverage": found}))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def coverage(setting: Setting, trials: int, seed: int) -> dict[str, float]:
    """Return how often the intervals of a share and of a paired difference hold the truth."""
    rng = np.random.default_rng(seed)
    hits = {"share": 0, "paired": 0, "naive": 0}
    for _ in range(trials):
        before, after = draw(setting, rng)
        value, low, high = estimate(before)
        hits["share"] += low <= setting.mean <= high
        low, high = wilson(value * len(before), len(before))
        hits["naive"] += low <= setting.mean <= high
        _, low, high = difference(after, before, seed=0)
        hits["paired"] += low <= setting.gain <= high
    return {kind: round(count / trials, 4) for kind, count in hits.items()}


def draw(setting: Setting, rng: np.random.Generator) -> tuple[Cell, Cell]:
    """Draw one evaluation of both models.

    The chance of a right reply is p for the first model. The second one's is p + gain x p (1 - p) / E[p (1 -
    p)], whose mean over the population is the first one's plus the gain, and which is larger where there is
    room; the clusters share it.
    """
    a, b = setting.mean * setting.spread, (1 - setting.mean) * setting.spread
    clusters = setting.items // setting.size
    p_C = rng.beta(a, b, clusters)
    room = a * b / ((a + b) * (a + b + 1))  # E[p (1 - p)] of a beta distribution
    q_C = p_C + setting.gain * p_C * (1 - p_C) / room
    assert q_C.min() >= 0 and q_C.max() <= 1, "the gain is too large for this population"
    names = [f"{c}" for c in range(clusters) for _ in range(setting.size)]
    sides = []
    for chance_C in (p_C, q_C):
        chance_I = np.repeat(chance_C, setting.size)
        value_I = rng.binomial(setting.samples, chance_I) / setting.samples
        sides.append({str(i): (float(v), 1.0, names[i]) for i, v in enumerate(value_I)})
    return sides[0], sides[1]


if __name__ == "__main__":
    main()
