"""Figures of the search's page, for the copy of plotly.js in it.

k points of a curve, m sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trivium.mix.search.study import Study
from trivium.report.charts import PALETTE, Figure, plain_layout

CURVE_POINTS = 41
SCALE = [[0.0, "#0072b2"], [0.5, "#f0e442"], [1.0, "#d55e00"]]
"""Low (few bits, good) to high, told apart with colour-vision deficiencies too."""


def shares_of(sources: Sequence[str], mixtures: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the shares of named mixtures side by side."""
    data = [
        {
            "type": "bar",
            "name": name,
            "x": list(sources),
            "y": [shares[source] for source in sources],
            "marker": {"color": PALETTE[i]},
        }
        for i, (name, shares) in enumerate(mixtures.items())
    ]
    layout = _layout("", "share of the tokens")
    layout["yaxis"] |= {"tickformat": ".0%"}
    return {"data": data, "layout": layout}


def simplex(study: Study, labels: Sequence[str]) -> Figure:
    """Draw every mixture that was trained, coloured by its score: a triangle of three sources, else pairs."""
    sources = study.space.sources
    marker = {
        "color": study.measured.tolist(),
        "colorscale": SCALE,
        "showscale": True,
        "colorbar": {"title": {"text": "score"}, "thickness": 12},
        "size": 9 if len(sources) == 3 else 6,
        "line": {"width": 0.5, "color": "#444"},
    }
    columns = study.mixtures.T.round(4).tolist()
    if len(sources) == 3:
        axes = {axis: {"title": {"text": name}} for axis, name in zip("abc", sources, strict=True)}
        points = dict(zip("abc", columns, strict=True))
        triangle = {"aaxis": axes["a"], "baxis": axes["b"], "caxis": axes["c"], "sum": 1}
        layout = _layout("", "") | {"ternary": triangle, "height": 480}
        trace = {"type": "scatterternary", "mode": "markers", "text": list(labels), **points}
        return {"data": [trace | {"marker": marker}], "layout": layout}
    trace = {
        "type": "splom",
        "dimensions": [
            {"label": name, "values": column} for name, column in zip(sources, columns, strict=True)
        ],
        "text": list(labels),
        "marker": marker,
        "diagonal": {"visible": False},
        "showupperhalf": False,
    }
    layout = _layout("", "") | {"height": 180 + 120 * len(sources)}
    del layout["xaxis"]["title"], layout["yaxis"]["title"]  # the dimensions' own labels
    return {"data": [trace], "layout": layout}


def response(study: Study, centre: np.ndarray) -> Figure:
    """Draw what the law says of each source's share, the others kept in the centre's proportions."""
    space, data = study.space, list[dict[str, Any]]()
    for index, name in enumerate(space.sources):
        steps = np.linspace(space.low[index], min(space.high[index], 1 - sum(space.low)), CURVE_POINTS)
        others = np.delete(centre, index)
        rest = np.outer(1 - steps, others / others.sum())
        rows = np.insert(rest, index, steps, axis=1)
        scores = study.value(rows)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": steps.round(4).tolist(),
                "y": scores.round(5).tolist(),
                "line": {"color": PALETTE[index % len(PALETTE)]},
            }
        )
        here = {"x": [float(centre[index])], "y": [float(study.value(centre[None])[0])]}
        dot = {"type": "scatter", "mode": "markers", "showlegend": False, **here}
        data.append(dot | {"marker": {"color": PALETTE[index % len(PALETTE)], "size": 9}})
    layout = _layout("share of the source", "expected score")
    layout["xaxis"] |= {"tickformat": ".0%"}
    return {"data": data, "layout": layout}


def predicted(found: Mapping[str, Study], labels: Sequence[str]) -> Figure:
    """Draw leave-one-out predictions against measured scores, both objectives."""
    data: list[dict[str, Any]] = []
    ends = [
        value
        for study in found.values()
        for value in (*study.best.predicted.tolist(), *study.measured.tolist())
    ]
    for i, (name, study) in enumerate(found.items()):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{name} (rank correlation {study.best.rho:.2f})",
                "x": study.best.predicted.round(5).tolist(),
                "y": study.measured.round(5).tolist(),
                "text": list(labels),
                "error_y": {"type": "constant", "value": study.noise, "thickness": 1, "width": 0},
                "marker": {"color": PALETTE[i]},
            }
        )
    line = {"type": "scatter", "mode": "lines", "name": "equal", "x": [min(ends), max(ends)]}
    data.append(line | {"y": [min(ends), max(ends)], "line": {"color": "#999999", "dash": "dot"}})
    return {"data": data, "layout": _layout("score predicted without the mixture", "score measured")}


def disagreement(
    after: Study, loss: Study, labels: Sequence[str], optima: Mapping[str, np.ndarray]
) -> Figure:
    """Draw every mixture's two scores, and where the laws put both optima."""
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "mixtures trained",
        "x": loss.measured.round(5).tolist(),
        "y": after.measured.round(5).tolist(),
        "text": list(labels),
        "marker": {"color": PALETTE[6]},
    }
    best = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": f"optimum, {name}",
            "x": [float(loss.value(shares[None])[0])],
            "y": [float(after.value(shares[None])[0])],
            "marker": {"color": PALETTE[i], "size": 13, "symbol": "diamond"},
        }
        for i, (name, shares) in enumerate(optima.items())
    ]
    layout = _layout("score by pretraining loss", "score after fine-tuning")
    return {"data": [points, *best], "layout": layout}


def gains(confirmation: Mapping[str, Any]) -> Figure:
    """Draw the confirmed gains with their intervals, and the noise around nothing."""
    rows = confirmation["gains"]
    limit = 2 * confirmation["noise"]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [row["gain"] for row in rows],
        "y": [f"over {row['over']}" for row in rows],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [row["high"] - row["gain"] for row in rows],
            "arrayminus": [row["gain"] - row["low"] for row in rows],
        },
        "marker": {"color": PALETTE[0], "size": 10},
    }
    layout = _layout("gain: share of the bits that are saved on held-out solutions", "")
    band = {"type": "rect", "xref": "x", "yref": "paper", "x0": -limit, "x1": limit, "y0": 0, "y1": 1}
    layout |= {
        "shapes": [band | {"fillcolor": "rgba(128,128,128,.2)", "line": {"width": 0}, "layer": "below"}],
        "showlegend": False,
        "height": 160 + 50 * len(rows),
    }
    layout["xaxis"] |= {"tickformat": ".1%"}
    return {"data": [dots], "layout": layout}


def _layout(x: str, y: str) -> dict[str, Any]:
    return plain_layout(x, y, left=64, height=420)
