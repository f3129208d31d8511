"""The run page: stages, how far the one at work has come, rates, time left, loss by source, memory."""

from __future__ import annotations

import functools
import re
from typing import Any

from trivium.report import charts
from trivium.report.collect import MODEL_STAGES, Flow
from trivium.report.page import number, plotly_source, safe_json
from trivium.store.files import read_parquet
from trivium.store.run import Run
from trivium.view import live
from trivium.view.live import StageState
from trivium.view.query import Query
from trivium.view.render import embedded, page, part
from trivium.view.site import Site


def show(site: Site, query: Query) -> str:
    """Return the page, its live part (`part=1`) or its figures as JSON (`part=figures`)."""
    if query.get("part") == "figures":
        return safe_json(figures(site, live.stages(site.run)))
    states = live.stages(site.run)
    content = summary(site, states)
    if query.part:
        return part("run_part.html", **content)
    drawn = figures(site, states)
    names = [name.removeprefix("loss-") for name in drawn if name.startswith("loss-")]
    growing = MODEL_STAGES.get(content["current"].name, "") if content["current"] else ""
    return page(
        site,
        "run.html",
        "/",
        f"Run {site.name}",
        figures=embedded(drawn) if drawn else None,
        loss_names=names,
        growing=growing,
        style_ids=style_ids() if drawn else (),
        **content,
    )


@functools.cache
def style_ids() -> tuple[str, ...]:
    """Return the ids of the style elements that plotly.js would make; where one is taken it makes none.

    Our Content-Security-Policy refuses them, and charts as we draw them (no buttons, no maps) need none.
    """
    return ("plotly.js-style-global", *re.findall(r'getElementById\("([0-9a-f]{64})"\)', plotly_source()))


def summary(site: Site, states: list[StageState]) -> dict[str, Any]:
    """Return what the live part shows."""
    current = next((s for s in states if s.state == "running"), None)
    current = current or next((s for s in states if s.state == "stopped"), None)
    spent = [state.seconds or (state.work.seconds if state.work else 0.0) for state in states]
    memory = [max(state.memory_mib, state.work.memory_mib if state.work else 0) for state in states]
    return {
        "states": states,
        "folders": {name: folder.name for name, folder in site.run.stage_folders().items()},
        "current": current,
        "going": any(state.state == "running" for state in states),
        "done": sum(state.state == "done" for state in states),
        "seconds": sum(spent),
        "memory": max(memory, default=0),
        "dropped": sum(state.dropped for state in states),
        "facts": model_facts(site),
    }


def model_facts(site: Site) -> list[tuple[str, str]]:
    """Return a few numbers of the model, once it was trained."""
    metrics = site.json("pretrain", "metrics.json", {})
    named = (("parameters", "parameters"), ("tokens", "tokens of pretraining"))
    return [(label, number(metrics[key])) for key, label in named if key in metrics]


def figures(site: Site, states: list[StageState]) -> dict[str, Any]:
    """Return the report's figures of losses and times, with the losses of a training that goes on."""
    drawn = {f"loss-{name}": figure for name, figure in charts.loss_curves(losses(site)).items()}
    flows = [_flow(state) for state in states if state.state == "done"]
    return drawn | ({"times": charts.times(flows)} if flows else {})


def losses(site: Site) -> dict[str, list[dict[str, Any]]]:
    """Return checkpoint -> loss rows, in training order; those of a run beside it have its name."""
    found = losses_of(site.run)
    if site.beside is not None:
        name = site.beside.path.resolve().name
        for checkpoint, rows in losses_of(site.beside).items():
            found.setdefault(checkpoint, []).extend(row | {"run": name} for row in rows)
    return found


def losses_of(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Return checkpoint -> loss rows of one run, also of a training that goes on."""
    found = {}
    for stage, folder in run.stage_folders().items():
        if stage in MODEL_STAGES:
            path = folder / "losses.parquet"
            rows = read_parquet(path).to_pylist() if path.exists() else live.losses_so_far(folder)
            if rows:
                found[MODEL_STAGES[stage]] = rows
    return found


def _flow(state: StageState) -> Flow:
    return Flow(
        stage=state.name,
        tables=state.tables,
        dropped=state.dropped,
        reasons=[],
        seconds=state.seconds,
        memory_mib=state.memory_mib,
        tokens=0,
        output_hash="",
    )
