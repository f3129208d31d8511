"""Weights between those of two models: what was learnt, without all of what it displaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trivium.models.load import load_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def draw_back(model: PreTrainedModel, start: str | Path, share: float) -> None:
    """Move a fine-tuned model's weights a share of the way back to those that it started from, in place.

    Source: WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903), where that keeps what the start could do at
    little or no price in what was learnt.

    Args:
        model: The fine-tuned model.
        start: Hugging Face folder of the model that it started from.
        share: From 0, which changes nothing, to 1, which is the start.
    """
    import torch

    if not share:
        return
    before = dict(load_model(start).named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.lerp_(before[name].to(weight.dtype), share)
