"""Whether matrix products are made in bfloat16: where this processor is much faster in it, and only then.

What a processor says of itself is no guide (docs/decisions.md), so one product is timed.
"""

from __future__ import annotations

import functools
import timeit
from typing import Literal

Precision = Literal["auto", "float32", "bfloat16"]
"""`auto`: bfloat16 for models that are not small, where it makes products at least GAIN times as fast."""

PARAMETERS = 2_000_000
"""`auto` leaves smaller models in float32: their steps are memory traffic, not products."""
FAST_PARAMETERS = 500_000
"""The same for training with our own blocks, which leave little but products: 1.9 times as fast at 1M."""
GAIN = 2.0
"""Found were .6 (AVX-512, no tiles), 4.5 (AVX-512 of another maker) and 8 (AMX): far enough from all that a
run that goes on decides as before."""
TRIAL = ((512, 576), (1536, 576))
"""Rows and weight of the product that is timed: a layer of a small language model."""


def takes_bfloat16(name: Precision, parameters: int, *, fast: bool = False) -> bool:
    """Say what a choice comes to on this processor.

    Args:
        name: The choice.
        parameters: Of the model.
        fast: It is trained with our own blocks.
    """
    least = FAST_PARAMETERS if fast else PARAMETERS
    return name == "bfloat16" or (name == "auto" and parameters >= least and bfloat16_gain() >= GAIN)


@functools.cache
def bfloat16_gain() -> float:
    """How many times as fast as in float32 a layer's product is in bfloat16, measured once per process."""
    import torch

    best = []
    for kind in (torch.float32, torch.bfloat16):
        rows, weight = (torch.ones(*size, dtype=kind) for size in TRIAL)
        product = functools.partial(torch.nn.functional.linear, rows, weight)
        best.append(min(timeit.repeat(product, number=1, repeat=5)))
    return best[0] / best[1]
