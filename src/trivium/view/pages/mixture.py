"""The mixture page: what was planned, what was trained, and how often each source was gone through."""

from __future__ import annotations

from typing import Any

from trivium.report.page import mixture_rows
from trivium.view.query import Query
from trivium.view.render import page
from trivium.view.site import Site

TRAININGS = ("pretrain", "midtrain", "sft")


def show(site: Site, query: Query) -> str:
    """Return the page."""
    plan = site.json("mix", "plan.json", {})
    rows = mixture_rows(plan)
    most = max([float(row[key]) for row in rows for key in ("share_wanted", "share_got")], default=1.0)
    shown = [row | {"wanted": row["share_wanted"] / most, "got": row["share_got"] / most} for row in rows]
    trainings = [one for stage in TRAININGS if (one := training(site, stage))]
    return page(site, "mixture.html", "/mixture", "Mixture", rows=shown, plan=plan, trainings=trainings)


def training(site: Site, stage: str) -> dict[str, Any] | None:
    """Return tokens, final loss and epochs by source of one training; None where it did not run."""
    metrics = site.json(stage, "metrics.json", {})
    tokens = metrics.get("tokens_by_source") or {}
    if not tokens:
        return None
    whole, most = sum(tokens.values()), max(tokens.values())
    losses, streams = metrics.get("final_loss_by_source", {}), metrics.get("streams", {})
    rows = [
        {
            "source": source,
            "tokens": count,
            "share": count / whole,
            "length": count / most,
            "loss": losses.get(source),
            "epochs": (streams.get(source) or {}).get("epochs"),
        }
        for source, count in sorted(tokens.items(), key=lambda entry: -entry[1])
    ]
    return {"stage": stage, "rows": rows, "tokens": whole}
