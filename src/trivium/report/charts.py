"""Charts of the page: plotly figures as JSON-able dictionaries, drawn by the copy of plotly.js in the file.

Colours are Okabe and Ito's, which people with colour-vision deficiencies can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#f0e442")
STAGE_ORDER = ("base", "midtrain", "sft", "dpo1", "dpo2")
VERDICT_COLOURS = {"right": "#009e73", "refused": "#999999", "wrong": "#d55e00"}

Figure = dict[str, Any]


def loss_curves(losses: dict[str, list[dict[str, Any]]]) -> dict[str, Figure]:
    """Draw one chart a training stage: loss against tokens, a line a source.

    Args:
        losses: Checkpoint name -> rows {step, tokens, source, loss}; those of another run, drawn dotted, have
            its name under `run`.
    """
    return {stage: _loss_figure(rows) for stage, rows in losses.items()}


def _loss_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    lines: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for row in rows:
        xs, ys = lines.setdefault((row["source"], row.get("run", "")), ([], []))
        xs.append(row["tokens"])
        ys.append(row["loss"])
    sources = sorted({source for source, _ in lines})
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{source}, {run}" if run else source,
            "x": xs,
            "y": _smooth(ys),
            "line": {
                "color": PALETTE[sources.index(source) % len(PALETTE)],
                "width": 1.8,
                "dash": "dot" if run else "solid",
            },
        }
        for (source, run), (xs, ys) in sorted(lines.items())
    ]
    return {"data": data, "layout": plain_layout("tokens seen", "training loss (nats a token)")}


def _smooth(values: Sequence[float]) -> list[float]:
    """Exponential moving average over about a sixtieth of the run, corrected for its start."""
    keep = 1 - 1 / max(5.0, len(values) / 60)
    smoothed, total, weight = [], 0.0, 0.0
    for value in values:
        total = keep * total + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        smoothed.append(round(total / weight, 4))
    return smoothed


def refusals(table: Sequence[dict[str, Any]]) -> Figure | None:
    """Draw right, refused and wrong shares on known and unknowable facts by stage."""
    tasks = [t for t in ("facts_known", "facts_unknown", "bogus") if any(r["task"] == t for r in table)]
    if not tasks:
        return None
    data = []
    for verdict, colour in VERDICT_COLOURS.items():
        xs, ys = _verdict_bars(table, tasks, verdict)
        data.append({"type": "bar", "name": verdict, "x": xs, "y": ys, "marker": {"color": colour}})
    layout = plain_layout("", "share of questions")
    layout |= {"barmode": "stack", "yaxis": layout["yaxis"] | {"tickformat": ".0%", "range": [0, 1]}}
    layout["xaxis"] |= {"tickangle": -45}
    return {"data": data, "layout": layout}


def _verdict_bars(
    table: Sequence[dict[str, Any]], tasks: Sequence[str], verdict: str
) -> tuple[list[list[str]], list[float]]:
    groups, stages, values = [], [], []
    for task in tasks:
        for stage in STAGE_ORDER:
            value = _value(table, stage, task, verdict)
            if value is not None:
                groups.append(task.replace("facts_", "").replace("unknown", "unknowable"))
                stages.append(stage)
                values.append(value)
    return [groups, stages], values


def recall(table: Sequence[dict[str, Any]]) -> Figure | None:
    """Draw key-value recall against context length, a line a stage."""
    rows = [r for r in table if r["task"] == "recall" or r["task"].startswith("recall_")]
    if not rows:
        return None
    data = []
    for i, stage in enumerate(s for s in STAGE_ORDER if any(r["stage"] == s for r in rows)):
        points = sorted({_length_point(r) for r in rows if r["stage"] == stage and _is_accuracy(r)})
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": stage,
                "x": [label for label, _, _, _ in points],
                "y": [value for _, value, _, _ in points],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - value for _, value, _, high in points],
                    "arrayminus": [value - low for _, value, low, _ in points],
                    "thickness": 1,
                },
                "line": {"color": PALETTE[i % len(PALETTE)]},
            }
        )
    layout = plain_layout("length of the context, in pretraining contexts", "recall")
    layout["yaxis"] |= {"tickformat": ".0%", "range": [0, 1.05]}
    return {"data": data, "layout": layout}


def _is_accuracy(row: dict[str, Any]) -> bool:
    return not row["metric"].endswith(("_minus_previous", "_seconds"))


def _length_point(row: dict[str, Any]) -> tuple[str, float, float, float]:
    label = row["task"].removeprefix("recall_") if row["task"] != "recall" else row["metric"]
    return label, row["value"], row["low"], row["high"]


def times(flows: Sequence[Any]) -> Figure:
    """Draw seconds by stage, in order."""
    names = [flow.stage for flow in flows][::-1]
    seconds = [flow.seconds for flow in flows][::-1]
    bar = {
        "type": "bar",
        "orientation": "h",
        "x": seconds,
        "y": names,
        "marker": {"color": PALETTE[0]},
        "text": [f"{value:,.0f} s" for value in seconds],
        "textposition": "outside",
        "cliponaxis": False,
    }
    layout = plain_layout("seconds", "")
    layout |= {"height": 90 + 26 * len(names), "showlegend": False}
    return {"data": [bar], "layout": layout}


def _value(table: Sequence[dict[str, Any]], stage: str, task: str, metric: str) -> float | None:
    for row in table:
        if (row["stage"], row["task"], row["metric"]) == (stage, task, metric):
            return float(row["value"])
    return None


def plain_layout(x: str, y: str, *, left: int = 56, height: int = 380) -> dict[str, Any]:
    """Return a layout that fits light and dark pages.

    Args:
        x: Title of the horizontal axis.
        y: Title of the vertical axis.
        left: Margin in pixels.
        height: In pixels.
    """
    axis = {"gridcolor": "rgba(128,128,128,.25)", "zeroline": False, "automargin": True}
    return {
        "margin": {"l": left, "r": 16, "t": 12, "b": 100},
        "height": height,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "legend": {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
        "xaxis": axis | {"title": {"text": x}},
        "yaxis": axis | {"title": {"text": y}},
    }
