"""Learning rate as a share of its peak."""

from __future__ import annotations

import math

from trivium.train.settings import LoopConfig


def lr_factor(step: int, steps: int, config: LoopConfig) -> float:
    """Share of the peak learning rate at a step: warm-up, then the schedule down to `final_lr_frac`.

    Args:
        step: From 0.
        steps: Of the whole run.
        config: Names the schedule.
    """
    warmup = max(1, round(config.warmup_frac * steps))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup + 1) / max(steps - warmup, 1)
    return config.final_lr_frac + (1 - config.final_lr_frac) * _left(done, config)


def weight_decay_factor(step: int, steps: int, config: LoopConfig) -> float:
    """Share of the weight decay that holds at a step: linear from 1 to `final_decay_frac`."""
    return 1.0 + (config.final_decay_frac - 1.0) * step / max(steps - 1, 1)


def _left(done: float, config: LoopConfig) -> float:
    if config.schedule == "linear":
        return 1 - done
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if config.schedule == "wsd":
        return min(1.0, (1 - done) / config.cooldown_frac)
    return 1.0
