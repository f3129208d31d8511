"""Claim 17 (ours): the mixture that is chosen after fine-tuning beats the one chosen by pretraining loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trivium.claims.grid.data import TASKS
from trivium.claims.grid.measured import Grid
from trivium.claims.grid.mixtures import FINAL, MIXTURES, UNIFORM, Arm
from trivium.claims.lab import Lab
from trivium.claims.results import Finding, grid_finding

NUMBER = 17
TITLE = "A mixture chosen after fine-tuning beats one chosen by pretraining loss"
REPORT = (
    "Ours, not the report's: it chose its mixture on benchmarks of base models and notes that gaps "
    "largely close after post-training, without figures (section 3.2)."
)
TEST = (
    "Of Table 4's five mixtures one is chosen by the five tasks after fine-tuning, one by the "
    "held-out bits of all sources before it; each seed is judged on a choice that the other seeds and "
    "the other half of the items made."
)
LIMITS = (
    "Five fixed mixtures are not a search (`trivium mix search` is one), the tasks chosen by are the "
    "tasks reported, on other items, and a pretraining loss over equal parts of the sources is one of "
    "many."
)


def test(lab: Lab) -> list[Finding]:
    """Choose on one half of the items and some seeds, report on the other half and the rest."""
    grid, arms = lab.grid, list(MIXTURES.values())
    grid.train(arms)
    after, loss = choices(grid, arms)
    rivals = {
        "chosen by pretraining loss": loss,
        "the report's final shares": [MIXTURES[FINAL]] * len(after),
        "equal shares": [MIXTURES[UNIFORM]] * len(after),
    }
    names = {arm: name for name, arm in MIXTURES.items()}
    said = ", ".join(dict.fromkeys(names[arm] for arm in after))
    against = ", ".join(dict.fromkeys(names[arm] for arm in loss))
    return [
        grid_finding(
            NUMBER,
            f"the mixture chosen after fine-tuning ({said}) costs less than {name}"
            + (f" ({against})" if theirs is loss else ""),
            "all tasks, other items",
            gains(grid, after, theirs),
            main=theirs is loss,
        )
        for name, theirs in rivals.items()
    ]


def halves(grid: Grid, arm: Arm, over: Arm) -> tuple[np.ndarray, np.ndarray]:
    """What an arm saves over another (S, I): on the items that choose, and on those that are reported."""
    values = grid.saved(arm, over, TASKS)
    return values[:, ::2], values[:, 1::2]


def choices(grid: Grid, arms: Sequence[Arm]) -> tuple[list[Arm], list[Arm]]:
    """For every seed what the other seeds choose: by tasks after fine-tuning, and by pretraining loss."""
    final = MIXTURES[FINAL]
    sources = grid.sources(final)
    after = np.stack([halves(grid, arm, final)[0].mean(axis=1) for arm in arms])
    loss = np.stack([grid.saved(arm, final, sources).mean(axis=1) for arm in arms])
    found: tuple[list[Arm], list[Arm]] = ([], [])
    for number in range(grid.seeds):
        others = [n for n in range(grid.seeds) if n != number] or [number]
        for table, chosen in zip((after, loss), found, strict=True):
            chosen.append(arms[int(table[:, others].mean(axis=1).argmax())])
    return found


def gains(grid: Grid, ours: Sequence[Arm], theirs: Sequence[Arm]) -> np.ndarray:
    """What our choice saves over theirs on the reported items, seed by seed (S, I)."""
    pairs = enumerate(zip(ours, theirs, strict=True))
    return np.stack([halves(grid, mine, other)[1][number] for number, (mine, other) in pairs])
