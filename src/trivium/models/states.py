"""What a layer of a model says at the last token of a context.

Shapes: N contexts, B contexts of a batch, T padded tokens, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.models.precision import Precision, takes_bfloat16

if TYPE_CHECKING:
    import torch


def last_states(
    folder: str | Path,
    contexts: Sequence[Sequence[int]],
    layer: int,
    batch_size: int,
    precision: Precision = "float32",
) -> torch.Tensor:
    """Run a model over every context and return the hidden states (N, H) at their last tokens, in float32.

    Args:
        folder: A Hugging Face model folder.
        contexts: Ids, at least one in each.
        layer: Index into the hidden states: 0 is the embeddings, n the output of block n.
        batch_size: Contexts that run at once, the short ones first.
        precision: Of the products; the sums between blocks stay in float32.
    """
    import torch

    from trivium.models.sample import cached_model

    model = cached_model(folder)
    order = sorted(range(len(contexts)), key=lambda index: len(contexts[index]))
    found_NH = torch.zeros(len(contexts), int(model.config.get_text_config().hidden_size))
    half = takes_bfloat16(precision, model.num_parameters())
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=half):
        for start in range(0, len(order), batch_size):
            picked = order[start : start + batch_size]
            found_NH[picked] = _last_of_batch(model, [contexts[index] for index in picked], layer)
    return found_NH


def num_blocks(folder: str | Path) -> int:
    """Number of a model's blocks."""
    from trivium.models.sample import cached_model

    return int(cached_model(folder).config.get_text_config().num_hidden_layers)


def _last_of_batch(model: Any, contexts: Sequence[Sequence[int]], layer: int) -> torch.Tensor:
    """Hidden states (B, H) at the last token; padding on the right cannot be seen from there."""
    import torch

    width = max(map(len, contexts))
    ids_BT = torch.zeros((len(contexts), width), dtype=torch.int64)
    for row, ids in enumerate(contexts):
        ids_BT[row, : len(ids)] = torch.tensor(ids)
    last_B = torch.tensor([len(ids) - 1 for ids in contexts])
    mask_BT = (torch.arange(width)[None] <= last_B[:, None]).long()
    states = model.base_model(
        input_ids=ids_BT, attention_mask=mask_BT, output_hidden_states=True, use_cache=False
    )
    return states.hidden_states[layer][torch.arange(len(contexts)), last_B].float()
