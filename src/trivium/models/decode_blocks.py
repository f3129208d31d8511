"""Contexts that many rows share: kept once for every 8 rows, and looked at by all of them in one product.

A block is one context's keys and values and up to 8 rows that continue it. Its attention is a product of
matrices, where a copy for every row would be 8 products of a vector, each reading the whole context again.

Shapes: B blocks in use, L layers, K key-value heads, P padded length of the contexts, E head size, M rows of
a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

LANES = 8
"""Rows of a block. Always this many are computed, so that no row's result depends on its company: 16 are
faster where 16 rows share a context (a twentieth), and slower where each has its own (a third); measured."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Who sits where, for one step."""

    members_BX: torch.Tensor
    """Row of every lane; 0 for a lane that is free."""
    seats_M: torch.Tensor
    """Lane of every row, counted through all blocks; 0 for a row without context."""
    used: int
    """Blocks up to the last one in use."""
    bias_A1P: torch.Tensor
    """0 for tokens of a context and -inf beyond, for every block and key-value head."""


class Blocks:
    """The contexts of a cache with some slots, and the rows that belong to them."""

    def __init__(self, slots: int, shape: tuple[int, int, int], longest: int, device: torch.device) -> None:
        """Begin with one block, which is never filled: the context of rows that have none.

        Args:
            slots: Rows of the cache.
            shape: Layers, key-value heads, head size.
            longest: Tokens of the longest context, a multiple of 16.
            device: Where keys and values lie.
        """
        self.shape, self.longest, self.device = shape, longest, device
        self.kv_L2BKPE = self._room(1 + -(-slots // LANES))
        self.members: list[list[int]] = [[-1] * LANES]
        self.lengths = [0]
        self.seat = [0] * slots
        self.free: list[int] = []
        self.layout_: tuple[int, Layout] | None = None

    def add(self, kv_L2KnE: torch.Tensor, slots: Sequence[int]) -> None:
        """Give these slots a context; 8 of them share one copy."""
        self.leave(slots)
        length = kv_L2KnE.shape[3]
        for start in range(0, len(slots), LANES):
            block = self._take()
            self.kv_L2BKPE[:, :, block, :, :length] = kv_L2KnE
            self.kv_L2BKPE[:, :, block, :, length:] = 0.0
            self.lengths[block] = length
            for lane, slot in enumerate(slots[start : start + LANES]):
                self._sit(slot, block * LANES + lane)

    def leave(self, slots: Sequence[int]) -> None:
        """Take slots out of their blocks; an empty block is free."""
        self.layout_ = None
        for slot in slots:
            block, lane = divmod(self.seat[slot], LANES)
            self.seat[slot] = 0
            if block and self.members[block][lane] == slot:
                self.members[block][lane] = -1
                if max(self.members[block]) < 0:
                    self.lengths[block] = 0
                    self.free.append(block)

    def move(self, source: int, target: int) -> None:
        """Let another slot take the place of one."""
        seat = self.seat[source]
        self.leave([target])
        self._sit(target, seat)
        self.seat[source] = 0

    def layout(self, rows: int) -> Layout:
        """Who sits where, of the first `rows` slots."""
        if self.layout_ is None or self.layout_[0] != rows:
            self.layout_ = rows, self._layout(rows)
        return self.layout_[1]

    def _layout(self, rows: int) -> Layout:
        seats_M = torch.tensor(self.seat[:rows], device=self.device)
        used = int(seats_M.max()) // LANES + 1
        members_BX = torch.tensor(self.members[:used], device=self.device)
        members_BX.masked_fill_((members_BX >= rows) | (members_BX < 0), 0)
        lengths_B = torch.tensor(self.lengths[:used], device=self.device)
        hidden_BP = torch.arange(self.longest, device=self.device) >= lengths_B[:, None]
        bias_BP = torch.zeros(hidden_BP.shape, device=self.device).masked_fill_(hidden_BP, float("-inf"))
        bias_A1P = bias_BP.repeat_interleave(self.shape[1], 0)[:, None]
        return Layout(members_BX, seats_M, used, bias_A1P)

    def _sit(self, slot: int, seat: int) -> None:
        block, lane = divmod(seat, LANES)
        self.seat[slot] = seat
        if block:
            self.members[block][lane] = slot

    def _take(self) -> int:
        if self.free:
            self.free.sort(reverse=True)
            return self.free.pop()
        block = len(self.members)
        self.members.append([-1] * LANES)
        self.lengths.append(0)
        if block == self.kv_L2BKPE.shape[2]:
            old = self.kv_L2BKPE
            self.kv_L2BKPE = self._room(2 * block)
            self.kv_L2BKPE[:, :, :block] = old
        return block

    def _room(self, blocks: int) -> torch.Tensor:
        layers, heads, size = self.shape
        return torch.zeros((layers, 2, blocks, heads, self.longest, size), device=self.device)
