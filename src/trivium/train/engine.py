"""Weights, gradients and optimizer of one rank, when every rank holds the whole model.

The loop decides what happens at a step; an engine does it. `train.sharded` has the one for models that are
cut over the ranks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from trivium.models import runtime
from trivium.train import checkpoint
from trivium.train.optimizers import FlatGradient, freeze, make_optimizers, set_rates, trainable
from trivium.train.settings import LoopConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from trivium.train.loop import History, Objective


class Engine(Protocol):
    """What the loop asks of weights, gradients and optimizer."""

    scratch: Path
    """Folder of the checkpoints."""

    def resume(self, history: History) -> int:
        """Load the last checkpoint, in place; returns the number of steps done."""
        ...

    def gradient(self, step: int) -> tuple[Tensor, float]:
        """The step's gradient over all ranks, clipped; returns (groups, 2) statistics and the norm before."""
        ...

    def update(self, lr: float, decay: float) -> None:
        """Take the step; `decay` is the share of the weight decay that holds now."""
        ...

    def save(self, step: int, history: History) -> None:
        """Write a checkpoint that a kill at any moment leaves whole, or the one before."""
        ...

    def finish(self) -> PreTrainedModel | None:
        """The trained model, whole and with its averaged weights if there are any; None on other ranks."""
        ...


class WholeModel:
    """Every rank holds all weights; one flat buffer of gradients is summed over the ranks."""

    def __init__(
        self, model: PreTrainedModel, objective: Objective, config: LoopConfig, scratch: Path, rank: int
    ) -> None:
        """Make the optimizers; a model is trained in place."""
        freeze(model, config.frozen)
        self.model, self.objective, self.config = model, objective, config
        self.scratch, self.rank = scratch, rank
        _, self.ranks = runtime.rank_and_ranks()
        self.parameters = trainable(model)
        self.optimizers = make_optimizers(self.parameters, config)
        self.flat = FlatGradient(self.parameters, extra=2 * len(objective.groups))
        self.average = start_average(self.parameters, config)

    def resume(self, history: History) -> int:
        """See Engine."""
        return checkpoint.resume(self.scratch, self.parameters, self.optimizers, history, self.average)

    def gradient(self, step: int) -> tuple[Tensor, float]:
        """See Engine."""
        self.flat.zero()
        for batch in self.objective.micro_batches(step, self.rank, self.ranks):
            loss, stats_G2 = self.objective.loss(self.model, batch)
            loss.backward()
            self.flat.extra.add_(stats_G2.flatten())
        runtime.sum_over_ranks_(self.flat.buffer)
        return self.flat.extra.view(-1, 2).double(), self.flat.clip(self.config.grad_clip)

    def update(self, lr: float, decay: float) -> None:
        """See Engine."""
        set_rates(self.optimizers, lr, self.config.weight_decay * decay)
        for optimizer in self.optimizers:
            optimizer.step()
        move_average(self.average, self.parameters, self.config.average)

    def save(self, step: int, history: History) -> None:
        """See Engine."""
        if self.rank == 0:
            checkpoint.save(self.scratch, step, self.parameters, self.optimizers, history, self.average)

    def finish(self) -> PreTrainedModel:
        """See Engine."""
        take_average(self.average, self.parameters)
        return self.model


def start_average(parameters: dict[str, Tensor], config: LoopConfig) -> dict[str, Tensor]:
    """Copies of the weights that will follow them slowly; none when no average is asked for."""
    return {name: weight.detach().clone() for name, weight in parameters.items()} if config.average else {}


def move_average(average: dict[str, Tensor], parameters: dict[str, Tensor], keep: float) -> None:
    """Average = keep x average + (1 - keep) x weight."""
    for name, slow in average.items():
        slow.mul_(keep).add_(parameters[name].detach(), alpha=1.0 - keep)


def take_average(average: dict[str, Tensor], parameters: dict[str, Tensor]) -> None:
    """Give the model its averaged weights."""
    with torch.no_grad():
        for name, slow in average.items():
            parameters[name].copy_(slow)
