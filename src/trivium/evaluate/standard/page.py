"""The page of an evaluation: its numbers, its comparisons and what exactly was run; one file, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from trivium.evaluate.standard.results import NUMBERS, PairRow, ResultRow

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .8rem;text-align:right;"
    "border-bottom:1px solid #d8dee4}th:first-child,td:first-child,.text{text-align:left}"
    "@media(prefers-color-scheme:dark){body{background:#0f1216;color:#d7dde4}th,td{border-color:#333a42}}"
)

NOTE = (
    "Intervals hold 95 % each, so of twenty true zeros one is expected to look like a difference; the last "
    "column corrects for all tasks compared here (Holm). Detectable: the least true difference that four of "
    "five such comparisons would show."
)


def number(value: float, metric: str) -> str:
    """Write a share in per cent, anything else as it is."""
    return f"{value:.3f}" if metric in NUMBERS else f"{100 * value:.1f}"


def grid(table: Sequence[ResultRow]) -> tuple[list[str], list[list[str]]]:
    """Lay the numbers out: a line for each task and metric, a column for each model."""
    models = list(dict.fromkeys(row.model for row in table))
    keys = list(dict.fromkeys((row.task, row.metric) for row in table))
    by = {(row.task, row.metric, row.model): row for row in table}
    lines = []
    for task, metric in keys:
        own = [by.get((task, metric, model)) for model in models]
        present = [row for row in own if row is not None]
        if metric in ("unparsed", "error") and not any(row.value for row in present):
            continue
        counts = f"{max(row.items for row in present):,}"
        lines.append([task, metric, *(_cell(row) for row in own), counts, str(present[0].samples)])
    return ["task", "metric", *models, "items", "samples"], lines


def pair_grid(pairs: Sequence[PairRow]) -> tuple[list[str], list[list[str]]]:
    """Lay the comparisons out."""
    lines = [
        [
            row.task,
            f"{row.after} - {row.before}",
            _interval(row),
            number(row.detectable, row.metric),
            f"{row.p:.3f}",
            f"{row.p_holm:.3f}",
            f"{row.items:,}",
        ]
        for row in pairs
    ]
    return ["task", "models", "difference", "detectable", "p", "p (Holm)", "items"], lines


def render(
    table: Sequence[ResultRow], pairs: Sequence[PairRow], versions: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the whole page."""
    parts = ["<h1>Evaluation</h1>", _table(*grid(table))]
    parts.append("<p>Shares in per cent with 95 % intervals.</p>")
    if pairs:
        parts += ["<h2>Differences, item by item</h2>", _table(*pair_grid(pairs)), f"<p>{NOTE}</p>"]
    lines = [
        [
            name,
            str(one["follows"]),
            ", ".join(f"{file} {digest[:12]}" for file, digest in one["files"].values()),
            f"{one['prompt_version']} ({one['prompts_hash']})",
        ]
        for name, one in versions.items()
    ]
    parts += ["<h2>What was run</h2>", _table(["task", "follows", "files", "prompts"], lines, words=True)]
    head = f'<!doctype html><meta charset="utf-8"><title>Evaluation</title><style>{STYLE}</style>'
    return head + "\n".join(parts) + "\n"


def _cell(row: ResultRow | None) -> str:
    return "-" if row is None else _interval(row)


def _interval(row: ResultRow | PairRow) -> str:
    value, low, high = (number(x, row.metric) for x in (row.value, row.low, row.high))
    return f"{value} [{low}, {high}]"


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]], *, words: bool = False) -> str:
    kind = ' class="text"' if words else ""
    head = "".join(f"<th{kind}>{escape(text)}</th>" for text in headers)
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(text)}</td>" for text in line) + "</tr>" for line in lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
