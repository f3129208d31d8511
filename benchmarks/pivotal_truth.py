"""Recall and precision of the pivotal searches against a scan with hundreds of rollouts a prefix.

    python benchmarks/pivotal_truth.py runs/pocket/10-sft/model QUESTIONS.jsonl --traces 60 --rollouts 400

The truth: along each trace, both sides of every eligible token with --rollouts rollouts, drawn with another
seed than the searches use. A token is pivotal when its two estimates differ by the gap, and clearly so when
the 95 % interval of their difference lies beyond it. Recall is the share of the pivotal places of the traces
at which a search confirmed a pair. Precision is the share of reported pivotal tokens, on the traces or not,
whose shift has the size of the gap in rollouts drawn for this purpose alone. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trivium.cli.pivot import THOROUGH
from trivium.models.runtime import settle
from trivium.models.sample_draw import request_seed
from trivium.pivotal import pairs, questions, rollouts, shards
from trivium.pivotal.bisect import TIE
from trivium.pivotal.estimate import Estimate, StopRule, combine, known, largest_shift
from trivium.pivotal.forest import Forest, Trace, choose_traces
from trivium.pivotal.mine import in_band, mine, sample_roots
from trivium.pivotal.rollouts import Job, Policy, Problem
from trivium.pivotal.searches import SearchRule, scan
from trivium.pivotal.stage import PivotalConfig
from trivium.records import PivotalToken, Verdict
from trivium.stats import wilson
from trivium.store.run import StageDir

TARGET = {"recall": 0.9, "precision": 0.95}
"""For the tree."""

Place = tuple[str, tuple[int, ...]]
"""Question id and reply prefix."""


@dataclass(frozen=True)
class Truth:
    """What the long scan found along the traces."""

    traces: list[Trace]
    pivotal: set[Place]
    clear: set[Place]
    tokens: int


def main() -> None:
    """Measure and print."""
    args = arguments()
    settle(threads=1)
    with tempfile.TemporaryDirectory() as scratch:
        config = PivotalConfig(
            model=args.model,
            questions=args.questions,
            verifier=args.verifier,
            prompt=args.prompt,
            gap=args.gap,
            max_reply_tokens=args.max_tokens,
            num_questions=args.limit,
            temperature=args.temperature,
        )
        stage = StageDir(name="pivotal", path=Path(scratch), seed=args.seed)
        opened = replace(shards.open_settings(config, stage), kept="")
        rows, _ = questions.read(Path(args.questions), questions.Columns(), args.verifier)
        rows.sort(key=lambda row: request_seed(args.seed, "truth", row.id))
        problems = shards.prepare(config, stage, rows, opened)
    policy = shards.open_policy(opened)
    problems, truth = find_truth(policy, problems, opened.rule, args)
    print(
        f"truth: {len(truth.traces)} traces, {len(truth.pivotal)} pivots, {len(truth.clear)} clear",
        flush=True,
    )
    found = {
        name: measure(policy, problems, truth, replace(opened.rule, **changes), args)
        for name, changes in searches(args).items()
    }
    tree = found.get("tree", next(iter(found.values())))
    print(
        json.dumps(
            {
                "name": "pivotal_truth",
                "traces": len(truth.traces),
                "pivots": len(truth.pivotal),
                "clear_pivots": len(truth.clear),
                "rollouts_a_prefix": args.rollouts,
                "truth_tokens": truth.tokens,
                "gap": args.gap,
                "seed": args.seed,
                "searches": found,
                "target": TARGET,
                "holds": tree["recall"][0] >= TARGET["recall"]
                and tree["precision"][0] >= TARGET["precision"],
            }
        )
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a model, safetensors")
    parser.add_argument("questions", help="question file")
    parser.add_argument("--verifier", default="number")
    parser.add_argument("--prompt", default="{question}")
    parser.add_argument("--traces", type=int, default=60, help="replies with a known answer to every token")
    parser.add_argument("--rollouts", type=int, default=400, help="rollouts a prefix of the truth")
    parser.add_argument(
        "--check", type=int, default=120, help="reported tokens checked for precision, a search"
    )
    parser.add_argument("--walk", type=int, default=24, help="rollouts a prefix of tree and bisect")
    parser.add_argument("--searches", default="tree,tree_of_a_recipe,bisect,bisect_50,scan")
    parser.add_argument("--gap", type=float, default=0.2)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-tokens", type=int, default=160)
    parser.add_argument("--limit", type=int, default=400, help="questions looked at for traces")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def searches(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What is measured: the tree of `trivium pivot`, that of a recipe, the report's own, a short scan."""
    walk = {"traces": 2, "trace_rollouts": args.walk}
    rule = PivotalConfig(gap=args.gap, **THOROUGH)
    thorough = {
        "min_apparent_gap": rule.min_apparent_gap,
        "max_candidates": rule.max_candidates,
        "stop": StopRule(rule.gap, rule.looks, rule.level, rule.patience),
    }
    known = {
        "tree": {"search": "tree", **walk, **thorough},
        "tree_of_a_recipe": {"search": "tree", "traces": 0},
        "tree_grown": {"search": "tree", **walk},
        "bisect": {"search": "bisect", **walk, **thorough},
        "bisect_50": {"search": "bisect", "traces": 2, "trace_rollouts": 50, **thorough},
        "scan": {"search": "scan", "traces": 2, "trace_rollouts": 64, **thorough},
    }
    return {name: known[name] for name in args.searches.split(",")}


def find_truth(
    policy: Policy, problems: Sequence[Problem], rule: SearchRule, args: argparse.Namespace
) -> tuple[list[Problem], Truth]:
    """Take traces of questions in the band until there are enough; scan them with another seed."""
    traces: list[Trace] = []
    kept: list[Problem] = []
    for start in range(0, len(problems), 16):
        group = problems[start : start + 16]
        roots = sample_roots(policy, group, rule.root_rollouts, rule.band)
        forest = Forest.plant(policy, roots)
        for problem in group:
            if len(traces) < args.traces and in_band(roots[problem.question_id], rule.band):
                traces += choose_traces(problem, forest.paths[problem.question_id], 2)
                kept.append(problem)
        if len(traces) >= args.traces:
            break
    other = replace(policy, seed=request_seed(policy.seed, "truth"))
    ground = Forest(other, {trace.problem.question_id: [] for trace in traces})
    scan(ground, traces, args.gap, args.rollouts, early=False)
    pivotal, clear = set(), set()
    for trace in traces:
        for at, prob in enumerate(trace.path.probs):
            if largest_shift(prob) >= args.gap:
                sides = [(1.0, ground.estimate((trace, at + 1))), (-1.0, ground.estimate((trace, at)))]
                value, low, high = combine(sides)
                place = trace.problem.question_id, trace.path.ids[:at]
                if abs(value) >= args.gap - TIE:
                    pivotal.add(place)
                if low >= args.gap or high <= -args.gap:
                    clear.add(place)
    spent = sum(len(item.row.completion_ids) for item in ground.grown)
    return kept, Truth(traces, pivotal, clear, spent)


def measure(
    policy: Policy, problems: Sequence[Problem], truth: Truth, rule: SearchRule, args: argparse.Namespace
) -> dict[str, Any]:
    """Search and hold what is found against the truth."""
    began = time.process_time()
    mined = mine(policy, problems, rule)
    seconds = time.process_time() - began
    accepted = [outcome for outcome in mined.outcomes if outcome.decision == "accept"]
    reported = [
        (outcome.problem, token) for outcome in accepted for token in pairs.pivotal_tokens(outcome, args.gap)
    ]
    places = {(o.problem.question_id, o.candidate.branch.prefix) for o in accepted}
    shifts = true_shifts(policy, reported[: args.check], args.rollouts)
    real = sum(abs(shift) >= args.gap - TIE for shift in shifts)
    tokens = sum(len(row.completion_ids) for row in mined.rollouts)
    line = {
        "recall": share(len(truth.pivotal & places), len(truth.pivotal)),
        "recall_clear": share(len(truth.clear & places), len(truth.clear)),
        "precision": share(real, len(shifts)),
        "reported": len(reported),
        "pairs": len(accepted),
        "tokens": tokens,
        "tokens_a_pair": round(tokens / max(1, len(accepted)), 1),
        "bound_violations": sum(pairs.breaks_bound(token) for _, token in reported),
        "cpu_seconds": round(seconds, 1),
    }
    print(f"{rule.search}, {rule.traces} traces of {rule.trace_rollouts}: {json.dumps(line)}", flush=True)
    return line


def true_shifts(
    policy: Policy, reported: Sequence[tuple[Problem, PivotalToken]], num_rollouts: int
) -> list[float]:
    """Shift of each reported token in rollouts of a seed and purpose of their own."""
    other = replace(policy, seed=request_seed(policy.seed, "precision"))
    prefixes = [
        (problem, tuple(token.prefix_ids[len(problem.prompt_ids) :]), token.token_id)
        for problem, token in reported
    ]
    asked = [(problem, prefix) for problem, prefix, _ in prefixes]
    asked += [(problem, (*prefix, token)) for problem, prefix, token in prefixes]
    found = estimate_many(other, asked, num_rollouts)
    before, after = found[: len(prefixes)], found[len(prefixes) :]
    return [late.prob - early.prob for early, late in zip(before, after, strict=True)]


def estimate_many(
    policy: Policy, places: Sequence[tuple[Problem, tuple[int, ...]]], num_rollouts: int
) -> list[Estimate]:
    """Success after each prefix; known for one that ends the reply."""
    ended = [
        bool(reply) and (reply[-1] in policy.stop_ids or len(reply) >= policy.budget) for _, reply in places
    ]
    jobs = [
        Job(problem, reply, 0, num_rollouts, "precision")
        for (problem, reply), over in zip(places, ended, strict=True)
        if not over
    ]
    sampled = iter(rollouts.roll(policy, jobs))
    verdicts = rollouts.judge_replies(policy, places)
    return [
        known(verdict == Verdict.RIGHT) if over else rollouts.estimate(next(sampled))
        for over, verdict in zip(ended, verdicts, strict=True)
    ]


def share(part: int, whole: int) -> list[float]:
    """Value, low and high (Wilson, 95 %)."""
    low, high = wilson(part, whole)
    return [round(part / max(1, whole), 3), round(low, 3), round(high, 3)]


if __name__ == "__main__":
    main()
