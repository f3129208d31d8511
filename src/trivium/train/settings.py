"""Settings of the training loop that all training stages share."""

from __future__ import annotations

import dataclasses
from typing import Literal

from trivium.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LoopConfig:
    """How weights are updated. The numbers count tokens and steps, never seconds."""

    learning_rate: float = 3e-3
    """Peak learning rate. phi-4: 3e-4 at 14B (Phi-4 report, section 3)."""
    final_lr_frac: float = 0.0
    """Learning rate at the end, as a share of the peak."""
    warmup_frac: float = 0.03
    """Share of the steps over which the learning rate rises from zero."""
    schedule: Literal["linear", "cosine", "constant", "wsd"] = "linear"
    """Decay after the warm-up; phi-4 decays linearly. wsd: constant, then linear over the last fifth."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: see trivium.train.muon; for the matrices inside the layers, AdamW for everything else."""
    weight_decay: float = 0.1
    """On matrices only. phi-4: 0.1 (Phi-4 report, section 3)."""
    beta1: float = 0.9
    """Decay of AdamW's first moment."""
    beta2: float = 0.95
    """Decay of AdamW's second moment."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0 leaves it alone."""
    frozen: tuple[str, ...] = ()
    """Parameters whose name starts with one of these stay as they are."""
    rows: int = 16
    """Rows of one step, over all ranks."""
    row_tokens: int = 256
    """Tokens a row holds at most; documents are packed into rows and see only themselves."""
    micro_tokens: int = 4096
    """Tokens of one forward pass on one rank; changes memory and rounding, nothing else."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the products in models other than Phi-3, weights stay float32; auto: bfloat16 where it is faster."""
    ranks: int = 1
    """Processes that share every step; part of the recipe, because rounding depends on it."""
    checkpoint_steps: int = 100
    """Steps between two resumable checkpoints."""
    spike_factor: float = 20.0
    """A step whose gradient norm is this many times the recent median is skipped; 0 skips none."""
    max_bad_steps: int = 10
    """Stop after this many skipped steps in a row."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        whole = ("rows", "row_tokens", "micro_tokens", "ranks", "checkpoint_steps", "max_bad_steps")
        for name in whole:
            if getattr(self, name) < 1:
                raise ConfigError(f"loop.{name}: got {getattr(self, name)}, expected at least 1.")
        if self.learning_rate <= 0:
            raise ConfigError(f"loop.learning_rate: got {self.learning_rate}, expected more than 0.")
        if not 0 <= self.warmup_frac <= 1 or not 0 <= self.final_lr_frac <= 1:
            raise ConfigError("loop.warmup_frac and loop.final_lr_frac: expected shares from 0 to 1.")
        if self.ranks > self.rows:
            raise ConfigError(f"loop.ranks: got {self.ranks}, expected at most loop.rows={self.rows}.")
