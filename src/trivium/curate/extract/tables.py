"""Tables: those that hold data become Markdown, those that lay out a page are walked like the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turbohtml import Element

MAX_CELL_CHARS = 600
"""A table with a longer cell lays out a page."""
MAX_COLUMNS = 60
MAX_SPAN = 50
"""Wider and higher spans are cut to this."""
LAYOUT_ROLE = frozenset(("presentation", "none"))
BLOCKS_INSIDE = "pre, h1, h2, h3, form, article, section, p + p + p, table"
DATA_NAMES = re.compile(r"wikitable|datatable|data-table|tabular|infobox", re.IGNORECASE)

Reader = Callable[["Element"], str]


def markdown_table(node: Element, read: Reader) -> str:
    """Return a data table as Markdown; "" for a table that lays out a page.

    Args:
        node: A <table>.
        read: Returns the text of a cell on one line.
    """
    if (node.attr("role") or "") in LAYOUT_ROLE or node.select_one(BLOCKS_INSIDE) is not None:
        return ""
    grid = _grid(node, read)
    width = max(map(len, grid), default=0)
    lengths = [len(cell) for row in grid for cell in row]
    if width < 2 or width > MAX_COLUMNS or len(grid) < 2 or max(lengths) > MAX_CELL_CHARS:
        return ""
    if not _holds_data(node, grid, width):
        return ""
    return _spell([row + [""] * (width - len(row)) for row in grid])


def _holds_data(node: Element, grid: list[list[str]], width: int) -> bool:
    """Tell data from layout: head cells, a caption or a border, or several rows of short cells."""
    if node.find("th") is not None or node.find("caption") is not None or (node.attr("border") or "0") != "0":
        return True
    if DATA_NAMES.search(node.attr("class") or ""):
        return True
    filled = sum(bool(cell) for row in grid for cell in row)
    return filled >= 0.5 * width * len(grid) and sum(len(c) for row in grid for c in row) <= 120 * filled


def _grid(node: Element, read: Reader) -> list[list[str]]:
    """Return the cells row by row; a cell that spans rows or columns leaves the others empty."""
    from turbohtml import Element as ElementClass

    grid: list[list[str]] = []
    below: dict[int, int] = {}
    for row in node.find_all("tr"):
        cells: list[str] = []
        for cell in row.children:
            if not isinstance(cell, ElementClass) or cell.tag not in ("td", "th"):
                continue
            _skip_spanned(cells, below)
            column, wide, high = len(cells), _span(cell, "colspan"), _span(cell, "rowspan")
            cells += [read(cell), *[""] * (wide - 1)]
            if high > 1:
                below.update(dict.fromkeys(range(column, column + wide), high - 1))
        _skip_spanned(cells, below)
        if any(cells):
            grid.append(cells)
    return grid


def _skip_spanned(cells: list[str], below: dict[int, int]) -> None:
    while below.get(len(cells), 0) > 0:
        below[len(cells)] -= 1
        cells.append("")


def _span(cell: Element, name: str) -> int:
    value = cell.attr(name) or "1"
    return max(1, min(MAX_SPAN, int(value))) if value.isdecimal() and len(value) < 6 else 1


def _spell(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])
