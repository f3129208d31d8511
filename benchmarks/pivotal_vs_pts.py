"""Cost of a confirmed pivotal token: our search against codelion/pts, same model, questions, gap, verifier.

    python benchmarks/pivotal_vs_pts.py PATH_TO_CHECKOUT MODEL QUESTIONS.jsonl --questions-limit 20

Needs a checkout of github.com/codelion/pts, and `tqdm` and `accelerate` beside our own packages. Its searcher
runs unchanged; its dataset loading does not, and our verifier stands in for its oracle, which never judges
custom questions right. It is given each prompt as text, rendered with the model's chat format, as it leaves
the format out without a system prompt; the text has the same ids as our prompt. Both sample at one
temperature without top-k or top-p, one thread each. The peer's numbers of samples and generations default to
its cheapest documented setting (10 samples, 1 generation, one batch).

Every pivotal token that either reports (or --confirm-most of them, drawn evenly) is then estimated again with
--confirm fresh rollouts on each side, charged to no one; it is confirmed when the two differ by the gap. The
ratio of tokens comes with a 95 % interval over questions. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import random
import sys
import tempfile
import time
import types
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trivium import verify
from trivium.cli.pivot import EFFORTS, ROLLOUTS, WALKED
from trivium.models.runtime import settle
from trivium.models.sample import Request, cached_model, sample
from trivium.models.sample_draw import request_seed
from trivium.pivotal import pairs, questions, rollouts, shards
from trivium.pivotal.bisect import TIE
from trivium.pivotal.estimate import largest_shift
from trivium.pivotal.mine import mine
from trivium.pivotal.rollouts import Job, Policy, Problem
from trivium.pivotal.stage import PivotalConfig
from trivium.records import Verdict
from trivium.store.run import StageDir

TARGETS = {"tokens": 5.0, "cpu": 10.0}
"""How many times cheaper a confirmed pivot is to be."""


@dataclass(frozen=True)
class Reported:
    """A pivotal token as one of the two tools reports it."""

    problem: Problem
    prefix: tuple[int, ...]
    """Reply before the token."""
    token: int


@dataclass(frozen=True)
class Cost:
    """What a tool spent and reported."""

    reported: list[Reported]
    tokens: Counter[str]
    """By question."""
    cpu_seconds: float


def main() -> None:
    """Measure and print."""
    args = arguments()
    settle(threads=1)
    opened, problems, policy = open_ours(args, args.efforts[0])
    print(f"{len(problems)} questions", flush=True)
    costs = {effort: run_ours(*open_ours(args, effort), args.gap) for effort in args.efforts}
    for effort, cost in costs.items():
        print(f"{effort}: {told(cost)}", flush=True)
    costs["pts"] = run_peer(opened, problems, args)
    print(f"pts: {told(costs['pts'])}", flush=True)
    lines = {name: summary(policy, cost, opened.model_path, args) for name, cost in costs.items()}
    times = {effort: ratios(lines["pts"], lines[effort]) for effort in args.efforts}
    ids = [problem.question_id for problem in problems]
    intervals = {
        effort: tokens_interval(ids, costs["pts"], lines["pts"], costs[effort], lines[effort])
        for effort in args.efforts
    }
    for line in lines.values():
        del line["by_question"]
    report = {
        "name": "pivotal_vs_pts",
        **lines,
        "times_less": times,
        "times_less_tokens_95": intervals,
        "targets": TARGETS,
        "holds": all((times[args.efforts[0]][name] or 0) >= least for name, least in TARGETS.items()),
        "gap": args.gap,
        "confirm": args.confirm,
        "seed": args.seed,
    }
    print(json.dumps(report))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", help="folder of a codelion/pts checkout")
    parser.add_argument("model", help="folder of a chat model, safetensors")
    parser.add_argument("questions", help="question file")
    parser.add_argument("--questions-limit", type=int, default=20)
    parser.add_argument("--verifier", default="number")
    parser.add_argument("--system", default="", help="system turn of the chat")
    parser.add_argument("--prompt", default="{question}", help="what is asked, as of trivium pivot")
    parser.add_argument("--gap", type=float, default=0.2)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--efforts", nargs="+", choices=list(EFFORTS), default=list(EFFORTS))
    parser.add_argument("--confirm", type=int, default=100)
    parser.add_argument("--confirm-most", type=int, default=0, help="tokens confirmed a tool; 0 takes all")
    parser.add_argument("--pts-samples", type=int, default=10)
    parser.add_argument("--pts-generations", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def open_ours(args: argparse.Namespace, effort: str) -> tuple[shards.Settings, list[Problem], Policy]:
    """Settings of `trivium pivot`, the questions as prompts, and the policy."""
    with tempfile.TemporaryDirectory() as scratch:
        config = PivotalConfig(
            model=args.model,
            questions=args.questions,
            verifier=args.verifier,
            system=args.system,
            prompt=args.prompt,
            gap=args.gap,
            temperature=args.temperature,
            max_reply_tokens=args.max_tokens,
            num_questions=args.questions_limit,
            traces=WALKED,
            trace_rollouts=ROLLOUTS,
            **EFFORTS[effort],
        )
        stage = StageDir(name="pivotal", path=Path(scratch), seed=args.seed)
        opened = replace(shards.open_settings(config, stage), kept="")
        rows, _ = questions.read(Path(args.questions), questions.Columns(), args.verifier)
        problems = shards.prepare(config, stage, rows, opened)
    return opened, problems, shards.open_policy(opened)


def run_ours(opened: shards.Settings, problems: Sequence[Problem], policy: Policy, gap: float) -> Cost:
    """Search as `trivium pivot` does; loading the model is charged to no one."""
    sample(
        cached_model(opened.model_path),
        [Request(problems[0].prompt_ids, 0, 2)],
        temperature=1.0,
        stop_ids=tuple(policy.stop_ids),
    )
    began = time.process_time()
    mined = mine(policy, problems, opened.rule)
    seconds = time.process_time() - began
    accepted = [outcome for outcome in mined.outcomes if outcome.decision == "accept"]
    reported = [
        Reported(o.problem, o.candidate.branch.prefix, token.token_id)
        for o in accepted
        for token in pairs.pivotal_tokens(o, gap)
    ]
    tokens: Counter[str] = Counter()
    for row in mined.rollouts:
        tokens[row.question_id] += len(row.completion_ids)
    return Cost(reported, tokens, seconds)


def run_peer(opened: shards.Settings, problems: Sequence[Problem], args: argparse.Namespace) -> Cost:
    """Run the peer's own searcher over the same questions."""
    import torch
    from transformers import AutoTokenizer

    core = load_peer(Path(args.checkout))
    logging.disable(logging.INFO)
    tokenizer: Any = AutoTokenizer.from_pretrained(opened.model_path)
    by_prompt = {rendered(tokenizer, problem): problem for problem in problems}
    searcher = core.PivotalTokenSearcher(
        opened.model_path,
        oracle=make_oracle(core, by_prompt),
        device="cpu",
        prob_threshold=args.gap,
        temperature=args.temperature,
        top_p=1.0,
        top_k=0,
        max_new_tokens=args.max_tokens,
        num_samples=args.pts_samples,
        batch_size=args.pts_samples,
        trust_remote_code=False,
    )
    counted, tokens = count_tokens(searcher), Counter[str]()
    torch.manual_seed(args.seed)
    began = time.process_time()
    reported = []
    for prompt, problem in by_prompt.items():
        before = counted["tokens"]
        for pivot in searcher.search_pivotal_tokens(prompt, max_generations=args.pts_generations):
            reported.append((problem, pivot))
        tokens[problem.question_id] += counted["tokens"] - before
    seconds = time.process_time() - began
    logging.disable(logging.NOTSET)
    return Cost([peers_token(tokenizer, *one) for one in reported], tokens, seconds)


def load_peer(checkout: Path) -> Any:
    """Import the peer's core alone; its package file would import data set and clustering libraries."""
    package = types.ModuleType("pts")
    package.__path__ = [str(checkout / "pts")]
    sys.modules["pts"] = package
    return importlib.import_module("pts.core")


def rendered(tokenizer: Any, problem: Problem) -> str:
    """The prompt as text, which the peer tokenises again: to the same ids."""
    text = str(tokenizer.decode(problem.prompt_ids))
    assert tuple(tokenizer(text).input_ids) == problem.prompt_ids, text
    return text


def make_oracle(core: Any, by_prompt: dict[str, Problem]) -> Any:
    """Our verifier behind the peer's interface; it sees the reply without the prompt."""

    class Ours(core.Oracle):
        def check_success(self, query: str, response: str) -> bool:
            problem, reply = by_prompt[query], response[len(query) :]
            return verify.judge(problem.verifier, reply, problem.answer) == Verdict.RIGHT

    return Ours()


def count_tokens(searcher: Any) -> dict[str, int]:
    """Count what the peer generates, each sequence up to and with its first stop token."""
    real, counted = searcher.model.generate, {"tokens": 0}
    named = searcher.model.generation_config.eos_token_id
    stops = set(named if isinstance(named, list) else [named])

    def generate(input_ids: Any, **options: Any) -> Any:
        output = real(input_ids, **options)
        for row in output.sequences[:, input_ids.shape[1] :].tolist():
            counted["tokens"] += next((i + 1 for i, token in enumerate(row) if token in stops), len(row))
        return output

    searcher.model.generate = generate
    return counted


def peers_token(tokenizer: Any, problem: Problem, pivot: Any) -> Reported:
    """The peer's pivot by ids: it stores the context as text, which is tokenised again as it does itself."""
    ids = tuple(tokenizer(pivot.pivot_context, add_special_tokens=False).input_ids)
    return Reported(problem, ids[len(problem.prompt_ids) :], pivot.pivot_token_id)


def summary(policy: Policy, cost: Cost, model_path: str, args: argparse.Namespace) -> dict[str, Any]:
    """Confirm what was reported and divide."""
    tried = cost.reported
    if 0 < args.confirm_most < len(tried):
        tried = random.Random(args.seed).sample(tried, args.confirm_most)
    real = [abs(shift) >= args.gap - TIE for shift in confirm(policy, tried, args)]
    every = len(cost.reported) / max(1, len(tried))
    confirmed, tokens = every * sum(real), cost.tokens.total()
    bounds = token_probs(model_path, cost.reported, args.temperature)
    return {
        "reported": len(cost.reported),
        "tried": len(tried),
        "confirmed": sum(real),
        "beyond_the_bound": sum(largest_shift(prob) < args.gap for prob in bounds),
        "tokens": tokens,
        "cpu_seconds": round(cost.cpu_seconds, 1),
        "tokens_a_confirmed": round(tokens / confirmed, 1) if confirmed else None,
        "cpu_seconds_a_confirmed": round(cost.cpu_seconds / confirmed, 3) if confirmed else None,
        "by_question": Counter[str](
            one.problem.question_id for one, sure in zip(tried, real, strict=True) if sure
        ),
    }


def tokens_interval(
    ids: Sequence[str], peer: Cost, peers: dict[str, Any], ours: Cost, line: dict[str, Any]
) -> tuple[float, float | None]:
    """Return a 95 % interval of the ratio of tokens over questions drawn anew; None for no upper bound."""
    drawn = np.random.default_rng(0).choice(len(ids), (4_000, len(ids)))
    sums = {
        (who, what): np.array([counts[name] for name in ids], dtype=float)[drawn].sum(axis=1)
        for who, cost, found in (("peer", peer, peers), ("ours", ours, line))
        for what, counts in (("tokens", cost.tokens), ("pivots", found["by_question"]))
    }
    shares = {"peer": peers["tried"] / peers["reported"], "ours": line["tried"] / line["reported"]}
    each = {
        who: sums[who, "tokens"] / np.maximum(sums[who, "pivots"], 1e-9) * share
        for who, share in shares.items()
    }
    low, high = np.quantile(each["peer"] / each["ours"], [0.025, 0.975])
    return round(float(low), 2), round(float(high), 2) if high < 1e6 else None


def confirm(policy: Policy, reported: Sequence[Reported], args: argparse.Namespace) -> list[float]:
    """Shift of every reported token in fresh rollouts."""
    fresh = replace(policy, seed=request_seed(args.seed, "confirm both"))
    sides = [(one.problem, one.prefix) for one in reported]
    sides += [(one.problem, (*one.prefix, one.token)) for one in reported]
    over = [bool(r) and (r[-1] in policy.stop_ids or len(r) >= policy.budget) for _, r in sides]
    jobs = [Job(p, r, 0, args.confirm, "check") for (p, r), done in zip(sides, over, strict=True) if not done]
    sampled = iter(rollouts.roll(fresh, jobs))
    verdicts = rollouts.judge_replies(fresh, sides)
    probs = [
        float(verdict == Verdict.RIGHT) if done else rollouts.estimate(next(sampled)).prob
        for done, verdict in zip(over, verdicts, strict=True)
    ]
    return [after - before for before, after in zip(probs, probs[len(reported) :], strict=False)]


def token_probs(model_path: str, reported: Sequence[Reported], temperature: float) -> list[float]:
    """Sampling probability of every reported token after its prefix."""
    import torch

    model = cached_model(model_path)
    found = []
    with torch.inference_mode():
        for one in reported:
            logits_V = model(input_ids=torch.tensor([[*one.problem.prompt_ids, *one.prefix]])).logits[0, -1]
            found.append(float(torch.softmax(logits_V.float() / temperature, dim=-1)[one.token]))
    return found


def told(cost: Cost) -> str:
    """What a tool spent, in words."""
    return f"{len(cost.reported)} reported, {cost.tokens.total():,} tokens, {cost.cpu_seconds:.1f} CPU-s"


def ratios(peer: dict[str, Any], ours: dict[str, Any]) -> dict[str, float | None]:
    """How many times more the peer needs; None where one of the two confirmed nothing."""
    return {
        name: round(peer[key] / ours[key], 2) if peer[key] and ours[key] else None
        for name, key in (("tokens", "tokens_a_confirmed"), ("cpu", "cpu_seconds_a_confirmed"))
    }


if __name__ == "__main__":
    main()
