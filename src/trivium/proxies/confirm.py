"""The confirmation: the chosen mixture against the others at a larger size, every one with the same seeds.

S seeds, I held-out problems.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.mix.search.design import PRIOR, UNIFORM
from trivium.mix.search.study import SURE, noise_floor
from trivium.proxies.measured import AFTER, LOSS, bits_of, item_scores, named, objective_of, scales
from trivium.proxies.proxy import Trial, run_trial
from trivium.proxies.world import CONFIRM, World
from trivium.stats import crossed_mean
from trivium.store.ledger import run_shards
from trivium.store.run import StageDir

if TYPE_CHECKING:
    import pyarrow as pa

CHOSEN, BY_LOSS = "chosen", "by pretraining loss"
ARMS = (CHOSEN, PRIOR, UNIFORM, BY_LOSS)


def confirm(world: World, stage: StageDir, arms: Mapping[str, tuple[float, ...]]) -> dict[str, Any]:
    """Train every arm with every seed and compare; arms with the same shares are trained once.

    Args:
        world: The search.
        stage: Keeps finished runs.
        arms: Name -> shares; the first is held against the others.
    """
    owner = {shares: name for name, shares in list(arms.items())[::-1]}
    trials = [
        Trial(label=name, size=CONFIRM, shares=shares, number=number)
        for number in range(world.config.confirm_seeds)
        for shares, name in owner.items()
    ]
    work = functools.partial(run_trial, world)
    runs = run_shards(stage, "confirm", work, trials, label="confirmation", unit="runs")["runs"]
    stage.write_table("confirmed", runs)
    return compare(world, runs, arms)


def compare(world: World, runs: pa.Table, arms: Mapping[str, tuple[float, ...]]) -> dict[str, Any]:
    """Scores of every arm, and the gain of the first over each other, with intervals over seeds and items."""
    shares = runs["shares"].to_pylist()
    rows = {arm: [i for i, row in enumerate(shares) if row == list(mine)] for arm, mine in arms.items()}
    scale = scales(world)
    objectives = {name: objective_of(world, scale[name], name, runs) for name in (AFTER, LOSS)}
    losses = {name: scale[name].losses(bits_of(runs, name)) for name in objectives}
    score = {name: objectives[name].score(losses[name]) for name in objectives}
    values = item_scores(scale[AFTER], objectives[AFTER], bits_of(runs, AFTER))
    prior = score[AFTER][rows[PRIOR]]
    noise = noise_floor(prior, np.zeros(len(prior), dtype=np.int64))
    first, *others = arms
    return {
        "seeds": world.config.confirm_seeds,
        "tokens": world.sizes[CONFIRM].tokens,
        "noise": noise,
        "arms": [
            {
                "arm": arm,
                "shares": named(world, arms[arm]),
                "score": float(score[AFTER][rows[arm]].mean()),
                "scores": score[AFTER][rows[arm]].tolist(),
                "loss_score": float(score[LOSS][rows[arm]].mean()),
                "bits_per_byte": _means(objectives[AFTER].tasks, losses[AFTER][rows[arm]]),
                "text_bits_per_byte": _means(objectives[LOSS].tasks, losses[LOSS][rows[arm]]),
            }
            for arm in arms
        ],
        "gains": [_gain(values[rows[other]] - values[rows[first]], noise, other) for other in others],
    }


def _gain(values_SI: np.ndarray, noise: float, other: str) -> dict[str, Any]:
    """A paired difference of scores: positive where the first arm is better."""
    mean, low, high = crossed_mean(values_SI)
    counts = len(values_SI) > 1 and low > 0 and mean > SURE * noise
    return {"over": other, "gain": mean, "low": low, "high": high, "counts": bool(counts)}


def _means(names: tuple[str, ...], losses: np.ndarray) -> dict[str, float]:
    return dict(zip(names, losses.mean(axis=0).tolist(), strict=True))
