"""A claim's figure: every statement's value with its interval, and where it should lie, as an SVG.

Markdown shows pictures and no plotly; an interval a line needs little more than lines and text.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from html import escape

from trivium.claims.results import Finding
from trivium.report.charts import PALETTE

COLOURS = {"holds": "#009e73", "fails": PALETTE[5], "undecided": "#777777"}
"""Verdict -> colour; Okabe and Ito's, told apart with colour-vision deficiencies too."""
AXES = {
    "points": (100.0, "points"),
    "percent": (100.0, "per cent"),
    "share": (1.0, "share"),
    "count": (1.0, "number"),
}
"""Unit -> scale and title of the axis."""
LEFT, WIDTH, RIGHT, LINE, HEAD, FOOT = 470, 340, 20, 24, 14, 46
"""Pixels: text, plot, margin, one line of text, above and below a panel."""
LONGEST = 74
"""Characters of a line of text."""
SECOND = 14
"""Pixels that a second line of text adds."""


def figure(found: Sequence[Finding]) -> str:
    """Return an SVG: one panel a unit, one line a statement; the tick is what the statement asks for."""
    units = list(dict.fromkeys(row.unit for row in found))
    body: list[str] = []
    top = 0
    for unit in units:
        rows = [row for row in found if row.unit == unit]
        body += panel(rows, top)
        top += HEAD + sum(heights(rows)) + FOOT
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{top}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
            f'<rect {size} fill="white"/>',
            *body,
            "</svg>\n",
        ]
    )


def panel(rows: Sequence[Finding], top: int) -> list[str]:
    """Return the lines and the axis of the statements of one unit; what has no bound ends at the edge."""
    scale, title = AXES[rows[0].unit]
    numbers = [number for row in rows for number in (row.low, row.value, row.high, row.threshold)]
    ends = [scale * number for number in numbers if math.isfinite(number)]
    ticks = ticks_of(min(*ends, 0.0), max(*ends, 0.0))
    low, high = ticks[0], ticks[-1]

    def at(value: float) -> float:
        return LEFT + WIDTH * (min(max(value, low), high) - low) / (high - low)

    bottom = top + HEAD + sum(heights(rows))
    body = []
    for tick in ticks:
        body.append(_stroke(at(tick), top + HEAD, at(tick), bottom, "#dddddd", 1))
        body.append(_text(at(tick), bottom + 16, f"{tick:g}", "middle"))
    body.append(_text(LEFT + WIDTH / 2, bottom + 34, title, "middle"))
    above = float(top + HEAD)
    for row, label, height in zip(rows, labels(rows), heights(rows), strict=True):
        y, above = above + height / 2, above + height
        colour = COLOURS[row.verdict]
        wanted = at(scale * row.threshold)
        first = y + 4 - SECOND * (len(label) - 1) / 2
        body += [_text(LEFT - 10, first + SECOND * n, line, "end") for n, line in enumerate(label)]
        body.append(_stroke(wanted, y - 9, wanted, y + 9, "#333333", 2))
        body.append(_stroke(at(scale * row.low), y, at(scale * row.high), y, colour, 3))
        body.append(f'<circle cx="{at(scale * row.value):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
    return body


def ticks_of(low: float, high: float) -> list[float]:
    """Return three to eight round numbers that hold both ends.

    >>> ticks_of(-3.0, 11.0)
    [-5.0, 0.0, 5.0, 10.0, 15.0]
    """
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * times for times in (1, 2, 5, 10, 20) if span / (power * times) <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def labels(rows: Sequence[Finding]) -> list[list[str]]:
    """Return every statement as one or two lines, with what was measured where it stands more than once."""
    times = Counter(row.statement for row in rows)
    texts = [row.statement if times[row.statement] == 1 else f"{row.statement}, {row.metric}" for row in rows]
    return [textwrap.wrap(text, LONGEST, max_lines=2, placeholder="...") for text in texts]


def heights(rows: Sequence[Finding]) -> list[int]:
    """Return the pixels of every statement."""
    return [LINE + SECOND * (len(label) - 1) for label in labels(rows)]


def _stroke(x0: float, y0: float, x1: float, y1: float, colour: str, width: int) -> str:
    ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222">{escape(text)}</text>'
