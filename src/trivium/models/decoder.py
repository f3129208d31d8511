"""What the sampler asks of a key-value cache, whatever model is behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


class Decoder(Protocol):
    """A key-value cache of some slots and the step that extends the first M of them."""

    slots: int

    def prefill(self, contexts: Sequence[tuple[int, ...]]) -> Sequence[Any]:
        """Keys and values of whole contexts, each computed once."""
        ...

    def place(self, kv: Any, slots: Sequence[int]) -> None:
        """Put one prefilled context into these slots."""

    def clear(self, slots: Sequence[int]) -> None:
        """Begin rows that have no context."""

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of a slot over another slot."""

    def extend(self, tails: Mapping[int, tuple[int, ...]]) -> bool:
        """Read the next ids of slots just given a context; False where they are to be fed step by step."""
        ...

    def step(self, tokens_M: torch.Tensor, positions_M: torch.Tensor) -> torch.Tensor:
        """Feed one token to each of the first M slots; logits (M, V) of the next."""
        ...
