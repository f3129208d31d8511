"""The objective of preference training: pairs, and what holds the policy where it has none.

A step is a number of pairs (DPO or IPO; see `trivium.train.preference_losses`) and a few documents of every
anchor: right rollouts and conversations that should stay likely, or replies on which the distribution of
the reference should be kept. Rejection-sampled fine-tuning is the same with right rollouts and no pairs.

Shapes: N tokens of a flat batch, K pairs, G groups.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from trivium.errors import DataError
from trivium.train.hashing import permutation, stable_seed
from trivium.train.pairs import ReplyUnit, TokenUnit, Unit
from trivium.train.preference_losses import divergences, document_losses, margins, pair_losses
from trivium.train.settings import LoopConfig
from trivium.train.work import fill

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Loss = Literal["dpo", "ipo", "sft"]
"""sft: no pairs, the anchors alone."""


@dataclasses.dataclass(frozen=True, slots=True)
class Anchor:
    """Documents that hold the policy: their marked tokens stay likely, or their distribution is kept."""

    name: str
    documents: tuple[tuple[list[int], list[bool]], ...]
    """Ids and which of them count."""
    weight: float
    """Of the mean over the marked tokens of a step."""
    rows: int
    """Documents of one step."""
    reference: PreTrainedModel | None = None
    """The model whose distribution is kept; without one the tokens themselves are kept likely."""


@dataclasses.dataclass(frozen=True, slots=True)
class Micro:
    """One forward pass: units of pairs, or documents of one anchor."""

    units: tuple[Unit, ...] = ()
    documents: tuple[tuple[list[int], list[bool]], ...] = ()
    anchor: int = -1
    """Index of the anchor."""
    scale: float = 1.0
    """Weight of one pair or one target in the step's loss."""


@dataclasses.dataclass(frozen=True, slots=True)
class PreferenceObjective:
    """Mean loss over a step's pairs plus the weighted anchors."""

    units: tuple[Unit, ...]
    steps: tuple[tuple[int, ...], ...]
    """Units of every step; empty ones where there are no pairs."""
    origin_of_pair: tuple[int, ...]
    """Index of the pair's origin in `groups`."""
    reference_K: Tensor
    """Margins of all pairs under the reference model."""
    anchors: tuple[Anchor, ...]
    groups: tuple[str, ...]
    """Origins of pairs, then names of the anchors."""
    loss_name: Loss
    beta: float
    micro_tokens: int

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return len(self.steps)

    @property
    def unit(self) -> str:
        """What a step's size counts."""
        return "pairs" if self.units else "documents"

    def step_size(self, step: int) -> int:
        """Pairs of a step, or documents where there are no pairs."""
        if not self.units:
            return sum(anchor.rows for anchor in self.anchors)
        return sum(len(self.units[number].pairs) for number in self.steps[step])

    def micro_batches(self, step: int, rank: int, ranks: int) -> Sequence[Micro]:
        """This rank's units and documents of a step."""
        mine = [self.units[number] for number in self.steps[step][rank::ranks]]
        scale = 1.0 / max(self.step_size(step), 1)
        found = []
        for kind in (TokenUnit, ReplyUnit):
            units = [unit for unit in mine if isinstance(unit, kind)]
            for group in fill(units, [unit.num_tokens for unit in units], self.micro_tokens):
                found.append(Micro(units=tuple(group), scale=scale))
        for number, anchor in enumerate(self.anchors):
            chosen = [anchor.documents[index] for index in self._drawn(anchor, step)]
            targets = sum(sum(marks[1:]) for _, marks in chosen)
            part, weight = chosen[rank::ranks], anchor.weight / max(targets, 1)
            for documents in fill(part, [len(ids) for ids, _ in part], self.micro_tokens):
                found.append(Micro(documents=tuple(documents), anchor=number, scale=weight))
        return found

    def loss(self, model: PreTrainedModel, batch: Micro) -> tuple[Tensor, Tensor]:
        """Part of the step's loss; sums of losses and counts by group (G, 2)."""
        stats_G2 = torch.zeros(len(self.groups), 2)
        if batch.units:
            pairs = [pair for unit in batch.units for pair in unit.pairs]
            moved_K = margins(model, batch.units, mean=self.loss_name == "ipo") - self.reference_K[pairs]
            losses_K = pair_losses(self.loss_name, moved_K, self.beta)
            where_K = torch.tensor([self.origin_of_pair[pair] for pair in pairs])
            counted = torch.stack([losses_K.detach(), torch.ones(len(pairs))], dim=1)
            return losses_K.sum() * batch.scale, stats_G2.index_add_(0, where_K, counted)
        anchor = self.anchors[batch.anchor]
        if anchor.reference is None:
            total, losses_N, weights_N = document_losses(model, batch.documents)
            sums = [losses_N.sum(), weights_N.sum()]
        else:
            losses_N = divergences(model, anchor.reference, batch.documents)
            total, sums = losses_N.sum(), [losses_N.detach().sum(), torch.tensor(float(len(losses_N)))]
        stats_G2[len(self.groups) - len(self.anchors) + batch.anchor] = torch.stack(sums)
        return total * batch.scale, stats_G2

    def _drawn(self, anchor: Anchor, step: int) -> list[int]:
        """Documents of an anchor in a step: a walk through permutations, epoch after epoch."""
        count, first = len(anchor.documents), step * anchor.rows
        found: list[int] = []
        while len(found) < anchor.rows:
            epoch, place = divmod(first + len(found), count)
            order = permutation(stable_seed("likelihood", anchor.name, epoch), count)
            found += order[place : place + anchor.rows - len(found)].tolist()
        return found


def make_objective(
    units: Sequence[Unit],
    origins: Sequence[str],
    reference_K: Tensor,
    anchors: Sequence[Anchor],
    *,
    loss: Loss = "dpo",
    beta: float,
    epochs: int,
    loop: LoopConfig,
    seed: int,
) -> PreferenceObjective:
    """Lay out the steps: every epoch a new order of the units, each step at least `loop.rows` pairs.

    Args:
        units: From `make_units`; none with loss `sft`.
        origins: Origin of every pair.
        reference_K: Margin of every pair under the reference, of the kind that the loss takes.
        anchors: One without documents or weight is left out.
        loss: What is minimised over the pairs.
        beta: Strength of the pull towards the reference.
        epochs: Passes over the pairs; without pairs, over the documents of the first anchor.
        loop: Gives pairs a step and tokens a forward pass.
        seed: Of the orders.

    Raises:
        DataError: There are neither pairs nor documents.
    """
    names = tuple(sorted(set(origins)))
    used = tuple(a for a in anchors if a.documents and a.weight > 0 and a.rows > 0)
    sizes = [len(unit.pairs) for unit in units]
    orders = [permutation(stable_seed(seed, "pairs", epoch), len(units)).tolist() for epoch in range(epochs)]
    steps = [step for order in orders for step in _steps(order, sizes, loop.rows)]
    if not units:
        if not used:
            raise DataError("preferences: got neither pairs nor documents; expected some to train on.")
        steps = [()] * -(-epochs * len(used[0].documents) // used[0].rows)
    return PreferenceObjective(
        units=tuple(units),
        steps=tuple(steps),
        origin_of_pair=tuple(names.index(origin) for origin in origins),
        reference_K=reference_K,
        anchors=used,
        groups=(*names, *(anchor.name for anchor in used)),
        loss_name=loss,
        beta=beta,
        micro_tokens=loop.micro_tokens,
    )


def _steps(order: Sequence[int], sizes: Sequence[int], rows: int) -> list[tuple[int, ...]]:
    steps: list[list[int]] = [[]]
    count = 0
    for number in order:
        if count >= rows:
            steps.append([])
            count = 0
        steps[-1].append(number)
        count += sizes[number]
    return [tuple(step) for step in steps if step]
