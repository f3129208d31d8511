"""Run a Phi-3 model over a flat batch of documents with the fast blocks.

Shapes: N tokens, D width, V vocabulary, L positions that count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trivium.errors import DataError
from trivium.train import blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def hidden_states(model: PreTrainedModel, inputs_N: Tensor, lengths: Sequence[int]) -> Tensor:
    """Residual stream after the last layer, before the final norm: (N, D).

    Args:
        model: A `Phi3ForCausalLM` in float32 on the CPU.
        inputs_N: Token ids of all documents, one after the other.
        lengths: Tokens of each document; a token sees its own document only, from position 0.
    """
    config: Any = model.config
    _require_phi3(config)
    layout = blocks.make_layout(
        lengths,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_size=config.hidden_size // config.num_attention_heads,
        theta=config.rope_parameters["rope_theta"],
        eps=config.rms_norm_eps,
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
            x_ND, gain, feed_forward.gate_up_proj.weight, feed_forward.down_proj.weight, layout.eps
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
    norm, head = _end(model)
    every = torch.zeros(len(weights_N))
    counted = weights_N.nonzero()[:, 0]
    if len(counted) < len(weights_N):
        x_ND, targets_N, weights_N = x_ND[counted], targets_N[counted], weights_N[counted]
    total, losses = blocks.HeadLoss.apply(
        x_ND, norm.weight, head, targets_N, weights_N, norm.variance_epsilon
    )
    every[counted] = losses
    return total, every


def final_states(model: PreTrainedModel, x_ND: Tensor) -> Tensor:
    """What the output head multiplies: the final norm of `hidden_states`, differentiable by autograd."""
    norm, _ = _end(model)
    scale = torch.rsqrt(x_ND.square().mean(-1, keepdim=True) + norm.variance_epsilon)
    return x_ND * scale * norm.weight


def head_weight(model: PreTrainedModel) -> Tensor:
    """The output head, (V, D)."""
    return _end(model)[1]


def _end(model: PreTrainedModel) -> tuple[Any, Any]:
    body: Any = model
    return body.model.norm, body.lm_head.weight


def _require_phi3(config: Any) -> None:
    rope = config.rope_parameters
    plain = rope.get("rope_type", "default") == "default" and rope.get("partial_rotary_factor", 1.0) == 1.0
    if config.model_type != "phi3" or not plain or config.sliding_window:
        raise DataError(
            f"model: got type {config.model_type!r} with rope {rope}; expected a plain phi3 model, "
            "convert it or train it with another tool."
        )
