"""Sizes of a mixture search; none is in seconds."""

from __future__ import annotations

import dataclasses

from trivium.errors import ConfigError

TASKS = {"contest": 1.0, "arithmetic": 1.0, "programs": 1.0, "instructions": 1.0, "facts_known": 1.0}
"""Weight of every task. Facts stay among them: phi-4 without web loses knowledge (Phi-4 report, Table 3)."""

KNOWLEDGE = ("facts_known",)
"""Tasks whose answers must come from pretraining: fine-tuning never shows the facts that are asked."""

OWN_FLOWS = ("fact_refusal", "bogus_refusal")
"""Flows of fine-tuning data that speak about what the run's own model knows; a proxy knows other things."""

RUNS_PER_SOURCE = 4
"""Mixtures of the first round for each source and one more; Olmix, arXiv 2602.12237, grows linearly too."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """What is trained, and how often."""

    proxy_tokens: int = 500_000
    """Tokens that a proxy is pretrained on."""
    proxy_hidden: int = 64
    """Width of a proxy; layers as in the run. Half the width is a quarter of the parameters."""
    multiple: float = 4.0
    """Tokens of the confirmation over those of a proxy; its model is the run's own."""
    conversations: int = 2000
    """Of a proxy's fine-tuning, one pass, the same for all; the confirmation takes `multiple` times more."""
    mixtures: int = 0
    """Of the first round; 0 takes 4 for each source and 4 more."""
    noise_seeds: int = 3
    """More seeds at the recipe's shares, for the noise floor."""
    rounds: tuple[int, ...] = (8, 4)
    """Mixtures of the later rounds, by expected improvement."""
    confirm_seeds: int = 5
    """Seeds of every mixture in the confirmation; 0 confirms nothing."""
    max_epochs: float = 16.0
    """Cap of the repetition of a source. Phi-4 goes 13.8 times through its synthetic data (Table 5)."""
    floor: float = 0.02
    """Least share of every source."""
    floors: dict[str, float] = dataclasses.field(default_factory=dict)
    """Least share of single sources."""
    penalty: float = 0.02
    """Score that one nat of divergence from the recipe's shares costs."""
    tasks: dict[str, float] = dataclasses.field(default_factory=lambda: dict(TASKS))
    """Weight of every task after fine-tuning."""
    items: int = 200
    """Held-out problems with worked solutions of each task, at most."""
    heldout_bytes: int = 12_000
    """Held-out text of every source for the pretraining loss, in bytes, about."""

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to compare."""
        for name in ("proxy_tokens", "proxy_hidden", "conversations", "items", "heldout_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"mix search {name}: got {getattr(self, name)}, expected at least 1.")
        if self.noise_seeds < 1:
            raise ConfigError(
                f"mix search noise_seeds: got {self.noise_seeds}, expected at least 1 to judge by."
            )
        if self.mixtures and self.mixtures < 6:
            raise ConfigError(
                f"mix search mixtures: got {self.mixtures}, expected at least 6 to fit a law to."
            )
        if min(self.tasks.values(), default=0) < 0 or not sum(self.tasks.values()):
            raise ConfigError(f"mix search tasks: got {self.tasks}, expected positive weights.")
        if self.multiple < 1 or self.confirm_seeds < 0 or self.penalty < 0:
            raise ConfigError(
                "mix search: got multiple below 1, or confirm_seeds or penalty below 0; expected no less."
            )
