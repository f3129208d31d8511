"""From a shape to the settings that train it: tokens, batch, learning rate. Needs no torch.

The two power laws are those of DeepSeek LLM (arXiv:2401.02954, equation 1), fitted there with AdamW. At both
ends of our ladder they come near what is known: for phi-4's 13.6B inner weights and 10T tokens they say
3.2e-4 and 20M tokens a step, where the report has 3e-4 and 23.6M (section 3); for a million weights 5.6e-3,
where pocket was tuned to 6e-3.
"""

from __future__ import annotations

import dataclasses

from trivium.models.phi import ModelConfig, count_parameters, flops_per_token

TOKENS_PER_PARAMETER = 20.0
"""Tokens that a given compute is best spent on. Source: Hoffmann et al., arXiv:2203.15556; phi-4 took 680."""

RATE_FACTOR, RATE_POWER = 0.3118, -0.1250
BATCH_FACTOR, BATCH_POWER = 0.2920, 0.3271
"""Peak learning rate and tokens a step over FLOPs. Source: arXiv:2401.02954, equation 1."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """What the laws say for one shape and one number of tokens."""

    tokens: int
    """To pretrain on."""
    flops: float
    learning_rate: float
    """Peak, AdamW."""
    batch_tokens: int
    """Of one optimizer step, over all ranks."""
    rows: int
    """Rows of the shape's context that make up such a step."""
    steps: int


def derive(shape: ModelConfig, tokens: float | None = None) -> Derived:
    """Tokens, batch and learning rate of a shape.

    Args:
        shape: Its context is the length of a row.
        tokens: To pretrain on; `TOKENS_PER_PARAMETER` for each parameter when None.
    """
    count = round(count_parameters(shape) * TOKENS_PER_PARAMETER if tokens is None else tokens)
    flops = count * flops_per_token(shape, shape.context)
    batch = BATCH_FACTOR * flops**BATCH_POWER
    rows = max(1, round(batch / shape.context))
    return Derived(
        tokens=count,
        flops=flops,
        learning_rate=float(f"{RATE_FACTOR * flops**RATE_POWER:.1e}"),
        batch_tokens=rows * shape.context,
        rows=rows,
        steps=max(1, round(count / (rows * shape.context))),
    )
