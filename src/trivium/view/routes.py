"""One table from address to page. What is not in it does not exist: no path of a request meets the disk."""

from __future__ import annotations

import functools
import mimetypes
from collections.abc import Callable
from pathlib import Path

from trivium.report.page import TEMPLATES as REPORT_TEMPLATES
from trivium.report.page import plotly_source
from trivium.view.pages import chat, data, evaluation, mixture, pivots, review, run, trace
from trivium.view.query import Query
from trivium.view.site import Site

Work = Callable[[Site, Query], str]

PAGES: dict[str, Work] = {
    "/": run.show,
    "/data": data.show,
    "/row": data.show_row,
    "/trace": trace.show,
    "/pivots": pivots.show,
    "/evaluation": evaluation.show,
    "/mixture": mixture.show,
    "/chat": chat.show,
    "/review": review.show,
}
FILES: dict[str, Work] = {"/rows.jsonl": data.take}
"""What a browser saves rather than shows."""
ACTIONS: dict[str, Work] = {"/chat": chat.answer, "/review": review.label}
"""What a POST may do; only `review` writes, to the run's own labels.jsonl."""

STATIC_PREFIX = "/static/"
STATIC = Path(__file__).parent / "static"
PLOTLY = "plotly.js"


def static_file(name: str) -> tuple[bytes, str] | None:
    """Return the body and kind of a shipped file by its bare name; None for any other name."""
    if name == PLOTLY:
        return _plotly(), "text/javascript"
    path = shipped().get(name)
    if path is None:
        return None
    return path.read_bytes(), mimetypes.guess_type(name)[0] or "application/octet-stream"


@functools.cache
def shipped() -> dict[str, Path]:
    """Return bare name -> file of our scripts and styles."""
    files = [*STATIC.glob("*.js"), *STATIC.glob("*.css"), REPORT_TEMPLATES / "report.css"]
    return {path.name: path for path in files}


@functools.cache
def _plotly() -> bytes:
    return plotly_source().encode()
