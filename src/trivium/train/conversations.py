"""Conversations as ids, in the format of the model that is trained on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trivium.errors import DataError
from trivium.records import Drop, Example

if TYPE_CHECKING:
    from trivium.models.prompting import Encoder

Marked = tuple[list[int], list[bool]]
"""Ids of a document and which of them the model has to say."""


def encode_all(
    rows: Iterable[Example], encode: Encoder, step: str
) -> tuple[list[tuple[Example, Marked]], list[Drop]]:
    """Encode conversations; those that cannot be are left out, with the reason.

    Args:
        rows: With messages.
        encode: From `trivium.models.prompting.make_encoder`.
        step: Stage name for the drops.
    """
    found: list[tuple[Example, Marked]] = []
    drops: list[Drop] = []
    for row in rows:
        try:
            found.append((row, encode(row.messages)))
        except DataError as error:
            drops.append(
                Drop(id=row.id, step=step, reason="cannot be encoded", detail=str(error), source=row.source)
            )
    return found, drops
