"""Muon: momentum whose matrices are made orthogonal before they are applied.

Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; the size of an update is matched to AdamW's
(Liu et al. 2025, arXiv:2502.16982, section 2.2), so both share one learning rate. Differences from
torch.optim.Muon: matrices of one shape are orthogonalised together, in float32 (bfloat16 products are slower
on a CPU without AMX) and shared out among the ranks; and the joined projections of Phi-3 are taken apart,
because query, key, value, gate and up are matrices of their own.

Shapes: M matrices of R x C in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trivium.models import runtime

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration, tuned for speed at zero. Source: Jordan et al. 2024."""
ITERATIONS = 5
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """For matrices only; state: one momentum buffer each."""

    def __init__(
        self, parameters: Sequence[Tensor], parts: Sequence[Sequence[int]], lr: float, weight_decay: float
    ) -> None:
        """Remember matrices and where they come apart.

        Args:
            parameters: Matrices.
            parts: For each, the rows of every matrix joined in it; they add up to its rows.
            lr: Learning rate.
            weight_decay: Decoupled, as in AdamW.
        """
        super().__init__(list(parameters), {"lr": lr, "weight_decay": weight_decay})
        self.parts = [tuple(rows) for rows in parts]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every matrix."""
        assert closure is None
        (group,) = self.param_groups
        directions = [self._direction(weight) for weight in group["params"]]
        pieces = [
            piece
            for direction, rows in zip(directions, self.parts, strict=True)
            for piece in direction.split(rows)
        ]
        self._orthogonalise(pieces)
        for weight, direction in zip(group["params"], directions, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])

    def _direction(self, weight: Tensor) -> Tensor:
        """Nesterov momentum of the gradient; a new tensor."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        momentum = state["momentum_buffer"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp(momentum, MOMENTUM)

    @staticmethod
    def _orthogonalise(pieces: Sequence[Tensor]) -> None:
        """Make each matrix near-orthogonal with AdamW's typical size, in place; equal shapes together."""
        rank, ranks = runtime.rank_and_ranks()
        groups: dict[tuple[int, ...], list[Tensor]] = {}
        for piece in pieces:
            groups.setdefault(tuple(piece.shape), []).append(piece)
        done = torch.zeros(sum(piece.numel() for piece in pieces))
        start = 0
        for shape, alike in groups.items():
            stack = done[start : start + sum(piece.numel() for piece in alike)].view(len(alike), *shape)
            start += stack.numel()
            if alike[rank::ranks]:
                stack[rank::ranks] = orthogonal(torch.stack(alike[rank::ranks])).mul_(0.2 * max(shape) ** 0.5)
        runtime.sum_over_ranks_(done)  # every matrix is zero on all ranks but one
        flat = done.split([piece.numel() for alike in groups.values() for piece in alike])
        ordered = [piece for alike in groups.values() for piece in alike]
        for piece, update in zip(ordered, flat, strict=True):
            piece.copy_(update.view_as(piece))


def orthogonal(matrices_MRC: Tensor) -> Tensor:
    """Bring all singular values near one (between about 0.7 and 1.2) by Newton-Schulz iteration."""
    a, b, c = COEFFICIENTS
    wide = matrices_MRC.shape[1] <= matrices_MRC.shape[2]
    x = matrices_MRC if wide else matrices_MRC.transpose(1, 2)
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.transpose(1, 2)
