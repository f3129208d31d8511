"""An initialisation whose first layer already looks one token back.

A model of a million parameters on a few million tokens does not find induction (look for an earlier place of
the current token, copy what followed it) by itself: it does not grow the head that attends to the previous
token, and without that there is nothing to match. Here that head is there from the start. The rest of the
circuit is learned within a few hundred steps, and the checkpoint stays a plain Phi3. The layer must be kept
out of training (`PREVIOUS_TOKEN_LAYER` as `loop.frozen`), or the optimizer takes it apart before it is of
use; docs/lab-notebook.md has the measurements, benchmarks/induction.py makes them.

How: every embedding shares one direction u. Queries and keys of the first layer read only u, so that scores
depend on the distance alone; the key is rotated by one position against the query, so that they peak at the
previous token. Values carry the token's own part of the embedding to directions that no embedding uses alike.

Shapes: D width, H heads, S head size, C directions that are copied.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trivium.errors import ConfigError
from trivium.models.phi import shape_of

if TYPE_CHECKING:
    from transformers import Phi3ForCausalLM

EMBEDDING_STD = 0.5
"""Large against a learning rate of some thousandths, so that u stays common to all tokens in training."""
USUAL_STD = 0.02
"""What the output head expects; the last norm's gain makes up for the difference."""
SHARPNESS = 8.0
"""Length of a query or key component; 8 puts over 0.99 of the attention on the previous token."""
FAST_PAIRS = 5
"""Rotary pairs in use: the fastest ones tell neighbouring positions apart best."""


def set_previous_token_layer(model: Phi3ForCausalLM, generator: torch.Generator) -> None:
    """Rewrite embedding, last norm and first attention layer of a freshly built model, in place.

    Args:
        model: From `trivium.models.phi.build`: output matrices of the layers are zero.
        generator: Source of the random directions.

    Raises:
        ConfigError: Keys are shared between query heads, or there is only one head.
    """
    config = model.config
    heads, width = config.num_attention_heads, config.hidden_size
    if config.num_key_value_heads != heads or heads < 2:
        raise ConfigError(
            f"pretrain.previous_token: got {heads} heads over {config.num_key_value_heads} key heads; "
            "expected at least 2 heads with a key head each (kv_heads = heads)."
        )
    common_D = torch.full((width,), width**-0.5)
    with torch.no_grad():
        _share_direction(model.model.embed_tokens.weight, common_D)
        model.model.norm.weight.mul_(USUAL_STD / EMBEDDING_STD)
        if not config.tie_word_embeddings:
            model.lm_head.weight.mul_(EMBEDDING_STD / USUAL_STD)
        _carry(model, common_D, generator)
        aim(model)


def _share_direction(embedding_VD: Tensor, common_D: Tensor) -> None:
    """Give every token an own part of one length, at right angles to a common part of the same length."""
    length = EMBEDDING_STD * math.sqrt(embedding_VD.shape[1])
    embedding_VD.sub_(torch.outer(embedding_VD @ common_D, common_D))
    embedding_VD.mul_(length / embedding_VD.norm(dim=1, keepdim=True).clamp(min=1e-6))
    embedding_VD.add_(common_D * length)


def aim(model: Phi3ForCausalLM) -> None:
    """Write queries and keys of the first layer for the model's RoPE base, in place.

    Part of `set_previous_token_layer`; to be called again when the base is changed (context extension).
    """
    attention, width = model.model.layers[0].self_attn, model.config.hidden_size
    common_D = torch.full((width,), width**-0.5)
    query_S, key_S = _one_apart(attention.head_dim, shape_of(model.config).rope_theta)
    # After the first norm the common part has length sqrt(D / 2): half of the square of an embedding's.
    scale = SHARPNESS / math.sqrt(width / 2)
    qkv = attention.qkv_proj.weight
    with torch.no_grad():
        for head in range(model.config.num_attention_heads - 1):
            rows = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
            qkv[rows] = torch.outer(query_S, common_D) * scale
            qkv[width + rows.start : width + rows.stop] = torch.outer(key_S, common_D) * scale


def _carry(model: Phi3ForCausalLM, common_D: Tensor, generator: torch.Generator) -> None:
    """Let the values of the first layer carry each token's own part, in all heads but the last."""
    attention, width = model.model.layers[0].self_attn, common_D.numel()
    count = (model.config.num_attention_heads - 1) * attention.head_dim
    read_DC, write_DC = _directions(common_D, count, generator)
    attention.qkv_proj.weight[2 * width : 2 * width + count] = read_DC.T
    attention.o_proj.weight[:, :count] = write_DC


def _one_apart(size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return a query and a key whose rotated product is largest when the key stands one position before."""
    half = size // 2
    angle = theta ** (-2 * torch.arange(half) / size)
    used = (torch.arange(half) < FAST_PAIRS).float()
    query_S = torch.cat([used, torch.zeros(half)])
    key_S = torch.cat([used * torch.cos(angle), used * torch.sin(angle)])
    return query_S, key_S


def _directions(common_D: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (D, C) orthonormal directions to read from and to write to, all at right angles to u."""
    width = common_D.numel()
    draw = torch.randn(width, width - 1, generator=generator)
    basis = torch.linalg.qr(torch.cat([common_D[:, None], draw], dim=1))[0][:, 1:]
    turn = torch.linalg.qr(torch.randn(width - 1, width - 1, generator=generator))[0]
    return basis[:, :count], (basis @ turn)[:, :count]
