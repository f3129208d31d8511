"""Sizes of the grid; none is in seconds."""

from __future__ import annotations

import dataclasses

from trivium.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GridConfig:
    """How large the models of the grid are, on how much they train and on what they are measured."""

    tokens: int = 400_000
    """Of a model's pretraining; a shorter horizon takes a part of them. Enough that facts are learnt: half
    web knows 62 of 100 of them, synthetic alone 22, chance is 25 (docs/lab-notebook.md)."""
    hidden: int = 64
    """Width; layers as in the run. Half of pocket's width is a quarter of its parameters."""
    rows: int = 2
    """Rows of one step; the recipe's steps are too large for so few tokens, as there are too few of them."""
    narrow: int = 32
    """Width of the smaller models, whose ranks should transfer to the others."""
    seeds: int = 5
    """Of every mixture; one number shares initial weights and order, whatever the mixture."""
    conversations: int = 400
    """Of the short fine-tuning after pretraining, one pass, the same for all."""
    facts: int = 96
    """Facts that the web states; a quarter is shown in fine-tuning, the rest is tested."""
    items: int = 120
    """Held-out problems with worked solutions of each task, at most."""
    heldout_bytes: int = 5_000
    """Held-out text of every source for the pretraining loss, about."""

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to compare."""
        for field in dataclasses.fields(self):
            least = 8 if field.name == "facts" else 1
            if getattr(self, field.name) < least:
                raise ConfigError(
                    f"claims {field.name}: got {getattr(self, field.name)}, expected at least {least}."
                )
