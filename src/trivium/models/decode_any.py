"""Decoding through the forward of any Hugging Face causal model, with a cache that does not grow by copying.

All rows of the cache share their columns: a step appends one column to every row, a new context is written
so that it ends at the newest column, and columns that no row needs any more are given back. The attention
mask and the position ids tell the model which columns belong to a row.

Shapes: S slots, M rows of a step (the first M slots), N contexts, P their padded length, W columns in use,
K key-value heads, E head size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFILL_TOKENS = 4096
"""Contexts are prefilled in batches of at most this many padded tokens."""


class SlotLayer(DynamicLayer):
    """One layer's keys and values in preallocated blocks (S, K, columns, E)."""

    def __init__(self, slots: int, columns: int) -> None:
        """Remember the sizes; the blocks are made when the first keys show heads, type and device."""
        super().__init__()
        self.slots, self.columns = slots, columns
        self.rows = slots
        self.width = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Make the blocks."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = self._block(key_states)
        self.values = self._block(value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new columns in place and return everything the rows of this step may look at."""
        assert self.keys is not None and self.values is not None
        end = self.width + key_states.shape[2]
        self.keys[: self.rows, :, self.width : end] = key_states
        self.values[: self.rows, :, self.width : end] = value_states
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def get_seq_length(self) -> int:
        """Columns written before this step."""
        return self.width

    def _block(self, like: torch.Tensor) -> torch.Tensor:
        shape = (self.slots, like.shape[1], self.columns, like.shape[3])
        return torch.zeros(shape, dtype=like.dtype, device=like.device)


class AnyDecoder:
    """The same interface as `LeanDecoder`, for every architecture with an ordinary key-value cache."""

    def __init__(self, model: PreTrainedModel, slots: int, context: int, new: int) -> None:
        """Plan the cache.

        Args:
            model: Any causal model of transformers.
            slots: Rows of the cache.
            context: Greatest number of tokens in a context.
            new: Greatest number of tokens fed to a row after its context.
        """
        self.model, self.slots = model, slots
        self.columns = 2 * (context + new) + 2
        self.device = next(model.parameters()).device
        self.rows, self.width = slots, 0
        self.lengths = [0] * slots
        self.layers: list[SlotLayer] = []
        self.used_SW = torch.zeros((slots, self.columns), dtype=torch.int64)

    @staticmethod
    def bytes_per_token(model: PreTrainedModel) -> int:
        """Bytes of cache that one token of one slot takes, for the usual configuration names."""
        config: Any = model.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        width = next(model.parameters()).element_size()
        return int(2 * config.num_hidden_layers * 2 * heads * size * width)  # twice: spare columns

    def prefill(self, contexts: Sequence[tuple[int, ...]]) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
        """Keys and values of whole contexts: for each context and layer two tensors (K, n, E)."""
        found: list[list[tuple[torch.Tensor, torch.Tensor]]] = []
        start = 0
        while start < len(contexts):
            batch = contexts[start : start + max(1, PREFILL_TOKENS // len(contexts[start]))]
            found += self._prefill_batch(batch)
            start += len(batch)
        return found

    def place(self, kv: list[tuple[torch.Tensor, torch.Tensor]], slots: Sequence[int]) -> None:
        """Write one context into each of these slots so that it ends at the newest column."""
        length = kv[0][0].shape[1]
        self._make_layers(kv)
        self.clear(slots)
        if self.width + 1 >= self.columns:
            self._shift(self.width - max(self.lengths))
        if length > self.width:
            self._shift(self.width - length)
        begin = self.width - length
        for slot in slots:
            for layer, (keys_KnE, values_KnE) in zip(self.layers, kv, strict=True):
                assert layer.keys is not None and layer.values is not None
                layer.keys[slot, :, begin : self.width] = keys_KnE
                layer.values[slot, :, begin : self.width] = values_KnE
            self.used_SW[slot, begin : self.width] = 1
            self.lengths[slot] = length

    def clear(self, slots: Sequence[int]) -> None:
        """Begin rows that have no context."""
        for slot in slots:
            self.lengths[slot] = 0
            self.used_SW[slot] = 0

    def extend(self, tails: Mapping[int, tuple[int, ...]]) -> bool:
        """Nothing is read: rows share their columns, so what follows a context is fed step by step."""
        return False

    def move(self, source: int, target: int, length: int) -> None:
        """Copy one slot over another."""
        begin = self.width - length
        for layer in self.layers:
            assert layer.keys is not None and layer.values is not None
            layer.keys[target, :, begin : self.width] = layer.keys[source, :, begin : self.width]
            layer.values[target, :, begin : self.width] = layer.values[source, :, begin : self.width]
        self.used_SW[target] = self.used_SW[source]
        self.lengths[target] = self.lengths[source]

    def step(self, tokens_M: torch.Tensor, positions_M: torch.Tensor) -> torch.Tensor:
        """Feed one token to each of the first M slots and return the logits (M, V) of the next one."""
        rows = self.rows = len(tokens_M)
        if self.width + 1 > self.columns:
            self._shift(self.width - max(self.lengths[:rows]))
        self.used_SW[:rows, self.width] = 1
        for layer in self.layers:
            layer.rows, layer.width = rows, self.width
        output = self.model(
            input_ids=tokens_M.to(self.device)[:, None],
            attention_mask=self.used_SW[:rows, : self.width + 1].to(self.device),
            position_ids=positions_M.to(self.device)[:, None],
            past_key_values=self._cache(),
            use_cache=True,
        )
        self.width += 1
        for row in range(rows):
            self.lengths[row] = int(positions_M[row]) + 1
        return output.logits[:, -1].float()

    def _cache(self) -> Cache:
        if self.layers:
            return Cache(layers=list(self.layers))
        return Cache(layer_class_to_replicate=self._new_layer)  # type: ignore[arg-type]

    def _new_layer(self) -> SlotLayer:
        layer = SlotLayer(self.slots, self.columns)
        layer.rows, layer.width = self.rows, self.width
        self.layers.append(layer)
        return layer

    def _make_layers(self, kv: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        if self.layers:
            return
        for keys_KnE, values_KnE in kv:
            self._new_layer().lazy_initialization(keys_KnE[None], values_KnE[None])

    def _prefill_batch(
        self, contexts: Sequence[tuple[int, ...]]
    ) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
        padded = max(map(len, contexts))
        ids_NP = torch.zeros((len(contexts), padded), dtype=torch.int64)
        mask_NP = torch.zeros_like(ids_NP)
        for row, ids in enumerate(contexts):
            ids_NP[row, padded - len(ids) :] = torch.tensor(ids)
            mask_NP[row, padded - len(ids) :] = 1
        cache = DynamicCache()
        self.model(
            input_ids=ids_NP.to(self.device),
            attention_mask=mask_NP.to(self.device),
            position_ids=(mask_NP.cumsum(1) - 1).clamp_(min=0).to(self.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        layers: list[Any] = list(cache.layers)
        return [
            [
                (layer.keys[i, :, padded - len(ids) :], layer.values[i, :, padded - len(ids) :])
                for layer in layers
            ]
            for i, ids in enumerate(contexts)
        ]

    def _shift(self, columns: int) -> None:
        """Drop this many columns on the left, or make room there when negative."""
        if columns == 0:
            return
        width = self.width - columns
        assert 0 <= width < self.columns, "a row is longer than the capacity"
        source = slice(columns, self.width) if columns > 0 else slice(0, self.width)
        target = slice(0, width) if columns > 0 else slice(-columns, width)
        for layer in self.layers:
            for block in (layer.keys, layer.values):
                if block is not None:
                    block[:, :, target] = block[:, :, source].clone()
        moved_SW = self.used_SW[:, source].clone()
        self.used_SW.zero_()
        self.used_SW[:, target] = moved_SW
        self.width = width
