"""The body of any causal model of transformers over a flat batch of documents.

Documents become rows that are padded on the right, neighbours in length together. A causal model never
looks to the right, so a document is computed exactly as if it were alone, whatever positions, windows or
recurrences the architecture has, and no mask has to be right. `benchmarks/sft_any_model.py --layouts` times
this beside one flat row with a block-diagonal mask.

Shapes: N tokens, B rows, T padded length, D width.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trivium.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PADDING = 0.15
"""Share of padding in a group of rows; a group with more is cut in two."""

PROBE = ((5, 3, 7, 4, 9, 2), (8, 3, 6))
"""Two short documents on which a model is compared with its own forward before it is trained."""
TOLERANCE = 1e-3
"""Largest difference of logits there, relative to the largest logit."""

_CHECKED: weakref.WeakSet[Any] = weakref.WeakSet()


def hidden_states(model: PreTrainedModel, inputs_N: Tensor, lengths: Sequence[int]) -> Tensor:
    """States that the output head multiplies, (N, D), in the order of the documents.

    Args:
        model: A causal model of transformers.
        inputs_N: Token ids of all documents, one after the other.
        lengths: Tokens of each document; a token sees its own document only.

    Raises:
        DataError: On two short documents this gives other logits than the model itself.
    """
    if model not in _CHECKED:
        _check(model)
        _CHECKED.add(model)
    return _states(model, inputs_N, lengths)


def bend(model: PreTrainedModel, products: Tensor) -> Tensor:
    """Turn products with the head into logits: scaled as in Cohere and Granite, capped as in Gemma 2."""
    scale, cap = _scale(model), _cap(model)
    scaled = products if scale == 1.0 else products * scale
    return scaled if cap is None else cap * torch.tanh(scaled / cap)


def is_linear(model: PreTrainedModel) -> bool:
    """Whether logits are the products with the head as they are."""
    return _cap(model) is None and _scale(model) == 1.0


def row_groups(lengths: Sequence[int]) -> list[list[int]]:
    """Documents that are run together: sorted by length, with at most PADDING of a group being padding."""
    groups: list[list[int]] = []
    total = 0
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        length = lengths[index]
        if groups and length * (len(groups[-1]) + 1) * (1 - PADDING) <= total + length:
            groups[-1].append(index)
            total += length
        else:
            groups.append([index])
            total = length
    return groups


def _states(model: PreTrainedModel, inputs_N: Tensor, lengths: Sequence[int]) -> Tensor:
    body: Any = model.get_decoder()
    documents = inputs_N.split(list(lengths))
    states: list[Any] = [None] * len(documents)
    for group in row_groups(lengths):
        ids_BT = torch.nn.utils.rnn.pad_sequence([documents[i] for i in group], batch_first=True)
        states_BTD = body(input_ids=ids_BT, use_cache=False).last_hidden_state
        for row, index in enumerate(group):
            states[index] = states_BTD[row, : lengths[index]]
    return torch.cat(states)


def _check(model: PreTrainedModel) -> None:
    """Compare with the model's own forward, document by document.

    Raises:
        DataError: They differ.
    """
    from trivium.train.forward import logits

    ids = [[token % model.config.get_text_config().vocab_size for token in one] for one in PROBE]
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        try:
            states_ND = _states(model, torch.tensor([i for one in ids for i in one]), list(map(len, ids)))
            ours = logits(model, states_ND)
        except (AttributeError, TypeError, RuntimeError) as error:
            raise DataError(_refusal(model, f"{type(error).__name__}: {error}")) from error
        theirs = torch.cat([model(input_ids=torch.tensor([one]), use_cache=False).logits[0] for one in ids])
    worst = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-6))
    if not worst <= TOLERANCE:
        raise DataError(_refusal(model, f"logits that differ by {worst:.2g} of the largest"))


def _refusal(model: PreTrainedModel, got: str) -> str:
    return (
        f"model of type {model.config.model_type!r}: got {got} between its own forward and document by "
        "document; expected a causal decoder with an ordinary output head, train it with another tool."
    )


def _scale(model: PreTrainedModel) -> float:
    config: Any = model.config.get_text_config()
    return float(getattr(config, "logit_scale", None) or 1.0) / float(
        getattr(config, "logits_scaling", None) or 1.0
    )


def _cap(model: PreTrainedModel) -> float | None:
    return getattr(model.config.get_text_config(), "final_logit_softcapping", None)
