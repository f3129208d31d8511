"""Wrong answers against right ones: abstention by calibrated confidence beside the report's trained refusal.

    python benchmarks/abstention.py runs/pocket --stage sft --seeds 5

Needs a finished pocket run. Every fact question of the exam (known, withheld, bogus) is asked greedily and
`--replies` times at T=1, once a seed. Both curves use the same replies and the same answers and differ in
what decides whether to answer: the share of replies that are no refusal (the report's rule as trained, at
every willingness), or a confidence that is fitted on the other half of the questions. Printed: both curves at
the same right shares, the greedy point of the trained rule, our point at a threshold that keeps 90 % of the
right answers of the other half, and the difference of the areas under the curves with a paired bootstrap over
questions. Target: our curve is nowhere above the other, and the area is less. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium import records
from trivium.align import abstention
from trivium.align.abstention import Held, Point, Reply
from trivium.align.asking import Asking, ask_shard, cached_tokenizer, reply_text
from trivium.records import Question, Rollout, Verdict
from trivium.store.files import read_parquet

KINDS = ("facts_known", "facts_unknown", "bogus")
KEPT = 0.9
"""The issue's bound: right answers may fall by a tenth."""
GRID = 10
RESAMPLES = 400


def main() -> None:
    """Ask, sweep, compare, print."""
    args = arguments()
    questions = read_items(args.run, args.limit)
    model = str(next(args.run.glob(f"*-{args.stage}")) / "model")
    rule = point_of([replies[0] for replies in asked(model, args, questions, seed=0, greedy=True)])
    print(f"{len(questions)} questions; greedy, the trained rule: {shown(rule)}")
    rows = [one_seed(model, args, questions, rule, seed) for seed in range(args.seeds)]
    gains = [row["area_gain"][0] for row in rows]
    dominated = sum(row["worst_gap"] <= 0 for row in rows)
    print(
        f"area under the curve, rule less ours: mean {np.mean(gains):+.4f} over {len(rows)} seeds (above 0 "
        f"is better); ours nowhere above in {dominated} of {len(rows)} seeds, target all"
    )
    line = {"name": "abstention", "stage": args.stage, "questions": len(questions), "greedy": vars_of(rule)}
    print(json.dumps(line | {"seeds": rows, "dominates": dominated == len(rows)}))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a finished pocket run")
    parser.add_argument("--stage", default="sft", help="whose model is asked")
    parser.add_argument("--style", default="chat", choices=("chat", "plain"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--replies", type=int, default=16)
    parser.add_argument("--limit", type=int, default=0, help="questions of each kind; 0 takes all")
    return parser.parse_args()


def read_items(run: Path, limit: int) -> list[Question]:
    """The exam's fact questions."""
    (folder,) = run.glob("*-items")
    rows = records.from_table(Question, read_parquet(folder / "questions.parquet"))
    kinds = [[row for row in rows if row.skill == kind] for kind in KINDS]
    return [row for own in kinds for row in (own[:limit] if limit else own)]


def asked(
    model: str, args: argparse.Namespace, questions: Sequence[Question], *, seed: int, greedy: bool
) -> list[list[Reply]]:
    """The replies to every question, judged."""
    how = Asking(
        model=model,
        style=args.style,
        replies=1 if greedy else args.replies,
        max_new_tokens=32,
        seed=seed,
        purpose="abstention",
        temperature=0.0 if greedy else 1.0,
    )
    rollouts = records.from_table(Rollout, ask_shard(how, questions)["rollouts"])
    found: dict[str, list[Reply]] = {one.id: [] for one in questions}
    verifiers = {one.id: one.verifier for one in questions}
    for row in rollouts:
        text = reply_text(cached_tokenizer(model), row.completion_ids)
        logprob = sum(row.logprobs) / max(1, len(row.logprobs))
        verdict = verdict_of(row, verifiers[row.question_id])
        found[row.question_id].append(Reply(text=text, verdict=verdict, logprob=logprob))
    return [found[one.id] for one in questions]


def verdict_of(row: Rollout, verifier: str) -> Verdict:
    """A bogus question's verifier calls a refusal right; here that is a refusal, as anywhere."""
    verdict = Verdict(row.verdict)
    return Verdict.REFUSED if verifier == "refusal" and verdict == Verdict.RIGHT else verdict


def point_of(replies: Sequence[Reply]) -> Point:
    """The shares of single replies."""
    count = len(replies)
    right, wrong = (
        sum(one.verdict == verdict for one in replies) / count for verdict in (Verdict.RIGHT, Verdict.WRONG)
    )
    return Point(0.0, right, wrong)


def one_seed(
    model: str, args: argparse.Namespace, questions: Sequence[Question], rule: Point, seed: int
) -> dict[str, Any]:
    """Both curves from one set of drawn replies."""
    replies = asked(model, args, questions, seed=seed, greedy=False)
    held = [abstention.hold(q.id, q.skill, r) for q, r in zip(questions, replies, strict=True)]
    ours, theirs = abstention.cross_fitted(held), [one.willing for one in held]
    curves = abstention.curve(held, ours), abstention.curve(held, theirs)
    top = curves[0][-1].right  # of both: they end where everything is answered
    grid = [*(top * step / GRID for step in range(1, GRID)), top]
    pairs = [tuple(abstention.wrong_at(curve, right) for curve in curves) for right in grid]
    print(f"seed {seed}: right  " + "  ".join(f"{right:6.3f}" for right in grid))
    for name, side in (("wrong, rule", 1), ("wrong, ours", 0)):
        print(f"  {name}  " + "  ".join(f"{pair[side]:6.3f}" for pair in pairs))
    chosen = chosen_point(held, ours)
    gain = area_gain(held, ours, theirs, seed)
    print(f"  ours, keeping {KEPT:.0%}: {shown(chosen)}; area, rule less ours {interval(gain)}")
    return {
        "seed": seed,
        "worst_gap": round(max(pair[0] - pair[1] for pair in pairs), 4),
        "area_gain": [round(number, 4) for number in gain],
        "ours": vars_of(chosen),
        "wrong_at_rules_right": round(abstention.wrong_at(curves[0], min(rule.right, grid[-1])), 4),
    }


def chosen_point(held: Sequence[Held], scores: Sequence[float]) -> Point:
    """Ours, each half at the threshold that keeps `KEPT` of the other half's right answers."""
    right = wrong = 0
    for fold in (0, 1):
        sides: tuple[list[tuple[Held, float]], ...] = ([], [])
        for one, score in zip(held, scores, strict=True):
            sides[abstention.fold_of(one.item, 2) == fold].append((one, score))
        least = abstention.threshold_keeping(*map(list, zip(*sides[0], strict=True)), KEPT)
        said = [one for one, score in sides[1] if one.answers and score >= least]
        right, wrong = right + sum(o.right for o in said), wrong + sum(not o.right for o in said)
    return Point(0.0, right / len(held), wrong / len(held))


def area_gain(
    held: Sequence[Held], ours: Sequence[float], theirs: Sequence[float], seed: int
) -> tuple[float, float, float]:
    """Area under the rule's curve less that under ours, with a 95 % interval over questions."""
    rng = np.random.default_rng(seed)

    def gain(places: Sequence[int]) -> float:
        rows = [held[i] for i in places]
        areas = [abstention.area(abstention.curve(rows, [s[i] for i in places])) for s in (theirs, ours)]
        return areas[0] - areas[1]

    drawn = [gain(rng.integers(len(held), size=len(held)).tolist()) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return gain(range(len(held))), float(low), float(high)


def interval(found: tuple[float, float, float]) -> str:
    """A number with its interval."""
    return f"{found[0]:+.4f} [{found[1]:+.4f}, {found[2]:+.4f}]"


def shown(point: Point) -> str:
    """Right, wrong and refused in words."""
    return f"right {point.right:.3f}, wrong {point.wrong:.3f}, refused {1 - point.right - point.wrong:.3f}"


def vars_of(point: Point) -> dict[str, float]:
    """A point for JSON."""
    return {"right": round(point.right, 4), "wrong": round(point.wrong, 4)}


if __name__ == "__main__":
    main()
