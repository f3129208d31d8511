"""The decoder blocks of Phi-3 with a hand-written backward pass: the numbers of transformers, in less time.

A small model on a CPU spends more time on memory traffic than on matrix products. Four things help: a batch
is one flat run of documents without padding, each document attends to itself only and in slices that skip
what causality hides, the gain of every RMSNorm is folded into the matrix behind it, and the logits of the
output head are never held at once. Matrix products, and what lies between two of them, may be in bfloat16
(Layout.dtype); the residual stream, norms, rotation, losses and the sums of gradients stay in float32.

Shapes: N tokens, D width, H query heads, K key heads, G = H/K, S head size, F feed-forward width,
V vocabulary, C query tokens in a slice, P key tokens in a slice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

ATTENTION_SLICE = 128
"""Query tokens a slice; longer documents are cut, shorter ones share a slice."""
TOKEN_SLICE = 512
"""Tokens a slice in the feed-forward layer and the output head, so that a slice stays in the L2 cache."""


@dataclasses.dataclass(frozen=True, slots=True)
class AttentionSlice:
    """Some queries, the keys they may see and the additive mask between them."""

    queries: slice
    keys: slice
    mask_C1P: Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What every layer of one forward pass shares."""

    heads: int
    kv_heads: int
    cos_NS: Tensor
    """Cosines of the rotation of every token, half a head wide."""
    sin_NS: Tensor
    slices: tuple[AttentionSlice, ...]
    eps: float
    dtype: torch.dtype
    """Of the operands of matrix products."""


def make_layout(
    lengths: Sequence[int],
    *,
    heads: int,
    kv_heads: int,
    head_size: int,
    theta: float,
    eps: float,
    dtype: torch.dtype = torch.float32,
) -> Layout:
    """Lay out a flat batch of documents; positions start at 0 in each.

    Args:
        lengths: Tokens of each document, in the order in which they follow each other.
        heads: Query heads.
        kv_heads: Key heads.
        head_size: Width of a head.
        theta: Base of the rotation.
        eps: Of the norms.
        dtype: Of the operands of matrix products: float32 or bfloat16.
    """
    positions_N = torch.cat([torch.arange(length) for length in lengths])
    steps = torch.arange(0, head_size, 2, dtype=torch.float32)
    angles = positions_N[:, None].float() * (1.0 / theta ** (steps / head_size))
    return Layout(heads, kv_heads, angles.cos(), angles.sin(), _cut(lengths, dtype), eps, dtype)


def _cut(lengths: Sequence[int], dtype: torch.dtype) -> tuple[AttentionSlice, ...]:
    """Cut documents into slices of at most ATTENTION_SLICE queries; short neighbours share one."""
    hidden = torch.finfo(dtype).min
    longest = max(max(lengths), ATTENTION_SLICE)
    causal = torch.full((min(longest, ATTENTION_SLICE), longest), hidden, dtype=dtype)
    found, start = [], 0
    for group in _neighbours(lengths):
        end = start + sum(group)
        for first in range(start, end, ATTENTION_SLICE):
            last = min(first + ATTENTION_SLICE, end)
            mask = torch.triu(causal[: last - first, : last - start], first - start + 1)
            _hide_other_documents(mask, group, hidden)
            found.append(AttentionSlice(slice(first, last), slice(start, last), mask[:, None, :]))
        start = end
    return tuple(found)


def _neighbours(lengths: Sequence[int]) -> list[list[int]]:
    """Join consecutive short documents while they fit into one slice."""
    groups: list[list[int]] = []
    for length in lengths:
        if groups and sum(groups[-1]) + length <= ATTENTION_SLICE:
            groups[-1].append(length)
        else:
            groups.append([length])
    return groups


def _hide_other_documents(mask_CP: Tensor, group: Sequence[int], hidden: float) -> None:
    start = 0
    for length in group[:-1]:
        mask_CP[start + length :, start : start + length] = hidden
        start += length


class AttentionBlock(torch.autograd.Function):
    """x + o_proj(attention(rope(qkv_proj(norm(x))))) for x of shape (N, D)."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, gain_D: Tensor, w_qkv: Tensor, w_o: Tensor, layout: Layout) -> Tensor:
        """Run the block and keep what the backward pass needs."""
        scale_N1 = _inverse_rms(x_ND, layout.eps)
        qkv = (x_ND * scale_N1).to(layout.dtype) @ (w_qkv * gain_D).to(layout.dtype).t()
        query, key, value = (part.to(layout.dtype) for part in _rotate_in(qkv.float(), layout))
        mixed, probs = _attend(query, key, value, layout)
        mixed_ND = mixed.view(layout.kv_heads, len(x_ND), -1).transpose(0, 1).reshape(len(x_ND), -1)
        ctx.save_for_backward(x_ND, scale_N1, gain_D, w_qkv, w_o, query, key, value, mixed_ND, *probs)
        ctx.layout = layout
        return _add_product(x_ND, mixed_ND, w_o.to(layout.dtype).t())

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:
        """Gradients of x, gain, w_qkv and w_o."""
        (grad_ND,) = grad_outputs
        x_ND, scale_N1, gain_D, w_qkv, w_o, query, key, value, mixed_ND, *probs = ctx.saved_tensors
        dtype = query.dtype
        d_out = grad_ND.to(dtype)
        d_w_o = (d_out.t() @ mixed_ND).float()
        d_mixed = (d_out @ w_o.to(dtype)).view(len(x_ND), len(key), -1).transpose(0, 1).reshape(query.shape)
        d_query, d_key, d_value = _attend_backward(d_mixed, query, key, value, probs, ctx.layout)
        d_qkv = _rotate_out(d_query.float(), d_key.float(), d_value, ctx.layout).to(dtype)
        normed_ND = x_ND * scale_N1
        d_folded = (d_qkv.t() @ normed_ND.to(dtype)).float()
        d_normed = (d_qkv @ (w_qkv * gain_D).to(dtype)).float()
        d_x = _norm_backward(d_normed, normed_ND, scale_N1).add_(grad_ND)
        return d_x, (d_folded * w_qkv).sum(0), d_folded * gain_D, d_w_o, None


class FeedForwardBlock(torch.autograd.Function):
    """x + down_proj(silu(gate) * up), gate and up from gate_up_proj(norm(x)); x of shape (N, D)."""

    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, gain_D: Tensor, w_gate_up: Tensor, w_down: Tensor, layout: Layout
    ) -> Tensor:
        """Run the block slice by slice."""
        scale_N1 = _inverse_rms(x_ND, layout.eps)
        folded, down = (w_gate_up * gain_D).to(layout.dtype).t(), w_down.to(layout.dtype).t()
        hidden = x_ND.new_empty(x_ND.shape[0], w_gate_up.shape[0], dtype=layout.dtype)
        out = torch.empty_like(x_ND)
        for rows in _slices(x_ND.shape[0]):
            torch.mm((x_ND[rows] * scale_N1[rows]).to(layout.dtype), folded, out=hidden[rows])
            gate, up = hidden[rows].chunk(2, dim=1)
            _add_product(x_ND[rows], functional.silu(gate).mul_(up), down, out=out[rows])
        ctx.save_for_backward(x_ND, scale_N1, gain_D, w_gate_up, w_down, hidden)
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:
        """Gradients of x, gain, w_gate_up and w_down."""
        (grad_ND,) = grad_outputs
        x_ND, scale_N1, gain_D, w_gate_up, w_down, hidden = ctx.saved_tensors
        dtype = hidden.dtype
        folded, down = (w_gate_up * gain_D).to(dtype), w_down.to(dtype)
        d_folded, d_down = torch.zeros_like(w_gate_up), torch.zeros_like(w_down)
        d_x = torch.empty_like(x_ND)
        for rows in _slices(x_ND.shape[0]):
            gate, up = hidden[rows].chunk(2, dim=1)
            active = functional.silu(gate)
            d_out = grad_ND[rows].to(dtype)
            d_product = d_out @ down
            _add_product(d_down, d_out.t(), active * up, out=d_down)
            d_hidden = torch.empty_like(hidden[rows])
            torch.mul(d_product, active, out=d_hidden[:, up.shape[1] :])
            torch.ops.aten.silu_backward.grad_input(
                d_product.mul_(up), gate, grad_input=d_hidden[:, : up.shape[1]]
            )
            normed = x_ND[rows] * scale_N1[rows]
            _add_product(d_folded, d_hidden.t(), normed.to(dtype), out=d_folded)
            d_normed = (d_hidden @ folded).float()
            d_x[rows] = _norm_backward(d_normed, normed, scale_N1[rows]).add_(grad_ND[rows])
        return d_x, (d_folded * w_gate_up).sum(0), d_folded * gain_D, d_down, None


class HeadLoss(torch.autograd.Function):
    """Weighted negative log-likelihood of targets under head(norm(x)), one value per token, and its gradient.

    The gradient is computed with the loss, slice by slice, so logits (N, V) never exist as a whole.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_ND: Tensor,
        gain_D: Tensor,
        w_head: Tensor,
        targets_N: Tensor,
        weights_N: Tensor,
        eps: float,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses (a scalar) and the unweighted loss of every token (N,)."""
        scale_N1 = _inverse_rms(x_ND, eps)
        folded = (w_head * gain_D).to(dtype)
        losses_N = x_ND.new_empty(x_ND.shape[0])
        d_x, d_folded = torch.empty_like(x_ND), torch.zeros_like(w_head)
        for rows in _slices(x_ND.shape[0]):
            normed = x_ND[rows] * scale_N1[rows]
            logits_CV = (normed.to(dtype) @ folded.t()).float()
            target_C1 = targets_N[rows, None]
            right_C1 = logits_CV.gather(1, target_C1)
            norm_C1, d_logits = _probabilities(logits_CV, fused=dtype != torch.float32)
            losses_N[rows] = (norm_C1 - right_C1)[:, 0]
            d_logits.scatter_add_(1, target_C1, d_logits.new_full(target_C1.shape, -1.0))
            d_logits = d_logits.mul_(weights_N[rows, None]).to(dtype)
            _add_product(d_folded, d_logits.t(), normed.to(dtype), out=d_folded)
            d_x[rows] = _norm_backward((d_logits @ folded).float(), normed, scale_N1[rows])
        ctx.save_for_backward(d_x, d_folded, gain_D, w_head)
        ctx.mark_non_differentiable(losses_N)
        return losses_N @ weights_N, losses_N

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:
        """Hand out the gradients made in the forward pass."""
        grad = grad_outputs[0]
        d_x, d_folded, gain_D, w_head = ctx.saved_tensors
        d_folded = d_folded * grad
        return d_x * grad, (d_folded * w_head).sum(0), d_folded * gain_D, None, None, None, None


def _slices(count: int) -> list[slice]:
    return [slice(start, min(start + TOKEN_SLICE, count)) for start in range(0, count, TOKEN_SLICE)]


def _add_product(x: Tensor, one: Tensor, two: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Add a product to x, in float32, whatever the factors are in."""
    if one.dtype == x.dtype:
        return torch.addmm(x, one, two, out=out)
    return torch.add(x, (one @ two).float(), out=out)


def _probabilities(logits_CV: Tensor, *, fused: bool) -> tuple[Tensor, Tensor]:
    """Logarithm of the normaliser (C, 1) and softmax (C, V); uses the logits up.

    Fused it takes less than half the time and rounds otherwise; recorded float32 results keep their bits.
    """
    if not fused:
        norm_C1 = logits_CV.logsumexp(1, keepdim=True)
        return norm_C1, logits_CV.sub_(norm_C1).exp_()
    probs_CV = logits_CV.softmax(1)
    return logits_CV.amax(1, keepdim=True) - probs_CV.amax(1, keepdim=True).log(), probs_CV


def _inverse_rms(x_ND: Tensor, eps: float) -> Tensor:
    norm_N1 = torch.linalg.vector_norm(x_ND, dim=1, keepdim=True)
    return norm_N1.square_().div_(x_ND.shape[1]).add_(eps).rsqrt_()


def _norm_backward(d_normed: Tensor, normed: Tensor, scale_N1: Tensor) -> Tensor:
    """Gradient through x -> x * scale(x), in place of `d_normed`."""
    inner_N1 = (d_normed * normed).mean(1, keepdim=True)
    return d_normed.addcmul_(normed, inner_N1, value=-1.0).mul_(scale_N1)


def _rotate_in(qkv: Tensor, layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """Split heads and rotate: query (K, N*G, S), scaled by 1/sqrt(S), key and value (K, N, S)."""
    heads, kv_heads = layout.heads, layout.kv_heads
    parts = qkv.unflatten(1, (heads + 2 * kv_heads, -1)).transpose(0, 1)  # (H + 2K, N, S)
    count, size, group = qkv.shape[0], parts.shape[-1], heads // kv_heads
    query, key = qkv.new_empty(kv_heads, count, group, size), qkv.new_empty(kv_heads, count, size)
    scale = size**-0.5
    source = parts[:heads].unflatten(0, (kv_heads, group)).transpose(1, 2)
    _rotate(source, query, (layout.cos_NS * scale)[:, None], (layout.sin_NS * scale)[:, None])
    _rotate(parts[heads : heads + kv_heads], key, layout.cos_NS, layout.sin_NS)
    return query.view(kv_heads, -1, size), key, parts[heads + kv_heads :].contiguous()


def _rotate_out(d_query: Tensor, d_key: Tensor, d_value: Tensor, layout: Layout) -> Tensor:
    """Inverse of `_rotate_in` for gradients: (N, (H + 2K) * S)."""
    heads, kv_heads = layout.heads, layout.kv_heads
    count, size, group = d_key.shape[1], d_key.shape[2], heads // kv_heads
    out = d_query.new_empty(count, heads + 2 * kv_heads, size)
    parts, scale = out.transpose(0, 1), size**-0.5
    target = parts[:heads].unflatten(0, (kv_heads, group)).transpose(1, 2)
    source = d_query.view(kv_heads, count, group, size)
    _rotate(source, target, (layout.cos_NS * scale)[:, None], (layout.sin_NS * -scale)[:, None])
    _rotate(d_key, parts[heads : heads + kv_heads], layout.cos_NS, -layout.sin_NS)
    parts[heads + kv_heads :] = d_value
    return out.view(count, -1)


def _rotate(source: Tensor, target: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Rotate the halves of the last axis of `source` into `target` (Phi-3 pairs dimension i with i + S/2)."""
    (first, second), (out_first, out_second) = source.chunk(2, -1), target.chunk(2, -1)
    torch.mul(first, cos, out=out_first).addcmul_(second, sin, value=-1.0)
    torch.mul(second, cos, out=out_second).addcmul_(first, sin)


def _attend(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> tuple[Tensor, list[Tensor]]:
    """Masked softmax attention; returns the mix (K, N*G, S) and each slice's probabilities (K, C*G, P)."""
    group = layout.heads // layout.kv_heads
    mixed, probs = torch.empty_like(query), []
    for part in layout.slices:
        rows = _rows(part, group)
        scores = torch.bmm(query[:, rows], key[:, part.keys].transpose(1, 2))
        scores.unflatten(1, (-1, group)).add_(part.mask_C1P)
        probs.append(torch.softmax(scores, -1))
        mixed[:, rows] = torch.bmm(probs[-1], value[:, part.keys])
    return mixed, probs


def _attend_backward(
    d_mixed: Tensor, query: Tensor, key: Tensor, value: Tensor, probs: list[Tensor], layout: Layout
) -> tuple[Tensor, Tensor, Tensor]:
    group = layout.heads // layout.kv_heads
    d_query, d_key, d_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
    for part, prob in zip(layout.slices, probs, strict=True):
        rows, keys = _rows(part, group), part.keys
        d_out = d_mixed[:, rows]
        d_value[:, keys] += torch.bmm(prob.transpose(1, 2), d_out)
        d_prob = torch.bmm(d_out, value[:, keys].transpose(1, 2))
        d_scores = torch.ops.aten._softmax_backward_data(d_prob, prob, -1, prob.dtype)
        d_query[:, rows] = torch.bmm(d_scores, key[:, keys])
        d_key[:, keys] += torch.bmm(d_scores.transpose(1, 2), query[:, rows])
    return d_query, d_key, d_value


def _rows(part: AttentionSlice, group: int) -> slice:
    return slice(part.queries.start * group, part.queries.stop * group)
