"""Templates: HTML is escaped everywhere, and every text is made inert before it is printed."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from trivium.inert import finalize, inert
from trivium.report.page import TEMPLATES as REPORT_TEMPLATES
from trivium.report.page import number, percent, safe_json
from trivium.view.site import Site

TEMPLATES = Path(__file__).parent / "templates"

NAVIGATION = (
    ("/", "Run", "r"),
    ("/data", "Data", "d"),
    ("/trace", "Trace", "t"),
    ("/pivots", "Pivots", "p"),
    ("/evaluation", "Evaluation", "e"),
    ("/mixture", "Mixture", "m"),
    ("/chat", "Chat", "c"),
    ("/review", "Review", "l"),
)
"""Address, title, and the key that follows `g`."""


@functools.cache
def environment() -> Environment:
    """Return the templates of the workbench and of the report, which share their parts."""
    made = Environment(
        loader=FileSystemLoader([TEMPLATES, REPORT_TEMPLATES]),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "percent": percent, "duration": duration, "short": short, "cell": cell}
    return made


def page(site: Site, template: str, address: str, title: str, **content: Any) -> str:
    """Return a page with the frame around it."""
    return environment().get_template(template).render(
        site=site, title=title, address=address, navigation=NAVIGATION, **content
    )  # fmt: skip


def part(template: str, **content: Any) -> str:
    """Return a fragment that a script puts into a page."""
    return environment().get_template(template).render(**content)


def error_page(title: str, sentence: str, *, part: bool = False) -> str:
    """Return a page, or a fragment, with one sentence."""
    template = "error_part.html" if part else "error.html"
    return environment().get_template(template).render(title=title, sentence=sentence)


def embedded(value: Any) -> Markup:
    """Return JSON for a data element (`<script type="application/json">`), whatever text it holds."""
    return Markup(safe_json(value))


def duration(seconds: float | None) -> str:
    """Write a time span shortly: 8 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 9.95 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def short(text: str, width: int = 160) -> str:
    """Return one line of at most `width` characters, dots where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}..."


def cell(value: Any) -> str:
    """Write a value of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15
        return f"{value:,.0f}" if whole or abs(value) >= 1e6 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return inert(", ".join(str(item) for item in value))
    return inert(value if isinstance(value, str) else json.dumps(value, default=str))
