"""How many tokens until a tiny model finds induction: a plain start against a prepared first layer.

    python benchmarks/induction.py [STEPS]

Both models see the same key-value documents (40 keys, 40 values, 2 to 8 pairs, asked twice) with the same
optimizer, one thread, one seed. Prints the recall of four and of twelve pairs as training goes on, then one
JSON line with the recall of four pairs at the end. The prepared start is `trivium.models.previous_token`.
"""

from __future__ import annotations

import json
import random
import sys
from importlib import metadata

import torch
from torch.nn import functional

from trivium.models.phi import PREVIOUS_TOKEN_LAYER, ModelConfig, build
from trivium.train.optimizers import freeze, make_optimizers, set_lr, trainable
from trivium.train.settings import LoopConfig

KEYS, VALUES = range(10, 50), range(60, 100)
START, NEXT, ASK = 1, 2, 3
ROWS, LENGTH = 8, 128
SHAPE = ModelConfig(hidden=128, layers=3, heads=4, kv_heads=4, ffn=448, vocab=128)


def document(rng: random.Random, pairs: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the ids of the told part and its pairs."""
    told = [(key, rng.choice(VALUES)) for key in rng.sample(KEYS, pairs)]
    return [START, *(token for pair in told for token in (*pair, NEXT))], told


def row(rng: random.Random) -> list[int]:
    """Return LENGTH ids: documents whose pairs are asked twice, half of the time in the order told."""
    ids: list[int] = []
    while len(ids) < LENGTH:
        head, told = document(rng, rng.choice([2, 3, 4, 5, 6, 8]))
        ids += head
        for _ in range(2):
            asked = rng.sample(told, len(told)) if rng.random() < 0.5 else told
            ids += [ASK, *(token for pair in asked for token in (*pair, NEXT))]
    return ids[:LENGTH]


@torch.no_grad()
def recall(model: torch.nn.Module, pairs: int, questions: int = 200) -> float:
    """Return the share of keys whose value is the model's first choice."""
    rng = random.Random(pairs)
    right = 0
    for _ in range(questions):
        head, told = document(rng, pairs)
        key, value = rng.choice(told)
        logits_V = model(input_ids=torch.tensor([[*head, ASK, key]])).logits[0, -1]
        right += int(logits_V.argmax()) == value
    return right / questions


def learn(prepared: bool, steps: int) -> float:
    """Train one model; returns its recall of four pairs."""
    config = LoopConfig(learning_rate=6e-3, optimizer="muon", frozen=PREVIOUS_TOKEN_LAYER if prepared else ())
    model = build(SHAPE, 0, previous_token=prepared)
    freeze(model, config.frozen)
    optimizers = make_optimizers(trainable(model), config)
    rng = random.Random(0)
    for step in range(steps):
        set_lr(optimizers, config.learning_rate * min(1.0, (step + 1) / 30))
        ids_BT = torch.tensor([row(rng) for _ in range(ROWS)])
        logits_BTV = model(input_ids=ids_BT).logits[:, :-1]
        functional.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(list(trainable(model).values()), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if (step + 1) % max(1, steps // 6) == 0:
            name = "prepared" if prepared else "plain"
            tokens = (step + 1) * ROWS * LENGTH
            few, many = recall(model, 4), recall(model, 12)
            print(f"{name:8} {tokens:>9,} tokens: recall of 4 pairs {few:.2f}, of 12 {many:.2f}")
    return recall(model, 4)


def main(steps: int) -> None:
    """Print both curves and the comparison."""
    torch.set_num_threads(1)
    ours, peer = learn(True, steps), learn(False, steps)
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    line = {"name": "recall of four pairs, prepared first layer against plain", "ours": ours, "peer": peer}
    ratio = ours / max(peer, 1e-9)
    print(json.dumps(line | {"ratio": ratio, "target": 2.0, "holds": ratio >= 2.0, "versions": versions}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 360)
