"""Steering vectors: what a layer says after the better token and after the worse one.

Shapes: N pairs, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.errors import ConfigError
from trivium.records import Preference

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Vectors:
    """Outputs of one layer at the last position of prefix + token."""

    chosen_NH: torch.Tensor
    rejected_NH: torch.Tensor

    @property
    def direction_H(self) -> torch.Tensor:
        """Mean difference, of length one; zeros without pairs."""
        import torch

        mean_H = (self.chosen_NH - self.rejected_NH).mean(dim=0) if len(self.chosen_NH) else None
        if mean_H is None:
            return torch.zeros(self.chosen_NH.shape[1])
        return mean_H / mean_H.norm().clamp_min(1e-12)


def vectors(folder: Path, pairs: Sequence[Preference], layer: int, batch_size: int) -> Vectors:
    """Run the model over both sides of every pair.

    Source: difference of means of activations, as in contrastive activation addition (Rimsky et al. 2023,
    arXiv 2312.06681); here the two sides differ in one token only.

    Args:
        folder: A Hugging Face model folder.
        pairs: Pairs of single tokens.
        layer: Index into the hidden states: 0 is the embeddings, n the output of block n.
        batch_size: Contexts that run at once.

    Raises:
        ConfigError: The model has fewer layers.
    """
    from trivium.models.states import last_states, num_blocks

    blocks = num_blocks(folder)
    if layer > blocks:
        raise ConfigError(
            f"export.layer: got {layer}, expected 0 to {blocks}, this model's number of blocks."
        )
    contexts = [
        [*pair.prompt_ids, *ids] for pair in pairs for ids in (pair.chosen_ids[:1], pair.rejected_ids[:1])
    ]
    found_NH = last_states(folder, contexts, layer, batch_size)
    return Vectors(found_NH[::2].clone(), found_NH[1::2].clone())


def write(path: Path, found: Vectors, layer: int) -> None:
    """Write chosen, rejected (N, H) and the direction (H) as safetensors, the layer in the metadata."""
    from safetensors.torch import save

    from trivium.store.files import write_atomic

    tensors = {
        "chosen": found.chosen_NH.contiguous(),
        "rejected": found.rejected_NH.contiguous(),
        "direction": found.direction_H.contiguous(),
    }
    data = save(tensors, metadata={"layer": str(layer), "made_by": "trivium pivot"})

    def writer(target: Path) -> None:
        target.write_bytes(data)

    write_atomic(path, writer)
