"""Render the collected content as one HTML file: styles, data and plotly.js inline, nothing fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from trivium.inert import finalize
from trivium.report import charts
from trivium.report.collect import Content

TEMPLATES = Path(__file__).parent / "templates"
PAIRED_SUFFIX = "_minus_previous"
HEADLINES = ("accuracy", "accuracy_sampled", "right", "refused", "wrong", "strict", "all")
"""Metrics of the first table; families, kinds and the like stand in the second."""


def render(content: Content) -> str:
    """Return the whole page as HTML text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["percent"] = percent
    return environment.get_template("report.html").render(
        content=content,
        table=stage_table(content.table),
        mixture=mixture_rows(content.mixture),
        solved=[token_rows(solution) for solution in content.solved],
        search=search_facts(content.metrics.get("pivotal", {})),
        figures=safe_json(figures(content)),
        plotly=plotly_source(),
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "report.js").read_text(encoding="utf-8"),
        total_seconds=sum(flow.seconds for flow in content.flows),
        memory=max((flow.memory_mib for flow in content.flows), default=0),
    )


def figures(content: Content) -> dict[str, Any]:
    """Return every figure of the page by the id of its place."""
    found: dict[str, Any] = {
        f"loss-{name}": figure for name, figure in charts.loss_curves(content.losses).items()
    }
    if content.flows:
        found["times"] = charts.times(content.flows)
    drawn = {"refusals": charts.refusals(content.table), "recall": charts.recall(content.table)}
    found |= {name: figure for name, figure in drawn.items() if figure is not None}
    return found


def safe_json(value: Any) -> str:
    """Return JSON that can stand inside a script element whatever text it holds."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def plotly_source() -> str:
    """Return plotly.js as shipped with the plotly package."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def stage_table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Arrange table.json: stages as columns, (task, metric) as rows, paired differences in the cells."""
    stages = [s for s in charts.STAGE_ORDER if any(row["stage"] == s for row in rows)]
    stages += sorted({row["stage"] for row in rows} - set(stages))
    cells = {(row["task"], row["metric"], row["stage"]): row for row in rows}
    keys: list[tuple[str, str]] = []
    for row in rows:
        key = (row["task"], row["metric"])
        if key not in keys and not row["metric"].endswith(PAIRED_SUFFIX):
            keys.append(key)
    lines = [
        {
            "task": task,
            "metric": metric,
            "n": max((cells[task, metric, s]["n"] for s in stages if (task, metric, s) in cells), default=0),
            "cells": [_cell(cells, task, metric, stage) for stage in stages],
        }
        for task, metric in keys
    ]
    first = [line for line in lines if line["metric"] in HEADLINES]
    return {"stages": stages, "lines": first, "rest": [line for line in lines if line not in first]}


def _cell(cells: dict[tuple[str, str, str], dict[str, Any]], task: str, metric: str, stage: str) -> Any:
    row = cells.get((task, metric, stage))
    if row is None:
        return None
    paired = cells.get((task, f"{metric}{PAIRED_SUFFIX}", stage))
    cell = {"value": _shown(row["value"]), "interval": f"{_shown(row['low'])} to {_shown(row['high'])}"}
    if paired is not None:
        cell["delta"] = f"{paired['value'] * 100:+.1f}"
        cell["delta_interval"] = f"{paired['low'] * 100:+.1f} to {paired['high'] * 100:+.1f} points"
        low, high = (
            (paired["low"], paired["high"])
            if more_is_better(task, metric)
            else (-paired["high"], -paired["low"])
        )
        cell["sure"] = "up" if low > 0 else "down" if high < 0 else ""
    return cell


def more_is_better(task: str, metric: str) -> bool:
    """Say which way a measure improves; refusing is right where nothing is known, and wrong elsewhere."""
    if metric == "refused":
        return task != "facts_known"
    return task != "bits_per_byte" and metric not in ("wrong", "unparsed", "error")


def _shown(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def mixture_rows(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the mixture plan's sources as rows, largest share first."""
    return sorted(plan.get("sources", []), key=lambda row: -float(row["share_got"]))


def token_rows(solution: dict[str, Any]) -> dict[str, Any]:
    """Give every token of a solved problem the colour class of its success probability."""
    tokens = [
        token | {"shade": min(10, max(0, round(float(token["p"]) * 10))), "index": index}
        for index, token in enumerate(solution.get("tokens", []))
    ]
    return solution | {"tokens": tokens, "pivots": [t for t in tokens if t.get("pivotal")]}


def search_facts(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the pivotal search found and what it cost, as labels and values."""
    counts = {
        "questions": "questions",
        "questions_in_band": "neither too easy nor too hard",
        "pivotal_tokens": "pivotal tokens",
        "confirmed": "confirmed pairs",
        "rollouts": "rollouts",
        "tokens_generated": "tokens generated",
        "tokens_per_pair": "tokens a pair",
        "bound_violations": "pivots beyond the bound",
    }
    return [(label, number(metrics[key])) for key, label in counts.items() if key in metrics]


def number(value: float | int) -> str:
    """Format a count with thousands separators."""
    return f"{value:,.0f}"


def percent(value: float) -> str:
    """Format a share as a percentage with one decimal."""
    return f"{100 * float(value):.1f} %"
