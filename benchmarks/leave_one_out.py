"""Does the data of each flow do what it is for? Leave it out, train as long, and look at its own measure.

    python benchmarks/leave_one_out.py runs/pocket --seeds 3 --workers 2

Needs a run of pocket that is finished up to `sft`; reads it and writes beside nothing of it. Flows of
conversations: the run's midtrained model is fine-tuned on a part of the run's fine-tuning tokens. Flows of
documents: a half-width model is pretrained from nothing on a part of the run's budget, every source cut so
that its epochs are the run's. Left out means: not one row of the flow in that part of the training, its
tokens given to the other flows by their shares; the other part is untouched. Intervals: over seeds and items
together (stats.crossed_mean). One command of 25 minutes on two cores with the default sizes; killed, it goes
on where it was. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import left_out_arms as arms
import numpy as np

from trivium.errors import DataError
from trivium.records import from_table
from trivium.stats import crossed_mean
from trivium.store.ledger import run_shards
from trivium.store.run import Run, StageDir

HIGHER, LOWER = 1, -1
MEASURES = {
    "contest": ("contest, right %", HIGHER),
    "arithmetic": ("arithmetic, right %", HIGHER),
    "programs": ("program output, right %", HIGHER),
    "instructions": ("instructions of seen kinds, strict %", HIGHER),
    "facts_known": ("known facts, right %", HIGHER),
    "facts_unknown": ("unknowable facts, wrong %", LOWER),
    "bogus": ("bogus questions, refused %", HIGHER),
    arms.LIKELIHOOD: ("held-out texts or replies, bits a byte", LOWER),
}


def main() -> None:
    """Train every arm, print the table."""
    given = read_words()
    began = time.perf_counter()
    sizes = {name: getattr(given, name) for name in ("sft_frac", "tokens", "hidden", "items")}
    world = arms.open_world(Run.open(given.run), given.out, sizes)
    stage = StageDir(name="leave one out", path=given.out, seed=world.seed, workers=given.workers)
    todo, few = plan(world, given.seeds, given.flows)
    work = functools.partial(arms.run_arm, world)
    table = run_shards(stage, named(given), work, todo, label="arms", unit="models")["values"]
    values = from_table(arms.Value, table)
    measured = dict.fromkeys((row.part, row.flow, row.measure) for row in values if row.left)
    rows = [row_of(world, values, *each) for each in measured]
    show(rows, given.seeds, few)
    lowered = sum(row["worse"] for row in rows)
    seconds = round(time.perf_counter() - began, 1)
    print(
        f"{lowered} of {len(rows)} measures are worse without their flow, the interval beyond 0 (target: all)"
    )
    facts = {"seeds": given.seeds, **sizes, "models": len(todo), "lowered": lowered, "wall_seconds": seconds}
    print(json.dumps({"benchmark": "leave_one_out", **facts, "rows": rows}))


def read_words() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--flows", nargs="+", help="leave out only these; all if not given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/leave-one-out"))
    parser.add_argument("--sft-frac", type=float, default=0.25, help="part of the run's fine-tuning tokens")
    parser.add_argument("--tokens", type=int, default=200_000, help="of a pretraining arm")
    parser.add_argument("--hidden", type=int, default=64, help="width of a pretraining arm")
    parser.add_argument("--items", type=int, default=150, help="of every measure, at most")
    return parser.parse_args()


def named(given: argparse.Namespace) -> str:
    """Name this choice of arms, whose shards are numbered by it."""
    return "-".join(("arms", str(given.seeds), *sorted(given.flows or ())))


def plan(world: arms.World, seeds: int, only: Sequence[str] | None) -> tuple[list[arms.Arm], dict[str, int]]:
    """Return all arms, seed by seed, and the flows that have too few rows to be left out."""
    todo: list[arms.Arm] = []
    few: dict[str, int] = {}
    for part in (arms.FINE, arms.BASE):
        flows, rare = arms.flows_of(world, part)
        few |= {f"{flow} ({part})": count for flow, count in rare.items()}
        flows = [flow for flow in flows if only is None or flow in only]
        if not flows:
            continue
        todo += [arms.Arm(part=part, left=left, number=n) for n in range(seeds) for left in ("", *flows)]
    if not todo:
        raise DataError(
            f"--flows: got {' '.join(only or ())}; expected flows of the run that can be left out."
        )
    return sorted(todo, key=lambda arm: arm.number), few


def row_of(
    world: arms.World, values: Sequence[arms.Value], part: str, flow: str, measure: str
) -> dict[str, Any]:
    """Compare the models with and without a flow on one of its measures."""
    name, better = MEASURES[measure]
    scale = 1.0 if measure == arms.LIKELIHOOD else 100.0
    whole, without = (scale * arms.table_of(values, part, flow, measure, left) for left in ("", flow))
    change, low, high = crossed_mean(without - whole, seed=world.seed)
    worst = high < 0 if better == HIGHER else low > 0
    return {
        **{"flow": flow, "part": part, "measure": name, "items": int(whole.shape[1])},
        **{"with": round(float(np.mean(whole)), 3), "without": round(float(np.mean(without)), 3)},
        **{"change": round(change, 3), "low": round(low, 3), "high": round(high, 3), "worse": bool(worst)},
    }


def show(rows: Sequence[dict[str, Any]], seeds: int, few: dict[str, int]) -> None:
    """Print the table."""
    head = f"{'flow left out':22} {'in':9} {'own measure':39} {'with':>7} {'without':>8}"
    print(f"{head}  change [95 %, {seeds} seeds]")
    for row in rows:
        change = f"{row['change']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"
        verdict = "worse" if row["worse"] else "not shown"
        numbers = f"{row['with']:7.2f} {row['without']:8.2f}  {change:26}"
        print(
            f"{row['flow']:22} {row['part']:9} {row['measure']:39} {numbers} {verdict} (n = {row['items']})"
        )
    for flow, count in few.items():
        print(f"not left out: {flow} has {count} rows, fewer than {arms.LEAST_ROWS} or no measure of its own")


if __name__ == "__main__":
    main()
