"""Rollouts a second of CPU time: our sampler against `transformers.generate`, one thread each, same run.

    python benchmarks/sampler_vs_generate.py runs/pocket/*-sft/model

Both sample the same word problems at temperature 1, 16 rollouts a problem, at batch 256, until the model
ends its reply or the budget runs out; only tokens up to the end count. `generate` gets its prompts padded on
the left, in batches, as it is used everywhere. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from trivium.models import chat
from trivium.models.load import Tokenizer, load_model, load_tokenizer
from trivium.models.runtime import settle
from trivium.models.sample import Request, sample
from trivium.models.sample_draw import request_seed
from trivium.problems import word

BATCH, ROLLOUTS, BUDGET, TARGET = 256, 16, 96, 4.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a chat checkpoint")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    settle(threads=1)
    tokenizer = load_tokenizer(args.model)
    requests = make_requests(tokenizer, args.problems)
    stops = chat.stop_ids(tokenizer)
    ours, peer = [], []
    lean = load_model(args.model)
    general = load_model(args.model, attention="sdpa")  # generate's faster choice here
    for _ in range(args.repeats):
        ours.append(rate(lambda: run_ours(lean, requests, stops)))
        peer.append(rate(lambda: run_generate(general, requests, stops, tokenizer.pad_id)))
        print(f"tokens per CPU second: ours {ours[-1]:,.0f}, generate {peer[-1]:,.0f}", flush=True)
    best, other = max(ours), max(peer)
    line = {
        "name": "sampler_vs_generate",
        "ours": round(best, 1),
        "peer": round(other, 1),
        "ratio": round(best / other, 2),
        "target": TARGET,
        "holds": best / other >= TARGET,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    print(json.dumps(line))


def make_requests(tokenizer: Tokenizer, count: int) -> list[Request]:
    """16 rollouts of each of `count` fresh word problems."""
    return [
        Request(tuple(chat.prompt_ids(tokenizer, q.prompt, "chat")), request_seed(q.id, i), BUDGET)
        for q in word.make(7, count, steps=(2, 6))
        for i in range(ROLLOUTS)
    ]


def run_ours(model: Any, requests: list[Request], stops: tuple[int, ...]) -> int:
    """Tokens that our sampler made."""
    done = sample(model, requests, temperature=1.0, stop_ids=stops, batch_size=BATCH)
    return sum(len(completion.logprobs) for completion in done)


def run_generate(model: Any, requests: list[Request], stops: tuple[int, ...], pad: int) -> int:
    """Tokens that `generate` made, up to and with the end of each reply."""
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
                top_k=0, top_p=1.0, pad_token_id=pad, eos_token_id=list(stops),
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
