"""One pass of a model over whole texts: how likely each token was, and which token the model would have said.

Shapes: B texts of a batch, T positions, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = 8_192
"""Padded tokens of one pass; bounds the logits to a few dozen MB for a small vocabulary."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A text as the model saw it; entry i belongs to token i + 1, which is read after tokens 0..i."""

    bits: list[float]
    """-log2 of each next token's probability."""
    choices: list[int]
    """The model's first choice in the place of each next token."""


def score(model: PreTrainedModel, texts: Sequence[Sequence[int]], pad_id: int) -> list[Scored]:
    """Score token sequences of at least two ids, in order.

    Texts may be longer than the context that the model was trained on: rotary positions simply go on.
    """
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
    found: dict[int, Scored] = {}
    start = 0
    with torch.inference_mode():
        while start < len(order):
            size = max(1, BATCH_TOKENS // len(texts[order[start]]))
            batch = order[start : start + size]
            found |= zip(batch, _score_batch(model, [texts[i] for i in batch], pad_id), strict=True)
            start += size
    return [found[i] for i in range(len(texts))]


def _score_batch(model: PreTrainedModel, texts: Sequence[Sequence[int]], pad_id: int) -> list[Scored]:
    longest = max(map(len, texts))
    # Padding stands at the end, where causal attention hides it from every real token.
    ids_BT = torch.full((len(texts), longest), pad_id, dtype=torch.int64)
    for row, ids in enumerate(texts):
        ids_BT[row, : len(ids)] = torch.tensor(list(ids))
    logits_BTV = model(input_ids=ids_BT.to(model.device), use_cache=False).logits[:, :-1].float()
    targets_BT1 = ids_BT[:, 1:, None].to(logits_BTV.device)
    nats_BT = logits_BTV.logsumexp(-1) - logits_BTV.gather(-1, targets_BT1)[..., 0]
    bits_BT, choices_BT = (nats_BT / math.log(2)).cpu(), logits_BTV.argmax(-1).cpu()
    return [
        Scored(bits_BT[row, : len(ids) - 1].tolist(), choices_BT[row, : len(ids) - 1].tolist())
        for row, ids in enumerate(texts)
    ]
