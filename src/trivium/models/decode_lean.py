"""A lean decoding step over the weights of a Phi-3 or Llama model.

The Hugging Face forward spends most of a small model's step outside its matrix products, copies the whole
cache for every token and, where heads share keys and values, copies these for every head. Here a context is
kept once for 8 rows (decode_blocks), a row has a block of its own for its new tokens only, and a step is a
dozen calls a layer.

What one row gets is bit for bit the same whatever else is in the batch. MKL's products keep to that as long
as their sizes stay away from its special cases for small ones (measured; the seed-for-seed test holds it to
that), so rows come in multiples of 16, lengths are at least 64 but where a product is one of vectors, and a
context is prefilled with contexts of its own padded length only.

Shapes: L layers, S slots (rows of the cache), M rows of a step (the first M slots), N contexts, P their
padded length, T new tokens of the longest row, C capacity for them, B blocks of X lanes, H query heads, K
key-value heads, G = H / K, E head size, D hidden size, V vocabulary, A = N * P, R = M * K.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from trivium.models.decode_blocks import LANES, Blocks, Layout
from trivium.models.decode_tails import read_tails

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GRAIN = 16
"""Rows and lengths are rounded up to this."""

SHORTEST = 64
"""Least attended length; not for the new tokens of a row whose heads do not share keys and values."""

PREFILL_TOKENS = 4096
"""Contexts are prefilled in batches of at most this many padded tokens."""


def supports(model: Any) -> bool:
    """Say whether this decoder computes what the model's own forward does."""
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        type(model).__name__ in ("Phi3ForCausalLM", "LlamaForCausalLM")
        and rope.get("rope_type", "default") == "default"
        and config.hidden_act == "silu"
        and getattr(config, "sliding_window", None) is None
        and not getattr(config, "attention_bias", False)
        and not getattr(config, "mlp_bias", False)
        and all(p.dtype == torch.float32 for p in model.parameters())
    )


def round_up(count: int, least: int = SHORTEST) -> int:
    """Round up to a multiple of `GRAIN`."""
    return max(least, -(-count // GRAIN) * GRAIN)


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer; a projection that the model splits is a tuple of its parts."""

    norm_D: torch.Tensor
    qkv: tuple[torch.Tensor, ...]
    out_DX: torch.Tensor
    norm_after_D: torch.Tensor
    gate_up: tuple[torch.Tensor, ...]
    down_DF: torch.Tensor


def layers_of(model: Any, kind: torch.dtype = torch.float32) -> list[Layer]:
    """The layers of a supported model; what is multiplied is copied only for another precision."""
    return [
        Layer(
            layer.input_layernorm.weight,
            _parts(layer.self_attn, "qkv_proj", ("q_proj", "k_proj", "v_proj"), kind),
            layer.self_attn.o_proj.weight.to(kind),
            layer.post_attention_layernorm.weight,
            _parts(layer.mlp, "gate_up_proj", ("gate_proj", "up_proj"), kind),
            layer.mlp.down_proj.weight.to(kind),
        )
        for layer in model.model.layers
    ]


@dataclass(frozen=True, slots=True)
class Weights:
    """What the products of a model take."""

    layers: list[Layer]
    head_VD: torch.Tensor


def weights_of(model: Any, *, bfloat16: bool) -> Weights:
    """The weights as they are, or the products' in bfloat16, copied once as long as they stay the same."""
    if not bfloat16:
        return Weights(layers_of(model), model.lm_head.weight)
    versions = sum(parameter._version for parameter in model.parameters())
    found = _HALVES.get(model)
    if found is None or found[0] != versions:
        halves = Weights(layers_of(model, torch.bfloat16), model.lm_head.weight.bfloat16())
        found = _HALVES[model] = versions, halves
    return found[1]


_HALVES: weakref.WeakKeyDictionary[Any, tuple[int, Weights]] = weakref.WeakKeyDictionary()


class LeanDecoder:
    """Key-value cache of S slots and the step that extends the first M of them by one token each."""

    def __init__(
        self, model: PreTrainedModel, slots: int, context: int, new: int, *, bfloat16: bool = False
    ) -> None:
        """Allocate the cache.

        Args:
            model: Float32 model that `supports` accepts.
            slots: Rows of the cache, a multiple of 16.
            context: Greatest number of tokens in a context.
            new: Greatest number of tokens fed to a row after its context.
            bfloat16: Whether products with weights are made in it; all else stays in float32.
        """
        inner: Any = model.model
        config: Any = model.config
        weights = weights_of(model, bfloat16=bfloat16)
        self.layers, self.head_VD = weights.layers, weights.head_VD
        self.embed = inner.embed_tokens
        self.norm_D, self.eps = inner.norm.weight, config.rms_norm_eps
        self.heads, self.kv_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        self.groups = self.heads // self.kv_heads
        self.head_dim = int(inner.layers[0].self_attn.head_dim)
        self.scale = self.head_dim**-0.5
        self.least = GRAIN if self.groups == 1 else SHORTEST
        self.slots, self.capacity = slots, round_up(new, self.least)
        self.device = self.embed.weight.device
        context = round_up(context)
        self.cos_CR, self.sin_CR = _rope_tables(model, context + self.capacity)
        self.positions_C = torch.arange(context + self.capacity, device=self.device)
        self.rows_SK = torch.arange(slots * self.kv_heads, device=self.device).view(slots, self.kv_heads)
        self.start_S = torch.zeros(slots, dtype=torch.int64, device=self.device)
        self.blocks = Blocks(slots, (len(self.layers), self.kv_heads, self.head_dim), context, self.device)
        shape = (len(self.layers), 2, slots * self.kv_heads, self.capacity, self.head_dim)
        self.cache_L2RCE = torch.zeros(shape, device=self.device)

    @staticmethod
    def bytes_per_token(model: PreTrainedModel) -> int:
        """Bytes of cache that one token of one slot takes."""
        config: Any = model.config
        head_dim = model.model.layers[0].self_attn.head_dim
        return int(config.num_hidden_layers * 2 * config.num_key_value_heads * head_dim * 4)

    def prefill(self, contexts: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
        """Compute keys and values of whole contexts, each once.

        Args:
            contexts: Token ids, at least one each.

        Returns:
            For each context of length n a tensor of shape (L, 2, K, n, E).
        """
        by_length: dict[int, list[int]] = {}
        for place, ids in enumerate(contexts):
            by_length.setdefault(round_up(len(ids)), []).append(place)
        found: dict[int, torch.Tensor] = {}
        for padded, places in by_length.items():
            size = max(1, PREFILL_TOKENS // padded)
            for batch in (places[i : i + size] for i in range(0, len(places), size)):
                kv_L2NKPE = self._prefill_batch([contexts[place] for place in batch], padded)
                for row, place in enumerate(batch):
                    found[place] = kv_L2NKPE[:, :, row, :, : len(contexts[place])]
        return [found[place] for place in range(len(contexts))]

    def place(self, kv_L2KPE: torch.Tensor, slots: Sequence[int]) -> None:
        """Let these slots continue one context."""
        self.blocks.add(kv_L2KPE, slots)
        self.start_S[list(slots)] = kv_L2KPE.shape[3]

    def clear(self, slots: Sequence[int]) -> None:
        """Begin rows that have no context."""
        self.blocks.leave(slots)
        self.start_S[list(slots)] = 0

    def extend(self, tails: Mapping[int, tuple[int, ...]]) -> bool:
        """Read the next ids of slots that have just been given a context, in one pass."""
        read_tails(self, tails, {slot: round_up(len(ids)) for slot, ids in tails.items()})
        return True

    def move(self, source: int, target: int, length: int) -> None:
        """Let a slot take over the row of another, of `length` tokens with its context."""
        self.blocks.move(source, target)
        start = self.start_S[target] = self.start_S[source]
        view = self.cache_L2RCE.view(
            *self.cache_L2RCE.shape[:2], self.slots, self.kv_heads, self.capacity, -1
        )
        view[:, :, target, :, : length - start] = view[:, :, source, :, : length - start]

    def step(self, tokens_M: torch.Tensor, positions_M: torch.Tensor) -> torch.Tensor:
        """Feed one token to each of the first M slots, M a multiple of 16.

        Args:
            tokens_M: Token ids.
            positions_M: Where each token stands in its row; what stood there is overwritten.

        Returns:
            Logits (M, V) of the next token.
        """
        rows = len(tokens_M)
        tokens_M, positions_M = tokens_M.to(self.device), positions_M.to(self.device)
        cos_M1R, sin_M1R = self.cos_CR[positions_M][:, None], self.sin_CR[positions_M][:, None]
        places_M = (positions_M - self.start_S[:rows]).clamp_(min=0)
        cells_MK = self.rows_SK[:rows] * self.capacity + places_M[:, None]
        hidden_MT = self.positions_C[: round_up(int(places_M.max()) + 1, self.least)] > places_M[:, None]
        bias_MT = torch.zeros(hidden_MT.shape, device=self.device).masked_fill_(hidden_MT, float("-inf"))
        bias_R1T = bias_MT.repeat_interleave(self.kv_heads, 0)[:, None]
        layout = self.blocks.layout(rows)
        x_MD = self.embed.weight[tokens_M]
        for index, layer in enumerate(self.layers):
            qk_MXE, v_MKE = self.project(layer, x_MD, cos_M1R, sin_M1R)
            keys_RCE, values_RCE = self.cache_L2RCE[index, 0], self.cache_L2RCE[index, 1]
            self._store(keys_RCE, cells_MK, qk_MXE[:, self.heads :])
            self._store(values_RCE, cells_MK, v_MKE)
            mixed_MX = self._attend(index, qk_MXE[:, : self.heads], layout, bias_R1T)
            x_MD = self.finish(layer, x_MD, mixed_MX)
        return _product(self._norm(x_MD, self.norm_D), self.head_VD)

    def _attend(
        self, index: int, q_MHE: torch.Tensor, layout: Layout, bias_R1T: torch.Tensor
    ) -> torch.Tensor:
        """Attention of every row over its block's context and its own new tokens: (M, H * E)."""
        rows, length = len(q_MHE), bias_R1T.shape[2]
        used = rows * self.kv_heads
        keys_RTE, values_RTE = self.cache_L2RCE[index, :, :used, :length]
        context_2APE = self.blocks.kv_L2BKPE[index, :, : layout.used].flatten(1, 2)
        q_RGE = q_MHE.reshape(used, self.groups, self.head_dim)
        before_AYP = torch.baddbmm(
            layout.bias_A1P,
            self._to_lanes(q_RGE, layout),
            context_2APE[0].transpose(1, 2),
            alpha=self.scale,
        )
        own_RGT = torch.baddbmm(bias_R1T, q_RGE, keys_RTE.transpose(1, 2), alpha=self.scale)
        before_RGP = self._to_rows(before_AYP, layout)
        probs_RGW = torch.softmax(torch.cat((before_RGP, own_RGT), dim=-1), dim=-1)
        padded = before_RGP.shape[-1]
        mixed_AYE = torch.bmm(self._to_lanes(probs_RGW[..., :padded], layout), context_2APE[1])
        mixed_RGE = torch.baddbmm(self._to_rows(mixed_AYE, layout), probs_RGW[..., padded:], values_RTE)
        return mixed_RGE.view(rows, -1)

    def _to_lanes(self, x_RGZ: torch.Tensor, layout: Layout) -> torch.Tensor:
        """From rows to blocks: (B * K, X * G, Z)."""
        x_MKGZ = x_RGZ.view(-1, self.kv_heads, self.groups, x_RGZ.shape[-1])
        x_BKXGZ = x_MKGZ[layout.members_BX].transpose(1, 2)
        return x_BKXGZ.reshape(-1, LANES * self.groups, x_RGZ.shape[-1])

    def _to_rows(self, x_AYZ: torch.Tensor, layout: Layout) -> torch.Tensor:
        """From blocks to rows: (R, G, Z)."""
        x_BKXGZ = x_AYZ.view(-1, self.kv_heads, LANES, self.groups, x_AYZ.shape[-1])
        block_M, lane_M = layout.seats_M // LANES, layout.seats_M % LANES
        return x_BKXGZ[block_M, :, lane_M].reshape(-1, self.groups, x_AYZ.shape[-1])

    def _prefill_batch(self, contexts: Sequence[tuple[int, ...]], padded: int) -> torch.Tensor:
        count = len(contexts)
        ids_NP = torch.zeros((count, padded), dtype=torch.int64)
        for row, ids in enumerate(contexts):
            ids_NP[row, : len(ids)] = torch.tensor(ids)
        cos_A1R = self.cos_CR[:padded].repeat(count, 1)[:, None]
        sin_A1R = self.sin_CR[:padded].repeat(count, 1)[:, None]
        places = self.positions_C[:padded]
        causal_PP = torch.zeros((padded, padded), device=self.device)
        causal_PP.masked_fill_(places > places[:, None], float("-inf"))
        bias_1QP = causal_PP.repeat(self.groups, 1)[None]
        kv_L2NKPE = torch.empty(
            (len(self.layers), 2, count, self.kv_heads, padded, self.head_dim), device=self.device
        )
        x_AD = self.embed.weight[ids_NP.view(-1).to(self.device)]
        for index, layer in enumerate(self.layers):
            qk_AXE, v_AKE = self.project(layer, x_AD, cos_A1R, sin_A1R)
            kv_L2NKPE[index, 0] = self.by_head(qk_AXE[:, self.heads :], count)
            kv_L2NKPE[index, 1] = self.by_head(v_AKE, count)
            if index < len(self.layers) - 1:  # nothing reads the last layer's output
                mixed_AX = self._attend_causal(qk_AXE[:, : self.heads], kv_L2NKPE[index], bias_1QP)
                x_AD = self.finish(layer, x_AD, mixed_AX)
        return kv_L2NKPE

    def _attend_causal(
        self, q_AHE: torch.Tensor, kv_2NKPE: torch.Tensor, bias_1QP: torch.Tensor
    ) -> torch.Tensor:
        _, count, kv_heads, padded, size = kv_2NKPE.shape
        q_NPKGE = q_AHE.reshape(count, padded, kv_heads, self.groups, size)
        q_RQE = q_NPKGE.permute(0, 2, 3, 1, 4).reshape(count * kv_heads, self.groups * padded, size)
        keys_RPE, values_RPE = kv_2NKPE.reshape(2, count * kv_heads, padded, size)
        scores_RQP = torch.baddbmm(bias_1QP, q_RQE, keys_RPE.transpose(1, 2), alpha=self.scale)
        mixed_RQE = torch.bmm(torch.softmax(scores_RQP, dim=-1), values_RPE)
        mixed_NKGPE = mixed_RQE.view(count, kv_heads, self.groups, padded, size)
        return mixed_NKGPE.permute(0, 3, 1, 2, 4).reshape(count * padded, -1)

    def project(
        self, layer: Layer, x_AD: torch.Tensor, cos_A1R: torch.Tensor, sin_A1R: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotated queries and keys (A, H + K, E) and values (A, K, E) of one layer."""
        qkv_AX = _linear(self._norm(x_AD, layer.norm_D), layer.qkv)
        qkv_AXE = qkv_AX.view(len(x_AD), -1, self.head_dim)
        split = self.heads + self.kv_heads
        return _rotate(qkv_AXE[:, :split], cos_A1R, sin_A1R), qkv_AXE[:, split:]

    def finish(self, layer: Layer, x_AD: torch.Tensor, mixed_AX: torch.Tensor) -> torch.Tensor:
        """The rest of a layer after its attention: (A, D)."""
        x_AD = _add_product(x_AD, mixed_AX, layer.out_DX)
        normed_AD = self._norm(x_AD, layer.norm_after_D)
        halves = [_product(normed_AD, weight) for weight in layer.gate_up]
        gate_AF, up_AF = halves if len(halves) == 2 else halves[0].chunk(2, dim=-1)
        return _add_product(x_AD, F.silu(gate_AF).mul_(up_AF), layer.down_DF)

    def _norm(self, x_AD: torch.Tensor, weight_D: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x_AD, weight_D.shape, weight_D, self.eps)

    def by_head(self, x_AKE: torch.Tensor, count: int) -> torch.Tensor:
        """From tokens to rows and heads: (N, K, P, E)."""
        return x_AKE.reshape(count, -1, self.kv_heads, self.head_dim).transpose(1, 2)

    def _store(self, cache_RCE: torch.Tensor, cells_MK: torch.Tensor, new_MKE: torch.Tensor) -> None:
        flat = cache_RCE.view(-1, self.head_dim)
        flat.index_copy_(0, cells_MK.view(-1), new_MKE.reshape(-1, self.head_dim))


def _parts(module: Any, whole: str, parts: tuple[str, ...], kind: torch.dtype) -> tuple[torch.Tensor, ...]:
    names = (whole,) if hasattr(module, whole) else parts
    return tuple(getattr(module, name).weight.to(kind) for name in names)


def _linear(x_AD: torch.Tensor, weights: tuple[torch.Tensor, ...]) -> torch.Tensor:
    parts = [_product(x_AD, weight) for weight in weights]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def _product(x_AD: torch.Tensor, weight_XD: torch.Tensor) -> torch.Tensor:
    """Product with a weight, in its precision: (A, X) in float32."""
    return F.linear(x_AD.to(weight_XD.dtype), weight_XD).float()


def _add_product(sum_AX: torch.Tensor, x_AD: torch.Tensor, weight_XD: torch.Tensor) -> torch.Tensor:
    """A product with a weight, added to what is there."""
    if weight_XD.dtype == torch.float32:
        return torch.addmm(sum_AX, x_AD, weight_XD.t())
    return sum_AX + _product(x_AD, weight_XD)


def _rope_tables(model: Any, capacity: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines (C, rotated size) from the model's own rotary module, any RoPE base or share."""
    device = model.model.embed_tokens.weight.device
    positions_1C = torch.arange(capacity, device=device)[None]
    cos_1CR, sin_1CR = model.model.rotary_emb(torch.zeros(1, device=device), positions_1C)
    return cos_1CR[0].contiguous(), sin_1CR[0].contiguous()


def _rotate(x_AXE: torch.Tensor, cos_A1R: torch.Tensor, sin_A1R: torch.Tensor) -> torch.Tensor:
    """Rotate the first R of E features of every head; the rest pass through (partial RoPE)."""
    size = cos_A1R.shape[-1]
    half = size // 2
    out_AXE = x_AXE.clone() if size < x_AXE.shape[-1] else torch.empty_like(x_AXE)
    torch.mul(x_AXE[..., :size], cos_A1R, out=out_AXE[..., :size])
    out_AXE[..., :half].addcmul_(x_AXE[..., half:size], sin_A1R[..., :half], value=-1)
    out_AXE[..., half:size].addcmul_(x_AXE[..., :half], sin_A1R[..., half:])
    return out_AXE
