"""Bits per byte of held-out rows, by source: how well a checkpoint predicts text like its training data.

Bytes rather than tokens, so that models with other tokenizers compare. The rows were set apart when the
training rows were tokenised; chats are left out, as base models never see their format.
"""

from __future__ import annotations

from collections.abc import Sequence

from trivium.evaluate.logs import ItemLog, Measure, within
from trivium.records import Example

NAME = "bits_per_byte"
MODE = "likelihood"


def usable(rows: Sequence[Example], most_bytes: int) -> list[Example]:
    """Take plain rows, source by source in the order of their ids, until a source has `most_bytes`."""
    taken: list[Example] = []
    bytes_so_far: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: (row.source, row.id)):
        if row.text and bytes_so_far.get(row.source, 0) < most_bytes:
            taken.append(row)
            bytes_so_far[row.source] = bytes_so_far.get(row.source, 0) + len(row.text.encode())
    return taken


def windows(ids: Sequence[int], size: int) -> list[list[int]]:
    """Cut a row into windows of at most `size` ids; they share one id, so every id but the first counts."""
    return [list(ids[start : start + size]) for start in range(0, max(1, len(ids) - 1), size - 1)]


def scored_bytes(text: str, offsets: Sequence[tuple[int, int]]) -> int:
    """Return the UTF-8 bytes after the first token, which nothing predicts (documents start without a mark).

    Args:
        text: The row.
        offsets: First and last-plus-one character of every token.
    """
    return len(text[offsets[0][1] :].encode())


def measures(logs: Sequence[ItemLog]) -> list[Measure]:
    """One number a source; the metric's name is the source's."""
    groups = sorted({log.group for log in logs})
    return [
        Measure(metric=group, mode=MODE, value_of=within(group, lambda log: log.value)) for group in groups
    ]
