"""Cut work into forward passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def fill(items: Sequence[Item], sizes: Sequence[int], room: int) -> list[list[Item]]:
    """Cut items into consecutive groups of at most `room` tokens; a larger item is a group of its own."""
    groups: list[list[Item]] = []
    left = 0
    for item, size in zip(items, sizes, strict=True):
        if not groups or size > left:
            groups.append([])
            left = room
        groups[-1].append(item)
        left -= size
    return groups
