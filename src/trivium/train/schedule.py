"""Learning rate as a share of its peak."""

from __future__ import annotations

import math

from trivium.train.settings import LoopConfig

WSD_DECAY_FRAC = 0.2


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
    return config.final_lr_frac + (1 - config.final_lr_frac) * _decay(done, config.schedule)


def _decay(done: float, schedule: str) -> float:
    if schedule == "linear":
        return 1 - done
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "wsd":
        return min(1.0, (1 - done) / WSD_DECAY_FRAC)
    return 1.0
