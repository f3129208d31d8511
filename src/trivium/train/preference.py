"""Direct preference optimisation: exact and cheap on single tokens, ordinary on whole replies.

DPO (arXiv:2305.18290) minimises -log sigmoid(beta * (m - m_ref)), where m is the difference of the two
replies' log-probabilities. Two single tokens after one prefix share their partition function, so
m = h . (W[chosen] - W[rejected]) with h the final state at the last prefix token: no softmax, and one forward
pass for all pairs of a trajectory. A likelihood term on right answers (anchor) and on fine-tuning data
(replay) holds the policy where it has no pair.

Shapes: N tokens of a flat batch, K pairs, L reply tokens, D width, V vocabulary.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from trivium.train.forward import final_states, head_weight, hidden_states, token_losses
from trivium.train.hashing import permutation, stable_seed
from trivium.train.pairs import ReplyUnit, TokenUnit, Unit
from trivium.train.settings import LoopConfig
from trivium.train.work import fill

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclasses.dataclass(frozen=True, slots=True)
class Likelihood:
    """Documents whose marked tokens should stay likely."""

    name: str
    documents: tuple[tuple[list[int], list[bool]], ...]
    """Ids and which of them count."""
    weight: float
    rows: int
    """Documents of one step."""


@dataclasses.dataclass(frozen=True, slots=True)
class Micro:
    """One forward pass: units of pairs, or documents of one likelihood term."""

    units: tuple[Unit, ...] = ()
    documents: tuple[tuple[list[int], list[bool]], ...] = ()
    term: int = -1
    """Index of the likelihood term."""
    scale: float = 1.0
    """Weight of one pair or one target in the step's loss."""


@dataclasses.dataclass(frozen=True, slots=True)
class PreferenceObjective:
    """Mean DPO loss over a step's pairs plus the weighted likelihood terms."""

    units: tuple[Unit, ...]
    steps: tuple[tuple[int, ...], ...]
    """Units of every step."""
    origin_of_pair: tuple[int, ...]
    """Index of the pair's origin in `groups`."""
    reference_K: Tensor
    """Margins of all pairs under the reference model."""
    terms: tuple[Likelihood, ...]
    groups: tuple[str, ...]
    """Origins of pairs, then names of the likelihood terms."""
    beta: float
    micro_tokens: int

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return len(self.steps)

    @property
    def unit(self) -> str:
        """A step's size counts pairs."""
        return "pairs"

    def step_size(self, step: int) -> int:
        """Pairs of a step."""
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
        for number, term in enumerate(self.terms):
            chosen = [term.documents[index] for index in self._drawn(number, step)]
            targets = sum(sum(marks[1:]) for _, marks in chosen)
            part, weight = chosen[rank::ranks], term.weight / max(targets, 1)
            for documents in fill(part, [len(ids) for ids, _ in part], self.micro_tokens):
                found.append(Micro(documents=tuple(documents), term=number, scale=weight))
        return found

    def loss(self, model: PreTrainedModel, batch: Micro) -> tuple[Tensor, Tensor]:
        """Part of the step's loss; sums of losses and counts by group (G, 2)."""
        stats_G2 = torch.zeros(len(self.groups), 2)
        if batch.units:
            pairs = [pair for unit in batch.units for pair in unit.pairs]
            margins_K = margins(model, batch.units) - self.reference_K[pairs]
            losses_K = dpo_loss(margins_K, self.beta)
            where_K = torch.tensor([self.origin_of_pair[pair] for pair in pairs])
            counted = torch.stack([losses_K.detach(), torch.ones(len(pairs))], dim=1)
            return losses_K.sum() * batch.scale, stats_G2.index_add_(0, where_K, counted)
        total, losses_N, weights_N = document_losses(model, batch.documents)
        row = len(self.groups) - len(self.terms) + batch.term
        stats_G2[row] = torch.stack([losses_N.sum(), weights_N.sum()])
        return total * batch.scale, stats_G2

    def _drawn(self, number: int, step: int) -> list[int]:
        """Documents of a likelihood term in a step: a walk through permutations, epoch after epoch."""
        term = self.terms[number]
        count, first = len(term.documents), step * term.rows
        found: list[int] = []
        while len(found) < term.rows:
            epoch, place = divmod(first + len(found), count)
            order = permutation(stable_seed("likelihood", term.name, epoch), count)
            found += order[place : place + term.rows - len(found)].tolist()
        return found


def dpo_loss(margins_K: Tensor, beta: float) -> Tensor:
    """-log sigmoid(beta * margin) for each pair; ln 2 while the policy still is the reference."""
    return -functional.logsigmoid(beta * margins_K)


def margins(model: PreTrainedModel, units: Sequence[Unit]) -> Tensor:
    """Difference log p(chosen) - log p(rejected) for all pairs of units of one kind, in their order (K,)."""
    if isinstance(units[0], TokenUnit):
        return _token_margins(model, [unit for unit in units if isinstance(unit, TokenUnit)])
    replies = [unit for unit in units if isinstance(unit, ReplyUnit)]
    sides = [(unit.prompt, side) for unit in replies for side in (unit.chosen, unit.rejected)]
    both_K2 = reply_logps(model, sides).view(-1, 2)
    return both_K2[:, 0] - both_K2[:, 1]


def reply_logps(model: PreTrainedModel, sides: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Tensor:
    """Log-probability of each reply after its prompt, summed over its tokens."""
    inputs = [[*prompt, *reply[:-1]] for prompt, reply in sides]
    places: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    start = 0
    for number, (prompt, reply) in enumerate(sides):
        places += range(start + len(prompt) - 1, start + len(prompt) + len(reply) - 1)
        targets += reply
        owner += [number] * len(reply)
        start += len(inputs[number])
    x_ND = hidden_states(model, torch.tensor([i for ids in inputs for i in ids]), [len(i) for i in inputs])
    logits_LV = final_states(model, x_ND[torch.tensor(places)]) @ head_weight(model).t()
    logps_L = logits_LV.log_softmax(-1).gather(1, torch.tensor(targets)[:, None])[:, 0]
    return torch.zeros(len(sides)).index_add(0, torch.tensor(owner), logps_L)


def document_losses(
    model: PreTrainedModel, documents: Sequence[tuple[list[int], list[bool]]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Summed loss of the marked tokens of documents, the loss of every token and its weight (N,)."""
    inputs = torch.tensor([i for ids, _ in documents for i in ids[:-1]])
    targets = torch.tensor([i for ids, _ in documents for i in ids[1:]])
    weights = torch.tensor([float(m) for _, marks in documents for m in marks[1:]])
    x_ND = hidden_states(model, inputs, [len(ids) - 1 for ids, _ in documents])
    total, losses = token_losses(model, x_ND, targets, weights)
    return total, losses, weights


def make_objective(
    units: Sequence[Unit],
    origins: Sequence[str],
    reference_K: Tensor,
    terms: Sequence[Likelihood],
    *,
    beta: float,
    epochs: int,
    loop: LoopConfig,
    seed: int,
) -> PreferenceObjective:
    """Lay out the steps: every epoch a new order of the units, each step at least `loop.rows` pairs.

    Args:
        units: From `make_units`.
        origins: Origin of every pair.
        reference_K: Margin of every pair under the reference.
        terms: Likelihood terms; one without documents or weight is left out.
        beta: Strength of the pull towards the reference.
        epochs: Passes over the pairs.
        loop: Gives pairs a step and tokens a forward pass.
        seed: Of the orders.
    """
    names = tuple(sorted(set(origins)))
    used = tuple(term for term in terms if term.documents and term.weight > 0 and term.rows > 0)
    sizes = [len(unit.pairs) for unit in units]
    orders = [permutation(stable_seed(seed, "pairs", epoch), len(units)).tolist() for epoch in range(epochs)]
    return PreferenceObjective(
        units=tuple(units),
        steps=tuple(step for order in orders for step in _steps(order, sizes, loop.rows)),
        origin_of_pair=tuple(names.index(origin) for origin in origins),
        reference_K=reference_K,
        terms=used,
        groups=(*names, *(term.name for term in used)),
        beta=beta,
        micro_tokens=loop.micro_tokens,
    )


def _token_margins(model: PreTrainedModel, units: Sequence[TokenUnit]) -> Tensor:
    places, start = [], 0
    for unit in units:
        places += [start + position for position in unit.positions]
        start += len(unit.ids)
    x_ND = hidden_states(
        model, torch.tensor([i for unit in units for i in unit.ids]), [len(unit.ids) for unit in units]
    )
    h_KD, head_VD = final_states(model, x_ND[torch.tensor(places)]), head_weight(model)
    chosen = torch.tensor([token for unit in units for token in unit.chosen])
    rejected = torch.tensor([token for unit in units for token in unit.rejected])
    return (h_KD * (head_VD[chosen] - head_VD[rejected])).sum(-1)


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
