"""The issue's four measures for every stage, and for the report's rules against ours, over training seeds.

    python benchmarks/stages_and_variants.py runs/pocket --seeds 5 --out runs/stages-and-variants

Needs a finished pocket run, which it only reads. Word problems, strict instructions, facts (right, wrong,
refused; known, unknowable, bogus) and untouched tasks (arithmetic, program output, held-out text) of the
run's own stages, and of models trained here, `--seeds` times each: both rounds of preference training again,
the second one with and without constraint pairs (a passing reply over a near miss); and from the midtrained
model the report's refusal rule to the letter, and its pairs of the first five tokens on top, beside our rule.
Differences are paired
by seed and item, their intervals over both (stats.crossed_mean). Last the abstention curves: ours (fine-tuned
by our rule, refusing by calibrated confidence) beside the model trained by the report's rule, at every
willingness and at its greedy point; target: ours nowhere above, in every seed. One process, about 40 minutes
of one core with the default sizes; killed, it goes on where it was. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import abstention as asking_often
import numpy as np
import variant_arms as arms

from trivium.align import abstention
from trivium.records import from_table
from trivium.stats import crossed_mean, mean_interval
from trivium.store.ledger import run_shards
from trivium.store.run import Run, StageDir

CONTRASTS = (
    ("dpo1", "run sft", "stage: the pivotal round, after the run's fine-tuning"),
    ("dpo2", "dpo1", "stage: the judged round, after the pivotal one"),
    ("dpo2", "dpo2_bare", "ours: constraint pairs in the judged round, against none"),
    ("dpo2_bare", "dpo1", "the judged round without constraint pairs"),
    ("report_sft", "ours_sft", "the report's refusal rule in fine-tuning, against ours"),
    ("report_dpo", "report_sft", "the report's first-five-token pairs"),
    ("report_dpo", "ours_sft", "the report's rules, both steps, against ours"),
)
OWN = "run "
"""Before the name of a stage: the run's own model, one training seed."""
GRID = 10
BITS = "bits_per_byte"


def main() -> None:
    """Train every arm, print the tables."""
    given = read_words()
    began = time.perf_counter()
    names = ("sft_frac", "items", "constraint_questions", "fact_pairs", "curve_limit")
    sizes = {name: getattr(given, name) for name in names}
    world = arms.open_world(Run.open(given.run), given.out, sizes)
    stage = StageDir(name="stages and variants", path=given.out, seed=world.seed, workers=1)
    todo = arms.plan(given.seeds)
    tables = run_shards(
        stage,
        "arms",
        functools.partial(arms.run_arm, world),
        todo,
        label="arms",
        unit="models",
    )
    values = from_table(arms.Value, tables["values"])
    print(arms.described(world))
    levels = show_levels(values, given.seeds, world.seed)
    changes = show_changes(values, given.seeds, world.seed)
    curves = show_curves(from_table(arms.Often, tables["often"]), values, given.seeds)
    line = {"benchmark": "stages_and_variants", "run": given.run.name, "seeds": given.seeds, **sizes}
    seconds = round(time.perf_counter() - began, 1)
    found = {"levels": levels, "changes": changes, "curves": curves, "wall_seconds": seconds}
    print(json.dumps(line | found))


def read_words() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/stages-and-variants"))
    parser.add_argument("--sft-frac", type=float, default=0.25, help="part of the run's fine-tuning passes")
    parser.add_argument("--items", type=int, default=200, help="word problems; others by their own numbers")
    parser.add_argument("--constraint-questions", type=int, default=300)
    parser.add_argument("--fact-pairs", type=int, default=640, help="the report's pairs, at most")
    parser.add_argument("--curve-limit", type=int, default=0, help="facts a kind for the curves; 0 takes all")
    return parser.parse_args()


def table_of(values: Sequence[arms.Value], title: str, measure: str, seeds: int) -> np.ndarray:
    """Return the values (seeds, items) of an arm's measure, items in one order, in percent but for bits."""
    arm, numbers = title.removeprefix(OWN), [-1] if title.startswith(OWN) else list(range(seeds))
    rows = [row for row in values if (row.arm, row.measure) == (arm, measure) and row.number in set(numbers)]
    found = {(row.number, row.item): row.value for row in rows}
    items = sorted({row.item for row in rows})
    scale = 1.0 if measure == BITS else 100.0
    return scale * np.array([[found[number, item] for item in items] for number in numbers])


def show_levels(values: Sequence[arms.Value], seeds: int, seed: int) -> dict[str, Any]:
    """Print every measure of every model; the run's own stages have one training seed."""
    columns = [*(OWN + name for name in arms.STAGES), *arms.VARIANTS]
    print(f"\n{'measure':28} {'n':>4}" + "".join(f"{name:>12}" for name in columns))
    found: dict[str, Any] = {}
    for measure, title in arms.MEASURES.items():
        cells = [table_of(values, name, measure, seeds) for name in columns]
        means = [float(cell.mean()) for cell in cells]
        shown = "".join(f"{mean:12.2f}" for mean in means)
        print(f"{title:28} {cells[0].shape[1]:4}{shown}")
        for name, cell in zip(columns, cells, strict=True):
            found.setdefault(name, {})[measure] = [
                round(number, 3) for number in crossed_mean(cell, seed=seed)
            ]
    return found


def show_changes(values: Sequence[arms.Value], seeds: int, seed: int) -> list[dict[str, Any]]:
    """Print the paired differences; a star where the interval leaves 0 out."""
    found = []
    for after, before, title in CONTRASTS:
        print(f"\n{title}: {after} less {before}, {seeds} seeds")
        for measure, words in arms.MEASURES.items():
            sides = [table_of(values, name, measure, seeds) for name in (after, before)]
            change, low, high = crossed_mean(sides[0] - sides[1], seed=seed)
            star = "*" if low > 0 or high < 0 else " "
            print(f"  {words:28} {change:+7.2f} [{low:+.2f}, {high:+.2f}] {star}")
            numbers = [round(number, 3) for number in (change, low, high)]
            found.append({"after": after, "before": before, "measure": measure, "change": numbers})
    return found


def show_curves(
    often: Sequence[arms.Often], values: Sequence[arms.Value], seeds: int
) -> list[dict[str, Any]]:
    """Print wrong shares at equal right shares, seed by seed, and the differences over seeds."""
    print("\nabstention, shares of all fact questions; rule: trained by the report's, at every willingness")
    rows = [one_curve(often, values, number) for number in range(seeds)]
    for name, words in (
        ("mean_gap", "mean wrong share over the rule's right shares, ours less rule"),
        ("point_gap", "wrong share at the rule's greedy right share, ours less rule"),
        ("same_model_gap", "the same model of the report's rule: by confidence less by willingness"),
    ):
        told = [row[name] for row in rows if row[name] is not None]
        if told:
            value, low, high = mean_interval(told)
            print(f"{words}: {value:+.4f} [{low:+.4f}, {high:+.4f}] over {len(told)} seeds")
    above = sum(row["dominates"] for row in rows)
    print(f"ours nowhere above the rule's curve in {above} of {len(rows)} seeds (target: all)")
    return rows


def one_curve(often: Sequence[arms.Often], values: Sequence[arms.Value], number: int) -> dict[str, Any]:
    """Compare both systems of one seed on the same questions."""
    held, theirs = (arms.held_of(often, name, number) for name in ("ours_sft", "report_dpo"))
    ours = abstention.cross_fitted(held)
    mine = abstention.curve(held, ours)
    rule = abstention.curve(theirs, [one.willing for one in theirs])
    calm = abstention.curve(theirs, abstention.cross_fitted(theirs))
    grid = [rule[-1].right * step / GRID for step in range(1, GRID)] + [rule[-1].right]
    wrong = {name: at(points, grid) for name, points in (("rule", rule), ("calm", calm), ("ours", mine))}
    point, chosen = greedy_point(values, "report_dpo", number), asking_often.chosen_point(held, ours)
    print(f"seed {number}: right       " + "  ".join(f"{right:5.3f}" for right in grid))
    for name, words in (("rule", "rule"), ("calm", "rule+conf."), ("ours", "ours")):
        print(f"  wrong, {words:11} " + "  ".join(f"{one:5.3f}" for one in wrong[name]))
    print(f"  rule, greedy: {asking_often.shown(point)}; ours, keeping 90 %: {asking_often.shown(chosen)}")
    reached = abstention.wrong_at(mine, point.right)
    gaps = [a - b for a, b in zip(wrong["ours"], wrong["rule"], strict=True)]
    finite = all(np.isfinite(gaps))
    return {
        "seed": number,
        "mean_gap": round(float(np.mean(gaps)), 5) if finite else None,
        "worst_gap": round(max(gaps), 5) if finite else None,
        "dominates": max(gaps) <= 0,
        "point_gap": round(reached - point.wrong, 5) if np.isfinite(reached) else None,
        "same_model_gap": round(float(np.mean(np.subtract(wrong["calm"], wrong["rule"]))), 5),
        "top_right": {"ours": round(mine[-1].right, 4), "rule": round(rule[-1].right, 4)},
        "rule_greedy": asking_often.vars_of(point),
        "ours_keeping": asking_often.vars_of(chosen),
    }


def at(points: Sequence[abstention.Point], grid: Sequence[float]) -> list[float]:
    """Return the wrong shares at right shares; infinite where they are not reached."""
    return [abstention.wrong_at(points, right) for right in grid]


def greedy_point(values: Sequence[arms.Value], arm: str, number: int) -> abstention.Point:
    """Return what an arm's greedy replies to all fact questions come to."""
    rows = [row for row in values if (row.arm, row.number) == (arm, number)]
    shares = []
    for verdict in ("right", "wrong"):
        told = [
            row.value for row in rows if row.measure in {f"{one}_{verdict}" for one in arms.FACTS.values()}
        ]
        shares.append(sum(told) / len(told))
    return abstention.Point(0.0, *shares)


if __name__ == "__main__":
    main()
