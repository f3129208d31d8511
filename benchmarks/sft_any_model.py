"""Fine-tune any Hugging Face model on conversations: tokens a second, peak memory, loss, beside a plain loop.

    python benchmarks/sft_any_model.py MODEL CONVERSATIONS.jsonl --steps 200

Conversations are rows with `messages`, or with a question and an answer under their usual names (GSM8K's
train.jsonl as it is); the model's own chat template writes them. First the peer: the loop that everybody
writes, `model(input_ids, attention_mask, labels).loss`, batches in the order of the file, padded to their
longest. Then the stage `sft` of a recipe, as many tokens a step, whose checkpoint is loaded again at the end.
--layouts also times a forward and backward pass of documents as padded rows and as one flat row with a
block-diagonal mask. Rates are for a second of CPU time on one thread. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trivium.models.load import load_model, load_tokenizer
from trivium.models.prompting import make_encoder
from trivium.models.runtime import settle
from trivium.records import Example, Message
from trivium.store.row_files import read_rows
from trivium.store.run import StageDir
from trivium.train import sft_stage
from trivium.train.settings import LoopConfig

ROW_TOKENS, LEARNING_RATE, TARGET = 512, 1e-5, 1.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="Hugging Face folder")
    parser.add_argument("conversations", type=Path, help="JSONL file")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1, help=f"rows of {ROW_TOKENS} tokens a step")
    parser.add_argument("--peer-steps", type=int, default=8)
    parser.add_argument("--layouts", action="store_true")
    args = parser.parse_args()
    settle(threads=1)
    tokens = args.rows * ROW_TOKENS
    examples, documents = take(args.model, read(args.conversations), tokens * args.steps)
    if args.layouts:
        layouts(args.model, [ids for ids, _ in documents], tokens)
    peer = plain_loop(args.model, documents, tokens, args.peer_steps)
    print(f"plain loop: {peer:,.1f} tokens per CPU second", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = fine_tune(args.model, examples, [ids for ids, _ in documents], args.rows, Path(folder))
    line = {
        "name": "sft_any_model",
        **found,
        "plain_loop": round(peer, 1),
        "ratio": round(found["tokens_per_cpu_second"] / peer, 2),
        "target": TARGET,
        "holds": found["tokens_per_cpu_second"] >= TARGET * peer,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    print(json.dumps(line))


def read(path: Path) -> list[Example]:
    """Conversations of a file."""
    found = []
    for number, row in enumerate(read_rows(path)):
        turns = row.get("messages") or [
            {"role": "user", "content": row.get("question") or row.get("prompt")},
            {"role": "assistant", "content": row.get("answer") or row.get("response")},
        ]
        messages = [Message(role=turn["role"], content=turn["content"]) for turn in turns]
        found.append(Example(id=f"c{number}", source="chat", flow="chat", messages=messages))
    return found


def take(
    model: Path, examples: Sequence[Example], tokens: int
) -> tuple[list[Example], list[tuple[list[int], list[bool]]]]:
    """So many conversations that they fill the tokens, and their ids with marks on the replies."""
    encode = make_encoder(model, load_tokenizer(model))
    chosen: list[Example] = []
    documents: list[tuple[list[int], list[bool]]] = []
    for example in examples:
        if tokens <= 0:
            break
        chosen.append(example)
        documents.append(encode(example.messages))
        tokens -= len(documents[-1][0])
    return chosen, documents


def fine_tune(
    model: Path, examples: Sequence[Example], ids: Sequence[list[int]], rows: int, folder: Path
) -> dict[str, Any]:
    """Run the stage and load what it wrote."""
    from trivium.store.files import read_parquet

    paths = {name: folder / name for name in ("sft_data", "sft")}
    for path in paths.values():
        path.mkdir()
    stage = StageDir(name="sft", path=paths["sft"], seed=0, inputs=paths)
    StageDir(name="sft_data", path=paths["sft_data"], seed=0).write("examples", Example, examples)
    loop = LoopConfig(
        learning_rate=LEARNING_RATE,
        rows=rows,
        row_tokens=ROW_TOKENS,
        weight_decay=0.0,
        checkpoint_steps=10_000,
    )
    began, wall = time.process_time(), time.perf_counter()
    found = sft_stage.run(sft_stage.SFTConfig(start=str(model), epochs=1.0, loop=loop), stage)
    seconds, wall = time.process_time() - began, time.perf_counter() - wall
    losses = read_parquet(paths["sft"] / "losses.parquet").column("loss").to_pylist()
    load_model(paths["sft"] / "model")
    read_tokens = sum(len(one) - 1 for one in ids if len(one) <= ROW_TOKENS + 1)
    tenth = max(1, len(losses) // 10)
    return {
        "steps": found["steps"],
        "tokens": read_tokens,
        "tokens_per_cpu_second": round(read_tokens / seconds, 1),
        "tokens_per_second": round(read_tokens / wall, 1),
        "reply_tokens": found["tokens"],
        "loss_first_tenth": round(sum(losses[:tenth]) / tenth, 4),
        "loss_last_tenth": round(sum(losses[-tenth:]) / tenth, 4),
        "parameters": found["parameters"],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def plain_loop(
    model: Path, documents: Sequence[tuple[list[int], list[bool]]], tokens: int, steps: int
) -> float:
    """Tokens a CPU second of the loop that everybody writes."""
    import torch

    from trivium.train.work import fill

    policy = load_model(model, attention="sdpa")
    optimizer = torch.optim.AdamW(policy.parameters(), lr=LEARNING_RATE)
    batches = fill(documents, [len(ids) for ids, _ in documents], tokens)[:steps]
    began, count = time.process_time(), 0
    for batch in batches:
        width = max(len(ids) for ids, _ in batch)
        ids_BT = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in batch])
        mask_BT = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in batch])
        said = [[i if mark else -100 for i, mark in zip(*one, strict=True)] for one in batch]
        labels_BT = torch.tensor([row + [-100] * (width - len(row)) for row in said])
        policy(input_ids=ids_BT, attention_mask=mask_BT, labels=labels_BT, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        count += sum(len(ids) for ids, _ in batch)
    return count / (time.process_time() - began)


def layouts(model: Path, documents: Sequence[list[int]], tokens: int) -> None:
    """Time one forward and backward pass of some documents in both layouts, with both attentions."""
    import torch

    from trivium.train import forward_any
    from trivium.train.work import fill

    (chosen, *_) = fill(documents, [len(ids) for ids in documents], 2 * tokens)
    ids_N, lengths = torch.tensor([i for ids in chosen for i in ids]), [len(ids) for ids in chosen]
    owner_N = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    seen_NN = (owner_N[:, None] == owner_N[None]).tril()
    positions_N = torch.cat([torch.arange(length) for length in lengths])
    for attention in ("eager", "sdpa"):
        policy: Any = load_model(model, attention=attention)
        hidden = torch.finfo(torch.float32).min
        mask = torch.zeros(seen_NN.shape).masked_fill(~seen_NN, hidden) if attention == "eager" else seen_NN

        def flat(policy: Any = policy, mask: Any = mask) -> Any:
            body = policy.get_decoder()
            return body(
                input_ids=ids_N[None], position_ids=positions_N[None], attention_mask=mask[None, None],
                use_cache=False,
            ).last_hidden_state[0]  # fmt: skip

        def rows(policy: Any = policy) -> Any:
            return forward_any.hidden_states(policy, ids_N, lengths)

        for name, work in (("padded rows", rows), ("one flat row", flat)):
            seconds = min(_time(work, policy) for _ in range(2))
            print(f"{attention}, {name}: {len(ids_N) / seconds:,.1f} tokens per CPU second", flush=True)


def _time(work: Callable[[], Any], policy: Any) -> float:
    began = time.process_time()
    work().square().sum().backward()
    policy.zero_grad()
    return time.process_time() - began


if __name__ == "__main__":
    main()
