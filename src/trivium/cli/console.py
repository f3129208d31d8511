"""What the terminal shows: one console, one kind of table. Colour only on a terminal and without NO_COLOR."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 160
"""Columns where there is no terminal: wide enough that no table of ours is cut."""


def launcher() -> str:
    """Return what a person types to start us: the checkout's launcher, or the installed command."""
    from trivium.recipe import CHECKOUT

    return "./trivium" if (CHECKOUT / "trivium").is_file() else "trivium"


def console() -> Console:
    """Return a console on standard output; rich itself honours NO_COLOR and TERM=dumb."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(highlight=False, width=width, soft_wrap=False)


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table: bold headers, no frame.

    Args:
        headers: Column titles.
        rows: Cells; rich markup is not read, so any text is safe.
        numbers: Titles of the columns to align right.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, justify="right" if header in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=CELL_STYLES.get(cell, "")) for cell in row))
    console().print(table)


CELL_STYLES = {
    "done": "green",
    "ok": "green",
    "partial": "yellow",
    "out of date": "yellow",
    "missing": "yellow",
    "here": "green",
    "not here": "yellow",
    "wrong": "red",
    "waiting": "dim",
}
"""Words that carry a state and their colour."""


def say(text: str, style: str = "") -> None:
    """Print one line; markup in the text is not read."""
    console().print(text, style=style, markup=False)


def big(number: float) -> str:
    """Write a large number shortly: 14.66B, 290B, 10T, 5.4M, 812."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{trimmed(number / size)}{letter}"
    return trimmed(number)


def small(number: float) -> str:
    """Write a small setting shortly: 3e-4, 0.1, 0."""
    if not 0 < abs(number) < 1e-2:
        return f"{number:g}"
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def trimmed(number: float, digits: int = 2) -> str:
    """Write a number with at most `digits` decimals and no trailing zeros."""
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(value: Any) -> str:
    """Write a configuration value as it would be typed after --set."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
