"""Losses on preference pairs: exact and cheap on single tokens, ordinary on whole replies.

DPO (arXiv:2305.18290) minimises -log sigmoid(beta * (m - m_ref)), where m is the difference of the two
replies' log-probabilities. Two single tokens after one prefix share their partition function, so
m = h . (W[chosen] - W[rejected]) with h the final state at the last prefix token: no softmax, and one forward
pass for all pairs of a trajectory. IPO (arXiv:2310.12036) minimises (m - m_ref - 1 / (2 beta))^2.

Shapes: N tokens of a flat batch, K pairs, L reply tokens, M marked tokens, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from trivium.train.forward import (
    final_states,
    hidden_states,
    in_chunks,
    logits,
    target_logps,
    token_losses,
    token_margins,
)
from trivium.train.pairs import ReplyUnit, TokenUnit, Unit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Documents = Sequence[tuple[list[int], list[bool]]]
"""Ids of each document and which of them count."""


def pair_losses(name: str, moved_K: Tensor, beta: float) -> Tensor:
    """Loss of each pair.

    Args:
        name: `dpo`, which is ln 2 while the policy still is the reference, or `ipo`.
        moved_K: Margins less those of the reference.
        beta: Strength of the pull towards the reference; tau in the IPO paper, equation 17.
    """
    if name == "ipo":
        return (moved_K - 1 / (2 * beta)).square()
    return -functional.logsigmoid(beta * moved_K)


def margins(model: PreTrainedModel, units: Sequence[Unit], *, mean: bool = False) -> Tensor:
    """Difference log p(chosen) - log p(rejected) for all pairs of units of one kind, in their order (K,).

    Args:
        model: The policy or the reference.
        units: All single-token ones, or all whole replies.
        mean: Take the mean over a reply's tokens instead of the sum, as IPO's authors did (told by TRL).
    """
    if isinstance(units[0], TokenUnit):
        return _token_margins(model, [unit for unit in units if isinstance(unit, TokenUnit)])
    replies = [unit for unit in units if isinstance(unit, ReplyUnit)]
    sides = [(unit.prompt, side) for unit in replies for side in (unit.chosen, unit.rejected)]
    both = reply_logps(model, sides)
    if mean:
        both = both / torch.tensor([float(len(side)) for _, side in sides])
    both_K2 = both.view(-1, 2)
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
    logps_L = target_logps(model, final_states(model, x_ND[torch.tensor(places)]), torch.tensor(targets))
    return torch.zeros(len(sides)).index_add(0, torch.tensor(owner), logps_L)


def document_losses(model: PreTrainedModel, documents: Documents) -> tuple[Tensor, Tensor, Tensor]:
    """Summed loss of the marked tokens of documents, the loss of every token and its weight (N,)."""
    inputs = torch.tensor([i for ids, _ in documents for i in ids[:-1]])
    targets = torch.tensor([i for ids, _ in documents for i in ids[1:]])
    weights = torch.tensor([float(m) for _, marks in documents for m in marks[1:]])
    x_ND = hidden_states(model, inputs, [len(ids) - 1 for ids, _ in documents])
    total, losses = token_losses(model, x_ND, targets, weights)
    return total, losses, weights


def divergences(model: PreTrainedModel, reference: PreTrainedModel, documents: Documents) -> Tensor:
    """KL(reference || model) in nats at every marked token of documents (M,).

    On replies that the reference itself sampled, the sum over a reply estimates without bias how far the
    two models' distributions of whole replies lie apart. No gradient goes to the reference.
    """

    def kl(logits_CV: Tensor, theirs_CD: Tensor) -> Tensor:
        with torch.no_grad():
            theirs_CV = logits(reference, theirs_CD).log_softmax(-1)
        return (theirs_CV.exp() * (theirs_CV - logits_CV.log_softmax(-1))).sum(-1)

    with torch.no_grad():
        theirs_MD = marked_states(reference, documents)
    return in_chunks(model, kl, marked_states(model, documents), theirs_MD)


def marked_states(model: PreTrainedModel, documents: Documents) -> Tensor:
    """What the head multiplies where documents have a marked token, (M, D)."""
    inputs = torch.tensor([i for ids, _ in documents for i in ids[:-1]])
    marks_N = torch.tensor([mark for _, marks in documents for mark in marks[1:]])
    x_ND = hidden_states(model, inputs, [len(ids) - 1 for ids, _ in documents])
    return final_states(model, x_ND[marks_N])


def _token_margins(model: PreTrainedModel, units: Sequence[TokenUnit]) -> Tensor:
    chosen = torch.tensor([token for unit in units for token in unit.chosen])
    rejected = torch.tensor([token for unit in units for token in unit.rejected])
    return token_margins(model, states_before(model, units), chosen, rejected)


def states_before(model: PreTrainedModel, units: Sequence[TokenUnit]) -> Tensor:
    """What the head multiplies at the last prompt token of every pair, in the order of the units, (K, D)."""
    places, start = [], 0
    for unit in units:
        places += [start + position for position in unit.positions]
        start += len(unit.ids)
    x_ND = hidden_states(
        model, torch.tensor([i for unit in units for i in unit.ids]), [len(unit.ids) for unit in units]
    )
    return final_states(model, x_ND[torch.tensor(places)])
