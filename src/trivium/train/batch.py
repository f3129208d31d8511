"""Rows as flat arrays: the documents of a micro-batch one after the other, without padding.

Shapes: N tokens of the micro-batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trivium.train.order import Order, Row


@dataclasses.dataclass(frozen=True, slots=True)
class FlatBatch:
    """Tokens to read and the tokens to say after each."""

    inputs_N: np.ndarray
    targets_N: np.ndarray
    weights_N: np.ndarray
    """1.0 where the target counts, else 0.0 (float32)."""
    groups_N: np.ndarray
    """Index of the source of every token."""
    lengths: tuple[int, ...]
    """Tokens of each piece; a token sees its own piece only."""

    def __len__(self) -> int:
        """Number of input tokens."""
        return len(self.inputs_N)


def flatten(order: Order, rows: Sequence[Row]) -> FlatBatch:
    """Read rows from their sources into one flat batch."""
    inputs, targets, weights, groups, lengths = [], [], [], [], []
    for row in rows:
        spans = zip(row.sources, row.documents, row.offsets, row.lengths, strict=True)
        for number, document, offset, length in spans:
            source = order.sources[number]
            first = int(source.starts[document] + offset)
            ids = source.ids[first : first + length + 1].astype(np.int64)
            inputs.append(ids[:-1])
            targets.append(ids[1:])
            weights.append(_weights(source.reply, first + 1, int(length)))
            groups.append(np.full(length, number, dtype=np.int64))
            lengths.append(int(length))
    return FlatBatch(
        np.concatenate(inputs),
        np.concatenate(targets),
        np.concatenate(weights),
        np.concatenate(groups),
        tuple(lengths),
    )


def _weights(reply: np.ndarray | None, first: int, length: int) -> np.ndarray:
    if reply is None:
        return np.ones(length, dtype=np.float32)
    return reply[first : first + length].astype(np.float32)
