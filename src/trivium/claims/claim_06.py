"""Claim 6: which mixture is better at a small size or a short horizon is better at a larger one too."""

from __future__ import annotations

import dataclasses

import numpy as np

from trivium.claims.grid.data import FACTS, REASONING, TASKS
from trivium.claims.grid.measured import Grid
from trivium.claims.grid.mixtures import FINAL, MIXTURES, Arm
from trivium.claims.lab import Lab
from trivium.claims.results import Finding, finding

NUMBER = 6
TITLE = "Ranks of mixtures transfer over size and horizon"
REPORT = (
    "Phi-4 report, section 3.2: mixtures were searched with 7B models on 1T tokens, as ranks "
    "correlate highly with those at longer horizons and at 14B where mixtures differ enough. It gives "
    "no figure."
)
TEST = (
    "The five mixtures of Table 4 are ranked by five tasks after fine-tuning; ranks are compared with "
    "those of models on half of the tokens and of models of half the width."
)
LIMITS = (
    "Steps of a factor of two in tokens and four in parameters, far from the report's; the intervals "
    "are over items and seeds and say nothing about other mixtures; a rank correlation of five moves "
    "in steps of a tenth."
)
HIGH = 0.7
"""A rank correlation that counts as high; 1M-parameter proxies reach .73 (Olmix, arXiv 2602.12237)."""
SHORT = 0.5
DRAWS = 1000


def test(lab: Lab) -> list[Finding]:
    """Rank correlation of the grid's mixtures between settings."""
    grid, arms = lab.grid, list(MIXTURES.values())
    settings = {
        "half of the tokens": [dataclasses.replace(arm, horizon=SHORT) for arm in arms],
        "half the width": [dataclasses.replace(arm, narrow=True) for arm in arms],
    }
    grid.train(arms)
    for others in settings.values():
        grid.train(others)
    found = []
    for name, others in settings.items():
        for part, tasks in (("all tasks", TASKS), ("facts", (FACTS,)), ("reasoning", REASONING)):
            found.append(
                finding(
                    NUMBER,
                    f"ranks at {name} correlate with the full ones above {HIGH}, by {part}",
                    "rank correlation",
                    correlation(grid, arms, others, tasks, lab.seed),
                    n=len(arms),
                    seeds=grid.seeds,
                    unit="share",
                    threshold=HIGH,
                    trained=True,
                    main=part == "all tasks",
                )
            )
    return found


def correlation(
    grid: Grid, arms: list[Arm], others: list[Arm], tasks: tuple[str, ...], seed: int
) -> tuple[float, float, float]:
    """Spearman's rank correlation of two settings, with an interval over items and seeds."""
    from trivium.mix.search.study import spearman

    place = list(MIXTURES).index(FINAL)
    full = np.stack([grid.saved(arm, arms[place], tasks) for arm in arms])
    small = np.stack([grid.saved(arm, others[place], tasks) for arm in others])
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        items = rng.integers(full.shape[2], size=full.shape[2])
        numbers = rng.integers(full.shape[1], size=full.shape[1])
        here = (table[:, numbers][:, :, items].mean(axis=(1, 2)) for table in (full, small))
        drawn.append(spearman(*here))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return spearman(full.mean(axis=(1, 2)), small.mean(axis=(1, 2))), float(low), float(high)
