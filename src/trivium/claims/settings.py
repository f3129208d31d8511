"""What is compared, on how much, and the settings that each arm may choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from trivium.errors import ConfigError

SFT = "sft"
REJECTION = "rejection"
WHOLE = "whole"
PIVOTAL = "pivotal"
RANDOM = "random"
ENTROPY = "entropy"
AFTER = "after"
MERGED = "merged"
MERGED_WHOLE = "merged-whole"

TRAINED = (REJECTION, WHOLE, PIVOTAL, RANDOM, ENTROPY)
"""Arms that are trained from SFT; the order of the tables."""

FITTED = "fitted"
"""The models that AFTER starts from: right replies among the pivotal arm's own rollouts."""

MERGES = {MERGED: (FITTED, PIVOTAL), MERGED_WHOLE: (REJECTION, WHOLE)}
"""Arm -> the two whose changes of the weights are added; both made from one budget of rollouts."""

SCALES = (0.5, 0.75, 1.0)
"""Shares of both changes that a merged arm may take."""

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
    MERGED: "rejection-sampled SFT + pivotal DPO, weights added",
    MERGED_WHOLE: "rejection-sampled SFT + whole-reply DPO, weights added",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentConfig:
    """Sizes of the experiment; none is in seconds."""

    questions: int = 1000
    """Questions a seed that rollouts are spent on."""
    heldout: int = 2000
    """Held-out problems, the same for every arm and seed; paired differences of 2 points need 2,000."""
    spread: bool = False
    """Whether every seed's models answer a share of them of their own, and SFT all: as many problems for the
    work of one seed. Differences stay paired, and still average over all seeds and all problems."""
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
    merged: bool = False
    """Two arms more: the changes of two trained arms added to SFT's weights; no training, no rollouts."""
    grid: Literal["full", "rates", "small", "given"] = "full"
    """Settings that each arm may choose from; rates: learning rates alone; small: one; given: it, untried."""
    base: Literal["pocket", "pretrained"] = "pocket"
    """What the learning rates are for: a million parameters raised here, or a pretrained model."""
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
    drift: int = 2000
    """Held-out problems on which the distance to SFT is measured."""

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to compare."""
        for name in ("questions", "heldout", "dev", "seeds", "samples", "dev_samples", "traces", "drift"):
            if getattr(self, name) < 1:
                raise ConfigError(f"claims.{name}: got {getattr(self, name)}, expected at least 1.")
        if self.spread and self.heldout % self.seeds:
            raise ConfigError(
                f"claims.heldout: got {self.heldout} to spread over {self.seeds} seeds; expected a multiple."
            )

    def slice_of(self, number: int) -> tuple[int, int]:
        """First and last held-out problem, exclusive, that the models of a seed answer."""
        if not self.spread:
            return 0, self.heldout
        size = self.heldout // self.seeds
        return number * size, (number + 1) * size


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
    scale: float = 0.0
    """Share of both parents' changes that a merged arm takes; 0 for an arm that is trained."""


def setting_of(row: Mapping[str, Any]) -> Setting:
    """Return the setting that a row of a table holds, beside its scores."""
    return Setting(**{field.name: row[field.name] for field in fields(Setting)})


SLOWER = {"pocket": 1, "pretrained": 30}
"""Base -> what learning rates are divided by. Those of pretrained models are for training all weights of some
hundred million parameters: 1e-6 to 1e-5 for single tokens, 3e-7 to 1e-5 for whole replies, 1e-6 to 1e-4 for
right replies. One step at 1e-5 moved six pairs of SmolLM2-135M by 5 nats (docs/lab-notebook.md)."""


def settings_of(arm: str, config: ExperimentConfig) -> list[Setting]:
    """List what an arm may choose from."""
    if arm in MERGES:
        few = SCALES if config.grid not in ("small", "given") else SCALES[1:2]
        return [Setting(arm=arm, learning_rate=0.0, epochs=0, scale=scale) for scale in few]
    return [
        replace(setting, learning_rate=float(f"{setting.learning_rate / SLOWER[config.base]:.1g}"))
        for setting in _settings(arm, config.grid)
    ]


def _settings(arm: str, grid: str) -> list[Setting]:
    """List the settings at pocket's learning rates.

    A whole reply sums many tokens into one margin, so its betas lie lower, and a pass over whole replies
    takes as many tokens as three over single-token pairs. Few passes at every rate, many at the lower ones.
    """
    betas = {REJECTION: (0.0,), WHOLE: (0.1, 0.5)}.get(arm, (1.0, 3.0))
    middle_rate = {REJECTION: 3e-4, WHOLE: 3e-5}.get(arm, 1e-4)
    middle = Setting(
        arm=arm, learning_rate=middle_rate, beta=betas[-1], hold="" if arm == REJECTION else HOLDS[0]
    )
    if grid in ("small", "given"):
        return [middle]
    few = {REJECTION: (3e-5, 1e-4, 3e-4, 1e-3, 3e-3), WHOLE: (1e-5, 3e-5, 1e-4, 3e-4)}.get(
        arm, (3e-5, 1e-4, 3e-4)
    )
    if grid == "rates":
        tried = few if arm == REJECTION else (*few, 1e-3)
        return [replace(middle, learning_rate=rate) for rate in tried]
    many = {REJECTION: (3e-5, 1e-4), WHOLE: (3e-5,)}.get(arm, (1e-5, 3e-5))
    every = [
        replace(middle, learning_rate=rate, beta=beta, epochs=epochs)
        for rates, epochs in ((few, FEW), (many, MANY))
        for rate in rates
        for beta in betas
    ]
    return every if arm == REJECTION else [*every, replace(middle, hold=HOLDS[1])]


def untried(arm: str, config: ExperimentConfig) -> dict[str, Any]:
    """Return the arm's one setting as a row of trials, without scores."""
    (setting,) = settings_of(arm, config)
    return {**asdict(setting), "dev_greedy": None, "dev_sampled": None}


def at_edge(setting: Setting, config: ExperimentConfig) -> bool:
    """Say whether the chosen learning rate is the lowest or highest of several that were tried."""
    rates = sorted({other.learning_rate for other in settings_of(setting.arm, config)})
    return len(rates) > 1 and setting.learning_rate in (rates[0], rates[-1])
