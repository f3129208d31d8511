"""The objective of pretraining, midtraining and fine-tuning: say the next token of packed rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trivium.train.batch import FlatBatch, flatten
from trivium.train.forward import hidden_states, token_losses
from trivium.train.order import Order
from trivium.train.work import fill

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclasses.dataclass(frozen=True, slots=True)
class NextToken:
    """Mean negative log-likelihood over the targets of a step, whatever rank or micro-batch they are in."""

    order: Order
    micro_tokens: int

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(source.name for source in self.order.sources)

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.order.num_steps

    @property
    def unit(self) -> str:
        """A step's size counts tokens."""
        return "tokens"

    def step_size(self, step: int) -> int:
        """Targets of a step."""
        return self.order.step_targets(step)

    def micro_batches(self, step: int, rank: int, ranks: int) -> Sequence[tuple[FlatBatch, float]]:
        """This rank's rows in groups of at most `micro_tokens`, each with the weight of one target."""
        mine = range(rank, self.order.rows_per_step, ranks)
        rows = [row for index in mine if (row := self.order.row(step, index)) is not None]
        scale = 1.0 / max(self.order.step_targets(step), 1)
        groups = fill(rows, [int(row.lengths.sum()) for row in rows], self.micro_tokens)
        return [(flatten(self.order, group), scale) for group in groups]

    def loss(self, model: PreTrainedModel, batch: tuple[FlatBatch, float]) -> tuple[Tensor, Tensor]:
        """Part of the step's mean loss; sums of losses and numbers of targets per source (G, 2)."""
        flat, scale = batch
        weights_N = torch.from_numpy(flat.weights_N)
        x_ND = hidden_states(model, torch.from_numpy(flat.inputs_N), flat.lengths)
        total, losses_N = token_losses(model, x_ND, torch.from_numpy(flat.targets_N), weights_N * scale)
        stats_N2 = torch.stack([losses_N * weights_N, weights_N], dim=1)
        stats_G2 = torch.zeros(len(self.order.sources), 2)
        return total, stats_G2.index_add_(0, torch.from_numpy(flat.groups_N), stats_N2)
