"""The page of a search: one HTML file with everything in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from trivium.inert import finalize
from trivium.mix.search.study import SURE, Study
from trivium.proxies import charts
from trivium.proxies.measured import AFTER, LOSS, named
from trivium.proxies.world import World
from trivium.report import page as report_page

if TYPE_CHECKING:
    import pyarrow as pa

TEMPLATES = Path(__file__).parent / "templates"


def page(
    world: World,
    runs: pa.Table,
    found: Mapping[str, Study],
    best: Mapping[str, np.ndarray],
    result: Mapping[str, Any],
) -> str:
    """Return the page as HTML text.

    Args:
        world: The search.
        runs: All proxies.
        found: Studies of both objectives.
        best: Their optima.
        result: What search.json holds.
    """
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, report_page.TEMPLATES]),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = report_page.number
    environment.filters["percent"] = report_page.percent
    return environment.get_template("mixture.html").render(
        result=result,
        mixtures=mixture_rows(world, found, labels_of(runs)),
        limit=SURE,
        figures=report_page.safe_json(figures(world, runs, found, best, result)),
        plotly=report_page.plotly_source(),
        style=(report_page.TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=(report_page.TEMPLATES / "report.js").read_text(encoding="utf-8"),
    )


def figures(
    world: World,
    runs: pa.Table,
    found: Mapping[str, Study],
    best: Mapping[str, np.ndarray],
    result: Mapping[str, Any],
) -> dict[str, Any]:
    """Return every figure by the id of its place."""
    labels, after, loss = labels_of(runs), found[AFTER], found[LOSS]
    mixtures = {
        "the recipe's": result["prior"],
        "equal": named(world, world.space.uniform()),
        "best by pretraining loss": result["loss"]["optimum"],
        "chosen after fine-tuning": result["after"]["optimum"],
    }
    drawn = {
        "shares": charts.shares_of(world.space.sources, mixtures),
        "simplex": charts.simplex(after, labels),
        "response": charts.response(after, best[AFTER]),
        "predicted": charts.predicted(found, labels),
        "disagreement": charts.disagreement(after, loss, labels, best),
    }
    if result["confirmation"]:
        drawn["gains"] = charts.gains(result["confirmation"])
    return drawn


def labels_of(runs: pa.Table) -> list[str]:
    """Label of each distinct mixture, in the order of its first run (as `study.distinct` has it)."""
    labels: dict[tuple[float, ...], str] = {}
    for row in runs.select(["shares", "label"]).to_pylist():
        labels.setdefault(tuple(row["shares"]), row["label"])
    return list(labels.values())


def mixture_rows(world: World, found: Mapping[str, Study], labels: list[str]) -> list[dict[str, Any]]:
    """Return every mixture that was trained, best first, with both scores."""
    after, loss = found[AFTER], found[LOSS]
    rows = [
        {
            "label": label,
            "shares": named(world, shares).values(),
            "epochs": world.space.epochs(shares).tolist(),
            "after": float(after.measured[i]),
            "predicted": float(after.best.predicted[i]),
            "loss": float(loss.measured[i]),
        }
        for i, (label, shares) in enumerate(zip(labels, after.mixtures, strict=True))
    ]
    return sorted(rows, key=lambda row: row["after"])
