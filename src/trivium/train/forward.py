"""Run a causal model over a flat batch of documents: Phi-3 with the fast blocks, any other with its own code.

What leaves `hidden_states` goes to `final_states` and from there to the output head; in between only rows may
be picked. The head never holds more than LOGITS numbers at once, whatever the vocabulary.

Shapes: N tokens, D width, V vocabulary, M positions that count, C of them in a chunk, K pairs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from trivium.models.precision import Precision, takes_bfloat16
from trivium.train import blocks, forward_any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOGITS = 1 << 24
"""Logits that exist at once; more positions go in chunks whose logits are made again for the gradient."""


def hidden_states(model: PreTrainedModel, inputs_N: Tensor, lengths: Sequence[int]) -> Tensor:
    """States after the last layer: (N, D).

    Args:
        model: A causal model of transformers on the CPU, its weights in float32.
        inputs_N: Token ids of all documents, one after the other.
        lengths: Tokens of each document; a token sees its own document only, from position 0.

    Raises:
        DataError: The model cannot be run document by document or has an output head of its own kind.
    """
    if not is_fast(model):
        return forward_any.hidden_states(model, inputs_N, lengths)
    dtype = _product_type()
    with torch.autocast("cpu", enabled=False):
        return _fast_states(model, inputs_N, lengths, dtype)


def _fast_states(
    model: PreTrainedModel, inputs_N: Tensor, lengths: Sequence[int], dtype: torch.dtype
) -> Tensor:
    config: Any = model.config
    layout = blocks.make_layout(
        lengths,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_size=config.hidden_size // config.num_attention_heads,
        theta=config.rope_parameters["rope_theta"],
        eps=config.rms_norm_eps,
        dtype=dtype,
    )
    body: Any = model.model
    x_ND = torch.nn.functional.embedding(inputs_N, body.embed_tokens.weight)
    for layer in body.layers:
        attention, feed_forward = layer.self_attn, layer.mlp
        gain = layer.input_layernorm.weight
        x_ND = blocks.AttentionBlock.apply(
            x_ND, gain, attention.qkv_proj.weight, attention.o_proj.weight, layout
        )
        gain = layer.post_attention_layernorm.weight
        x_ND = blocks.FeedForwardBlock.apply(
            x_ND, gain, feed_forward.gate_up_proj.weight, feed_forward.down_proj.weight, layout
        )
    return x_ND


def token_losses(
    model: PreTrainedModel, x_ND: Tensor, targets_N: Tensor, weights_N: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted sum of the negative log-likelihoods, and each of them (N,); unweighted ones are left at 0.

    Args:
        model: Gives the final norm and the head.
        x_ND: From `hidden_states`.
        targets_N: The token to say after each position.
        weights_N: Positions of weight 0 cost nothing.
    """
    every = torch.zeros(len(weights_N))
    counted = weights_N.nonzero()[:, 0]
    if len(counted) < len(weights_N):
        x_ND, targets_N, weights_N = x_ND[counted], targets_N[counted], weights_N[counted]
    if is_fast(model):
        norm, dtype = _norm(model), _product_type()
        with torch.autocast("cpu", enabled=False):
            total, losses = blocks.HeadLoss.apply(
                x_ND, norm.weight, head_weight(model), targets_N, weights_N, norm.variance_epsilon, dtype
            )
    else:
        losses = -target_logps(model, final_states(model, x_ND), targets_N)
        total = losses @ weights_N
    every[counted] = losses.detach()
    return total, every


def final_states(model: PreTrainedModel, x_ND: Tensor) -> Tensor:
    """What the output head multiplies: of Phi-3 the final norm of `hidden_states`; differentiable."""
    if not is_fast(model):
        return x_ND  # a body of transformers ends with its norm
    norm = _norm(model)
    scale = torch.rsqrt(x_ND.square().mean(-1, keepdim=True) + norm.variance_epsilon)
    return x_ND * scale * norm.weight


def head_weight(model: PreTrainedModel) -> Tensor:
    """The output head, (V, D); the embedding itself where the two are tied."""
    found: Any = model.get_output_embeddings()
    return found.weight


def target_logps(model: PreTrainedModel, states_MD: Tensor, targets_M: Tensor) -> Tensor:
    """Log-probability of one token after each position (M,).

    Args:
        model: Gives the head.
        states_MD: From `final_states`.
        targets_M: Ids.
    """
    return in_chunks(model, _target_logps, states_MD, targets_M)


def in_chunks(
    model: PreTrainedModel, function: Callable[..., Tensor], states_MD: Tensor, *others: Tensor
) -> Tensor:
    """Apply a function to the logits of some positions at a time.

    Args:
        model: Gives the head.
        function: From logits (C, V) and the same rows of the others to one number a position (C,).
        states_MD: From `final_states`.
        others: Tensors with a row for each position.
    """
    size = max(1, LOGITS // head_weight(model).shape[0])
    if len(states_MD) <= size:
        return function(logits(model, states_MD), *others)

    def part(states_CD: Tensor, *others_C: Tensor) -> Tensor:
        return function(logits(model, states_CD), *others_C)

    pieces = zip(states_MD.split(size), *(other.split(size) for other in others), strict=True)
    return torch.cat([checkpoint(part, *piece, use_reentrant=False) for piece in pieces])


def logits(model: PreTrainedModel, states_MD: Tensor) -> Tensor:
    """Logits of every token after some positions, in float32 (M, V)."""
    end: Any = model.get_output_embeddings()
    return forward_any.bend(model, torch.nn.functional.linear(states_MD, end.weight, end.bias)).float()


def token_margins(model: PreTrainedModel, states_KD: Tensor, chosen_K: Tensor, rejected_K: Tensor) -> Tensor:
    """Difference of two tokens' log-probabilities after one position each (K,); no softmax is needed."""
    end: Any = model.get_output_embeddings()
    states_KD = states_KD.float()
    if end.bias is None and forward_any.is_linear(model):
        return (states_KD * (end.weight[chosen_K] - end.weight[rejected_K])).sum(-1)
    both = []
    for ids_K in (chosen_K, rejected_K):
        products_K = (states_KD * end.weight[ids_K]).sum(-1)
        both.append(forward_any.bend(model, products_K if end.bias is None else products_K + end.bias[ids_K]))
    return both[0] - both[1]


def precision(model: PreTrainedModel, name: Precision) -> contextlib.AbstractContextManager[Any]:
    """Within this context the products of a model's layers are made in float32 or bfloat16.

    `auto` is decided by models.precision. The fast blocks read from autocast which it is. Weights are rounded
    at every use: the cache of autocast would keep those of the first step for as long as the context lasts.
    """
    if not takes_bfloat16(name, model.num_parameters(), fast=is_fast(model)):
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16, cache_enabled=False)


def _product_type() -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def is_fast(model: PreTrainedModel) -> bool:
    """Whether the fast blocks know this model: Phi-3 with plain rotation of whole heads, full attention."""
    config: Any = model.config
    if config.model_type != "phi3" or config.sliding_window:
        return False
    rope = config.rope_parameters
    plain = rope.get("rope_type", "default") == "default" and rope.get("partial_rotary_factor", 1.0) == 1.0
    return plain and config.hidden_act == "silu"


def _target_logps(logits_CV: Tensor, targets_C: Tensor) -> Tensor:
    return logits_CV.log_softmax(-1).gather(1, targets_C[:, None])[:, 0]


def _norm(model: PreTrainedModel) -> Any:
    body: Any = model
    return body.model.norm
