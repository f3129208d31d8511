"""Rollouts a second of CPU time: our sampler against `transformers.generate`, one thread each, same run.

    python benchmarks/sampler_vs_generate.py runs/pocket/*-sft/model
    python benchmarks/sampler_vs_generate.py models/SmolLM2-135M-Instruct --problems 16 --repeats 1 --target 2

Both sample the same word problems at temperature 1, 16 rollouts a problem, at batch 256, twice: until the
model ends its reply, where only tokens up to the end count, and with every reply running to its budget.
`generate` gets its prompts padded on the left, in batches, as it is used everywhere. Then our sampler makes
--rollouts rollouts of 64 tokens, and the greatest memory of the whole process so far is printed, which holds
both copies of the model. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from trivium.models import prompting
from trivium.models.load import load_model, load_tokenizer
from trivium.models.runtime import settle
from trivium.models.sample import Request, sample
from trivium.models.sample_draw import request_seed
from trivium.problems import word

BATCH, ROLLOUTS, BUDGET, TARGET = 256, 16, 96, 4.0
LENGTH, PEAK_GIB = 64, 2.0


def main() -> None:
    """Measure and print."""
    args = arguments()
    settle(threads=1)
    tokenizer = load_tokenizer(args.model)
    requests = make_requests(prompting.make_asker(args.model, tokenizer), args.problems)
    lean = load_model(args.model)
    general = load_model(args.model, attention="sdpa")  # generate's faster choice here
    found = {}
    for name, stops in (("real_stops", prompting.stop_ids(args.model, tokenizer)), ("to_the_budget", ())):
        ours, peer = [], []
        for _ in range(args.repeats):
            ours.append(rate(lambda: run_ours(lean, requests, stops)))  # noqa: B023
            peer.append(rate(lambda: run_generate(general, requests, stops, tokenizer.pad_id)))  # noqa: B023
            print(
                f"{name}: tokens per CPU second: ours {ours[-1]:,.0f}, generate {peer[-1]:,.0f}", flush=True
            )
        found[name] = {
            "ours": round(max(ours), 1),
            "peer": round(max(peer), 1),
            "ratio": round(max(ours) / max(peer), 2),
        }
    peak = peak_of(lean, requests, args.rollouts)
    line = {
        "name": "sampler_vs_generate",
        **found,
        "target": args.target,
        "rollouts": args.rollouts,
        "peak_gib": round(peak, 2),
        "holds": all(one["ratio"] >= args.target for one in found.values()) and peak < PEAK_GIB,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    print(json.dumps(line))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a chat model")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rollouts", type=int, default=10_000, help="rollouts of 64 tokens; 0 for none")
    parser.add_argument("--target", type=float, default=TARGET)
    return parser.parse_args()


def peak_of(model: Any, requests: Sequence[Request], count: int) -> float:
    """Greatest memory of the process in GiB after `count` rollouts that all run to 64 tokens."""
    many = [
        replace(requests[index % len(requests)], seed=index, max_new_tokens=LENGTH) for index in range(count)
    ]
    sample(model, many, temperature=1.0, stop_ids=(), batch_size=BATCH)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def make_requests(ask: prompting.Asker, count: int) -> list[Request]:
    """16 rollouts of each of `count` fresh word problems."""
    return [
        Request(ask(q.prompt), request_seed(q.id, i), BUDGET)
        for q in word.make(7, count, steps=(2, 6))
        for i in range(ROLLOUTS)
    ]


def run_ours(model: Any, requests: list[Request], stops: tuple[int, ...]) -> int:
    """Tokens that our sampler made."""
    done = sample(model, requests, temperature=1.0, stop_ids=stops, batch_size=BATCH)
    return sum(len(completion.logprobs) for completion in done)


def run_generate(model: Any, requests: list[Request], stops: tuple[int, ...], pad: int) -> int:
    """Tokens that `generate` made, up to and with the end of each reply.

    Without stops it is given one that no model draws, since it would take the model's own for none.
    """
    import torch

    total = 0
    for start in range(0, len(requests), BATCH):
        prefixes = [request.prefix_ids for request in requests[start : start + BATCH]]
        width = max(map(len, prefixes))
        ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prefixes])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prefixes])
        with torch.inference_mode():
            out = model.generate(
                ids, attention_mask=mask, max_new_tokens=BUDGET, do_sample=True, temperature=1.0,
                top_k=0, top_p=1.0, pad_token_id=pad, eos_token_id=list(stops) or [model.config.vocab_size],
            )  # fmt: skip
        total += sum(length(row, stops) for row in out[:, width:].tolist())
    return total


def length(row: list[int], stops: tuple[int, ...]) -> int:
    """Tokens up to and with the first stop token."""
    return next((i + 1 for i, token in enumerate(row) if token in stops), len(row))


def rate(work: Callable[[], int]) -> float:
    """Tokens per second of CPU time: other programs on the machine do not count."""
    started = time.process_time()
    tokens = work()
    return tokens / (time.process_time() - started)


if __name__ == "__main__":
    main()
