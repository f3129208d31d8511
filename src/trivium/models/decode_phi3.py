"""A lean decoding step over the weights of a `Phi3ForCausalLM`.

The Hugging Face forward spends most of a small model's step outside its matrix products and copies the
whole cache for every token. Here the cache is one preallocated block and a step is a dozen calls a layer.

What one row gets is bit for bit the same whatever else is in the batch. MKL's products keep to that as long
as their sizes stay away from its special cases for small ones (measured; the seed-for-seed test holds it to
that), so rows come in multiples of 16, the attended length is at least 64, and a context is prefilled with
contexts of its own padded length only.

Shapes: L layers, S slots (rows of the cache), M rows of a step (the first M slots), N contexts, P their
padded length, T attended length, C capacity, H query heads, K key-value heads, G = H / K, E head size,
D hidden size, V vocabulary, A = N * P.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from transformers import Phi3ForCausalLM

GRAIN = 16
"""Rows and lengths are rounded up to this."""

SHORTEST = 64
"""Least attended length of a step."""

PREFILL_TOKENS = 4096
"""Contexts are prefilled in batches of at most this many padded tokens."""


def supports(model: Any) -> bool:
    """Say whether this decoder computes what the model's own forward does."""
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        type(model).__name__ == "Phi3ForCausalLM"
        and rope.get("rope_type", "default") == "default"
        and config.hidden_act == "silu"
        and config.sliding_window is None
        and all(p.dtype == torch.float32 for p in model.parameters())
    )


def round_up(count: int) -> int:
    """Round up to a multiple of `GRAIN`."""
    return -(-count // GRAIN) * GRAIN


class Phi3Decoder:
    """Key-value cache of S slots and the step that extends the first M of them by one token each."""

    def __init__(self, model: Phi3ForCausalLM, slots: int, capacity: int) -> None:
        """Allocate the cache.

        Args:
            model: Float32 model with default RoPE.
            slots: Rows of the cache, a multiple of 16.
            capacity: Greatest number of tokens in a row.
        """
        config: Any = model.config
        self.layers: list[Any] = list(model.model.layers)
        self.embed, self.head = model.model.embed_tokens, model.lm_head
        self.norm_weight, self.eps = model.model.norm.weight, config.rms_norm_eps
        self.heads, self.kv_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        self.groups = self.heads // self.kv_heads
        self.head_dim = int(self.layers[0].self_attn.head_dim)
        self.scale = self.head_dim**-0.5
        self.slots, self.capacity = slots, max(round_up(capacity), SHORTEST)
        self.device = self.embed.weight.device
        self.cos_CR, self.sin_CR = _rope_tables(model, self.capacity)
        self.positions_C = torch.arange(self.capacity, device=self.device)
        self.rows_SK = torch.arange(slots * self.kv_heads, device=self.device).view(slots, self.kv_heads)
        shape = (len(self.layers), 2, slots * self.kv_heads, self.capacity, self.head_dim)
        self.cache_L2RCE = torch.zeros(shape, device=self.device)

    @staticmethod
    def bytes_per_token(model: Phi3ForCausalLM) -> int:
        """Bytes of cache that one token of one slot takes."""
        config: Any = model.config
        attention: Any = model.model.layers[0].self_attn
        head_dim = attention.head_dim
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
        """Copy the keys and values of one context to the start of each of these slots."""
        length = kv_L2KPE.shape[3]
        view = self.cache_L2RCE.view(
            *self.cache_L2RCE.shape[:2], self.slots, self.kv_heads, self.capacity, -1
        )
        for slot in slots:
            view[:, :, slot, :, :length] = kv_L2KPE

    def clear(self, slots: Sequence[int]) -> None:
        """Begin rows that have no context; nothing to do, positions say what is valid."""

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one slot over another."""
        view = self.cache_L2RCE.view(
            *self.cache_L2RCE.shape[:2], self.slots, self.kv_heads, self.capacity, -1
        )
        view[:, :, target, :, :length] = view[:, :, source, :, :length]

    def step(self, tokens_M: torch.Tensor, positions_M: torch.Tensor) -> torch.Tensor:
        """Feed one token to each of the first M slots, M a multiple of 16.

        Args:
            tokens_M: Token ids.
            positions_M: Where each token stands in its row; what stood there is overwritten.

        Returns:
            Logits (M, V) of the next token.
        """
        rows = len(tokens_M)
        length = max(round_up(int(positions_M.max()) + 1), SHORTEST)
        tokens_M, positions_M = tokens_M.to(self.device), positions_M.to(self.device)
        cos_M1R, sin_M1R = self.cos_CR[positions_M][:, None], self.sin_CR[positions_M][:, None]
        cells_MK = self.rows_SK[:rows] * self.capacity + positions_M[:, None]
        hidden_T = self.positions_C[:length] > positions_M[:, None]
        bias_MT = torch.zeros(hidden_T.shape, device=self.device).masked_fill_(hidden_T, float("-inf"))
        bias_R1T = bias_MT.repeat_interleave(self.kv_heads, 0)[:, None]
        x_MD = self.embed.weight[tokens_M]
        for index, layer in enumerate(self.layers):
            qk_MXE, v_MKE = self._project(layer, x_MD, cos_M1R, sin_M1R)
            keys_RCE, values_RCE = self.cache_L2RCE[index, 0], self.cache_L2RCE[index, 1]
            self._store(keys_RCE, cells_MK, qk_MXE[:, self.heads :])
            self._store(values_RCE, cells_MK, v_MKE)
            q_RGE = qk_MXE[:, : self.heads].reshape(-1, self.groups, self.head_dim)
            used = rows * self.kv_heads
            scores_RGT = torch.baddbmm(
                bias_R1T, q_RGE, keys_RCE[:used, :length].transpose(1, 2), alpha=self.scale
            )
            mixed_RGE = torch.bmm(torch.softmax(scores_RGT, dim=-1), values_RCE[:used, :length])
            x_MD = self._finish(layer, x_MD, mixed_RGE.view(rows, -1))
        return F.linear(self._norm(x_MD, self.norm_weight), self.head.weight)

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
            qk_AXE, v_AKE = self._project(layer, x_AD, cos_A1R, sin_A1R)
            kv_L2NKPE[index, 0] = self._by_head(qk_AXE[:, self.heads :], count)
            kv_L2NKPE[index, 1] = self._by_head(v_AKE, count)
            if index < len(self.layers) - 1:  # nothing reads the last layer's output
                mixed_AX = self._attend_causal(qk_AXE[:, : self.heads], kv_L2NKPE[index], bias_1QP)
                x_AD = self._finish(layer, x_AD, mixed_AX)
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

    def _project(
        self, layer: Any, x_AD: torch.Tensor, cos_A1R: torch.Tensor, sin_A1R: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotated queries and keys (A, H + K, E) and values (A, K, E) of one layer."""
        normed_AD = self._norm(x_AD, layer.input_layernorm.weight)
        qkv_AXE = F.linear(normed_AD, layer.self_attn.qkv_proj.weight).view(len(x_AD), -1, self.head_dim)
        split = self.heads + self.kv_heads
        return _rotate(qkv_AXE[:, :split], cos_A1R, sin_A1R), qkv_AXE[:, split:]

    def _finish(self, layer: Any, x_AD: torch.Tensor, mixed_AX: torch.Tensor) -> torch.Tensor:
        x_AD = torch.addmm(x_AD, mixed_AX, layer.self_attn.o_proj.weight.t())
        normed_AD = self._norm(x_AD, layer.post_attention_layernorm.weight)
        gate_AF, up_AF = F.linear(normed_AD, layer.mlp.gate_up_proj.weight).chunk(2, dim=-1)
        return torch.addmm(x_AD, F.silu(gate_AF).mul_(up_AF), layer.mlp.down_proj.weight.t())

    def _norm(self, x_AD: torch.Tensor, weight_D: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x_AD, weight_D.shape, weight_D, self.eps)

    def _by_head(self, x_AKE: torch.Tensor, count: int) -> torch.Tensor:
        return x_AKE.reshape(count, -1, self.kv_heads, self.head_dim).transpose(1, 2)

    def _store(self, cache_RCE: torch.Tensor, cells_MK: torch.Tensor, new_MKE: torch.Tensor) -> None:
        flat = cache_RCE.view(-1, self.head_dim)
        flat.index_copy_(0, cells_MK.view(-1), new_MKE.reshape(-1, self.head_dim))


def _rope_tables(model: Phi3ForCausalLM, capacity: int) -> tuple[torch.Tensor, torch.Tensor]:
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
