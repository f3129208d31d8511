"""What follows a shared context, read in one pass: the rest of a prompt, many tokens of some rows at once.

Rows of one block continue one context, so their queries meet its keys in one product; each row's own tokens
see those before them. Tails go together only with tails of their own padded length, so that what a row gets
hangs on no other row (see decode_lean).

Shapes: N rows, T padded length of their tails, A = N * T, H query heads, K key-value heads, G = H / K, Q =
G * T, R = N * K, P padded length of the context, E head size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from trivium.models.decode_blocks import LANES

if TYPE_CHECKING:
    from trivium.models.decode_lean import LeanDecoder


def read_tails(
    decoder: LeanDecoder, tails: Mapping[int, tuple[int, ...]], lengths: Mapping[int, int]
) -> None:
    """Read the next ids of slots that have just been given a context.

    Args:
        decoder: Its slots and blocks.
        tails: Slot -> the ids after its context, at least one.
        lengths: Slot -> the padded length of its tail.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for slot in tails:
        groups.setdefault((decoder.blocks.seat[slot] // LANES, lengths[slot]), []).append(slot)
    for (block, padded), slots in groups.items():
        _read_group(decoder, block, slots, [tails[slot] for slot in slots], padded)


def _read_group(
    decoder: LeanDecoder, block: int, slots: Sequence[int], tails: Sequence[tuple[int, ...]], padded: int
) -> None:
    count, start = len(slots), decoder.blocks.lengths[block]
    ids_NT = torch.zeros((count, padded), dtype=torch.int64)
    for row, ids in enumerate(tails):
        ids_NT[row, : len(ids)] = torch.tensor(ids)
    places_T = (decoder.positions_C[:padded] + start).clamp_(max=len(decoder.positions_C) - 1)
    cos_A1R = decoder.cos_CR[places_T].repeat(count, 1)[:, None]
    sin_A1R = decoder.sin_CR[places_T].repeat(count, 1)[:, None]
    own = decoder.positions_C[:padded]
    bias_TT = torch.zeros((padded, padded), device=decoder.device)
    bias_TT.masked_fill_(own > own[:, None], float("-inf"))
    bias_1QT = bias_TT.repeat(decoder.groups, 1)[None]
    bias_11P = torch.zeros((1, 1, decoder.blocks.longest), device=decoder.device)
    bias_11P[..., start:] = float("-inf")
    x_AD = decoder.embed.weight[ids_NT.view(-1).to(decoder.device)]
    for index, layer in enumerate(decoder.layers):
        qk_AXE, v_AKE = decoder.project(layer, x_AD, cos_A1R, sin_A1R)
        keys_NKTE = decoder.by_head(qk_AXE[:, decoder.heads :], count)
        values_NKTE = decoder.by_head(v_AKE, count)
        _keep(decoder, index, slots, tails, (keys_NKTE, values_NKTE))
        if index < len(decoder.layers) - 1:  # nothing reads the last layer's output
            context_2KPE = decoder.blocks.kv_L2BKPE[index, :, block]
            mixed_AX = _attend(
                decoder,
                qk_AXE[:, : decoder.heads],
                context_2KPE,
                (keys_NKTE, values_NKTE),
                bias_11P,
                bias_1QT,
            )
            x_AD = decoder.finish(layer, x_AD, mixed_AX)


def _keep(
    decoder: LeanDecoder,
    index: int,
    slots: Sequence[int],
    tails: Sequence[tuple[int, ...]],
    kv_NKTE: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Write the keys and values of the tails' own ids, without padding."""
    cache_2SKCE = decoder.cache_L2RCE[index].view(
        2, decoder.slots, decoder.kv_heads, decoder.capacity, decoder.head_dim
    )
    for row, (slot, ids) in enumerate(zip(slots, tails, strict=True)):
        for side, new_NKTE in enumerate(kv_NKTE):
            cache_2SKCE[side, slot, :, : len(ids)] = new_NKTE[row, :, : len(ids)]


def _attend(
    decoder: LeanDecoder,
    q_AHE: torch.Tensor,
    context_2KPE: torch.Tensor,
    kv_NKTE: tuple[torch.Tensor, torch.Tensor],
    bias_11P: torch.Tensor,
    bias_1QT: torch.Tensor,
) -> torch.Tensor:
    """Attention of every tail over the block's context and its own tokens: (A, H * E)."""
    count, kv_heads, padded, size = kv_NKTE[0].shape
    queries = decoder.groups * padded
    q_NTKGE = q_AHE.reshape(count, padded, kv_heads, decoder.groups, size)
    q_KNQE = q_NTKGE.permute(2, 0, 3, 1, 4).reshape(kv_heads, count, queries, size)
    before_KZP = torch.baddbmm(
        bias_11P, q_KNQE.view(kv_heads, -1, size), context_2KPE[0].transpose(1, 2), alpha=decoder.scale
    )
    q_RQE = q_KNQE.transpose(0, 1).reshape(-1, queries, size)
    keys_RTE, values_RTE = (side.reshape(-1, padded, size) for side in kv_NKTE)
    own_RQT = torch.baddbmm(bias_1QT, q_RQE, keys_RTE.transpose(1, 2), alpha=decoder.scale)
    length = before_KZP.shape[-1]
    before_RQP = (
        before_KZP.view(kv_heads, count, queries, length).transpose(0, 1).reshape(-1, queries, length)
    )
    probs_RQW = torch.softmax(torch.cat((before_RQP, own_RQT), dim=-1), dim=-1)
    probs_NKQP = probs_RQW[..., :length].view(count, kv_heads, queries, length)
    mixed_KZE = torch.bmm(probs_NKQP.transpose(0, 1).reshape(kv_heads, -1, length), context_2KPE[1])
    mixed_RQE = mixed_KZE.view(kv_heads, count, queries, size).transpose(0, 1).reshape(-1, queries, size)
    mixed_RQE = torch.baddbmm(mixed_RQE, probs_RQW[..., length:], values_RTE)
    mixed_NKGTE = mixed_RQE.view(count, kv_heads, decoder.groups, padded, size)
    return mixed_NKGTE.permute(0, 3, 1, 2, 4).reshape(count * padded, -1)
