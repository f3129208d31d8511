"""Pack documents into rows of at most T tokens, best fit first, wasting as little of a row as possible.

A document is cut into pieces only when it is longer than a row. A piece of n tokens has n inputs and n
targets (the input's successors), so pieces of one document overlap by the token at the cut and every token
but a document's first is a target exactly once.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from trivium.train.hashing import permutation

WINDOW = 2048
"""Pieces packed together; rows stay near the order that the documents had."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pieces:
    """Spans of documents, in parallel arrays."""

    document: np.ndarray
    offset: np.ndarray
    """First input token within the document."""
    length: np.ndarray
    """Number of inputs, at least 1."""

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.document)


def cut(documents: np.ndarray, lengths: np.ndarray, row_tokens: int) -> Pieces:
    """Cut documents into pieces that fit a row, in order.

    Args:
        documents: Indices of the documents to take.
        lengths: Tokens of each of them.
        row_tokens: Inputs that a row holds.
    """
    inputs = np.maximum(lengths - 1, 0)
    counts = -(-inputs // row_tokens)
    document = np.repeat(documents, counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    offset = (np.arange(len(document)) - first) * row_tokens
    length = np.minimum(np.repeat(inputs, counts) - offset, row_tokens)
    return Pieces(document, offset, length)


def pack(pieces: Pieces, row_tokens: int, seed: int) -> list[np.ndarray]:
    """Group pieces into rows.

    Args:
        pieces: What to pack, in the order in which it should be trained on.
        row_tokens: Inputs that a row holds.
        seed: Of the order of the rows within a window.

    Returns:
        For every row the indices of its pieces.
    """
    rows: list[np.ndarray] = []
    for number, start in enumerate(range(0, len(pieces), WINDOW)):
        packed = best_fit(pieces.length[start : start + WINDOW], row_tokens)
        order = permutation(seed + number, len(packed))
        rows += [np.array(packed[i], dtype=np.int64) + start for i in order]
    return rows


def best_fit(lengths: np.ndarray, capacity: int) -> list[list[int]]:
    """Best-fit decreasing bin packing: indices per bin, no bin above the capacity.

    Bins are kept by the room they have left; `rooms` has bit n set when some bin has room n.
    """
    bins: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    rooms = 0
    for index in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[index])
        fitting = rooms >> length
        if fitting:
            room = length + ((fitting & -fitting).bit_length() - 1)
            chosen = by_room[room].pop()
            if not by_room[room]:
                rooms &= ~(1 << room)
            bins[chosen].append(index)
        else:
            room, chosen = capacity, len(bins)
            bins.append([index])
        by_room[room - length].append(chosen)
        rooms |= 1 << (room - length)
    return bins
