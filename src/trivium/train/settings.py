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
    """Decay after the warm-up; phi-4 decays linearly. wsd: constant, then linear over `cooldown_frac`."""
    cooldown_frac: float = 0.2
    """Share of the steps after the warm-up over which wsd comes down."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: see trivium.train.muon; for the matrices inside the layers, AdamW for everything else."""
    weight_decay: float = 0.1
    """On matrices only. phi-4: 0.1, constant (Phi-4 report, section 3)."""
    final_decay_frac: float = 1.0
    """Weight decay at the end, as a share of that at the start; linear between."""
    beta1: float = 0.9
    """Decay of AdamW's first moment."""
    beta2: float = 0.95
    """Decay of AdamW's second moment."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0 leaves it alone."""
    average: float = 0.0
    """Share of the running average of the weights that a step keeps, e.g. 0.999; the average is what comes
    out. 0 keeps none."""
    frozen: tuple[str, ...] = ()
    """Parameters whose name starts with one of these stay as they are."""
    rows: int = 16
    """Rows of one step, over all ranks."""
    row_tokens: int = 256
    """Tokens a row holds at most; documents are packed into rows and see only themselves."""
    micro_tokens: int = 4096
    """Tokens of one forward pass on one rank; changes memory and rounding, nothing else."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the products; weights stay float32. auto: bfloat16 where it is at least twice as fast."""
    ranks: int = 1
    """Processes that share every step; part of the recipe, because rounding depends on it."""
    checkpoint_steps: int = 100
    """Steps between two resumable checkpoints."""
    spike_factor: float = 20.0
    """A step whose gradient norm is this many times the recent median is skipped; 0 skips none."""
    max_bad_steps: int = 10
    """Stop after this many skipped steps in a row."""
    sharding: Literal["none", "fsdp"] = "none"
    """fsdp cuts weights, gradients and optimizer over the ranks (FSDP2), for models that fit no single one;
    pretraining, midtraining and fine-tuning with adamw."""
    recompute: bool = False
    """With fsdp: keep only the input of every layer and compute it again for the gradient."""
    attention: Literal["sdpa", "eager", "flash_attention_2", "flex_attention"] = "sdpa"
    """With fsdp: whose attention the layers use. The first two make a mask of micro_tokens squared."""
    trackers: tuple[str, ...] = ()
    """Where steps are shown beside log.jsonl: tensorboard, wandb, trackio, mlflow."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        whole = ("rows", "row_tokens", "micro_tokens", "ranks", "checkpoint_steps", "max_bad_steps")
        for name in whole:
            if getattr(self, name) < 1:
                raise ConfigError(f"loop.{name}: got {getattr(self, name)}, expected at least 1.")
        if self.learning_rate <= 0:
            raise ConfigError(f"loop.learning_rate: got {self.learning_rate}, expected more than 0.")
        for name in ("warmup_frac", "final_lr_frac", "final_decay_frac", "cooldown_frac", "average"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"loop.{name}: got {getattr(self, name)}, expected a share from 0 to 1.")
        if not self.cooldown_frac or self.average == 1:
            raise ConfigError("loop.cooldown_frac and loop.average: expected more than 0 and less than 1.")
        if self.sharding == "fsdp" and (self.optimizer != "adamw" or self.frozen):
            raise ConfigError(
                "loop.sharding=fsdp: got muon or frozen parameters; expected adamw and none frozen, "
                "because muon needs whole matrices."
            )
        if self.ranks > self.rows:
            raise ConfigError(f"loop.ranks: got {self.ranks}, expected at most loop.rows={self.rows}.")
