"""What is compared, on how much, and the settings that each arm may choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from trivium.errors import ConfigError

SFT = "sft"
REJECTION = "rejection"
WHOLE = "whole"
PIVOTAL = "pivotal"
RANDOM = "random"
ENTROPY = "entropy"
AFTER = "after"

TRAINED = (REJECTION, WHOLE, PIVOTAL, RANDOM, ENTROPY)
"""Arms that are trained from SFT; the order of the tables."""

HOLDS = ("right", "kl")
FEW, MANY = 2, 6
"""Passes that an arm may take."""

TITLES = {
    SFT: "SFT as it is",
    REJECTION: "rejection-sampled SFT",
    WHOLE: "whole-reply DPO",
    PIVOTAL: "pivotal DPO",
    RANDOM: "random-token pairs",
    ENTROPY: "high-entropy-token pairs",
    AFTER: "rejection-sampled SFT, then pivotal DPO",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentConfig:
    """Sizes of the experiment; none is in seconds."""

    questions: int = 1000
    """Questions a seed that rollouts are spent on."""
    heldout: int = 2000
    """Held-out problems, the same for every arm and seed; paired differences of 2 points need 2,000."""
    dev: int = 600
    """Contest-like problems that choose settings and are never reported."""
    seeds: int = 5
    """Independent draws of questions, rollouts and training order."""
    samples: int = 8
    """Replies at T=1 to every held-out problem: accuracy, and pass@ this many."""
    dev_samples: int = 4
    """Replies at T=1 to every development problem."""
    after: bool = False
    """One arm more: right replies first, then pivotal pairs, both from the pivotal arm's rollouts."""
    grid: Literal["full", "small"] = "full"
    """Settings that each arm may choose from."""
    pairs_per_question: int = 8
    """Pairs and distinct replies that one question gives at most, in every arm."""
    replay: int = 4000
    """Conversations of the fine-tuning data that hold every arm alike."""
    untouched: int = 400
    """Items at most of each task that the questions do not touch."""
    traces: int = 60
    """Sampled solutions whose every token is estimated, for claims 11 and 12."""
    scan_rollouts: int = 100
    """Rollouts behind each of these estimates."""

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to compare."""
        for name in ("questions", "heldout", "dev", "seeds", "samples", "dev_samples", "traces"):
            if getattr(self, name) < 1:
                raise ConfigError(f"claims.{name}: got {getattr(self, name)}, expected at least 1.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """How one arm is trained."""

    arm: str
    learning_rate: float
    beta: float = 0.0
    """0 where there are no pairs."""
    hold: str = ""
    """What holds a policy that is trained on pairs: likelihood of right rollouts, or KL from the start."""
    epochs: int = FEW
    """Passes over the arm's pairs, or over its right replies where there are no pairs."""


def settings_of(arm: str, grid: str) -> list[Setting]:
    """List what an arm may choose from.

    A whole reply sums many tokens into one margin, so its betas lie lower, and a pass over whole replies
    takes as many tokens as three over single-token pairs. Few passes at every rate, many at the lower ones.
    """
    if arm == REJECTION:
        rates = [(rate, FEW) for rate in (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)] + [(3e-5, MANY), (1e-4, MANY)]
        every = [Setting(arm=arm, learning_rate=rate, epochs=epochs) for rate, epochs in rates]
        return every if grid == "full" else [Setting(arm=arm, learning_rate=3e-4)]
    betas = (0.1, 0.5) if arm == WHOLE else (1.0, 3.0)
    middle = Setting(arm=arm, learning_rate=3e-5 if arm == WHOLE else 1e-4, beta=betas[1], hold=HOLDS[0])
    if grid != "full":
        return [middle]
    few = (1e-5, 3e-5, 1e-4, 3e-4) if arm == WHOLE else (3e-5, 1e-4, 3e-4)
    many = (3e-5,) if arm == WHOLE else (1e-5, 3e-5)
    tried = [
        Setting(arm=arm, learning_rate=rate, beta=beta, hold=HOLDS[0], epochs=epochs)
        for rates_of, epochs in ((few, FEW), (many, MANY))
        for rate in rates_of
        for beta in betas
    ]
    return [*tried, replace(middle, hold=HOLDS[1])]


def at_edge(setting: Setting, grid: str) -> bool:
    """Say whether the chosen learning rate is the lowest or highest of several that were tried."""
    rates = sorted({other.learning_rate for other in settings_of(setting.arm, grid)})
    return len(rates) > 1 and setting.learning_rate in (rates[0], rates[-1])
