"""Tokens a second of our training loop against HF Trainer, TRL's SFTTrainer and litgpt's plain loop.

    python benchmarks/train_vs_peers.py [STEPS] [SIZE ...]     # 10 steps; sizes nano and mini (1M and 8M)

Needs trl, accelerate, datasets and litgpt beside our own packages (in an environment of its own: pip
install trl accelerate datasets litgpt; litgpt and lightning with --no-deps). The same Phi-3 shape, the same
rows of 256 tokens, 8 rows a step, AdamW with clipping at 1.0, one thread. Every contestant runs in a
process of its own, ROUNDS times, in turns. The peers get our malloc settings, which make them faster than a
plain shell does (one line shows Trainer in a plain shell), and bfloat16 autocast beside float32 where a
product is at least twice as fast in it; gradient checkpointing is off. Ours runs as `trivium train` does.

Speed is tokens over seconds of processor time, in the median step, so that a neighbour on the machine does
not count; on an idle machine that is wall time, since there is one thread. Prints the share of the float32
GEMM peak of this processor and the largest resident memory, then one JSON line a size: `ours` and `peer`
are tokens a second, the peer being the fastest of all.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

ROWS, ROW_TOKENS, LEARNING_RATE = 8, 256, 1e-3
WARM_UP = 2
"""Steps at the start that are not timed."""
ROUNDS = 2
TARGET = 1.5
PLAIN_SHELL = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
PEERS = ("trainer", "sft_trainer", "litgpt")


class Clock:
    """Processor seconds of every step."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def mark(self) -> None:
        self.marks.append(time.process_time())

    def seconds(self) -> float:
        """The median step, the first ones left out."""
        spans = [b - a for a, b in zip(self.marks, self.marks[1:], strict=False)]
        return statistics.median(spans[WARM_UP:])


def rows(steps: int, vocab: int) -> Any:
    """Ids of every row, (steps x ROWS, ROW_TOKENS + 1): Zipf-like, the same for everybody."""
    import numpy as np

    rng = np.random.default_rng(0)
    ids = rng.zipf(1.3, (steps * ROWS, ROW_TOKENS + 1)) % (vocab - 5)
    return ids.astype(np.int64)


def make_model(size: str) -> Any:
    """Our initial weights, as a plain Hugging Face model with eager attention (the faster one at 256)."""
    from trivium.models import phi

    return phi.build(phi.LADDER[size], 0)


def ours(size: str, steps: int, precision: str, clock: Clock) -> float:
    """Our loop, over a token store that holds the same rows."""
    from trivium.models import phi, runtime
    from trivium.train import engine, forward, streams
    from trivium.train.loop import train_with
    from trivium.train.settings import LoopConfig
    from trivium.train.tokens import TokenDocument, write_manifest, write_source

    class Timed(engine.WholeModel):
        def gradient(self, step: int) -> Any:
            clock.mark()
            return super().gradient(step)

    runtime.settle()
    vocab = phi.LADDER[size].vocab
    config = LoopConfig(
        learning_rate=LEARNING_RATE, schedule="constant", rows=ROWS, row_tokens=ROW_TOKENS,
        micro_tokens=ROWS * ROW_TOKENS, checkpoint_steps=10**9, precision=precision,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "tokens"
        documents = [TokenDocument(f"r{n}", ids.tolist(), 1) for n, ids in enumerate(rows(steps, vocab))]
        write_manifest(store, vocab, {"made": write_source(store, "made", documents, vocab)})
        objective = streams.next_token(store, streams.epoch_streams(store, {"made": 1.0}), config, 0)
        model = make_model(size).train()
        with forward.precision(model, config.precision):
            history = train_with(Timed(model, objective, config, Path(folder), 0), objective, config)
        clock.mark()
    assert float(history.stats_SG2[:, :, 1].sum()) == steps * ROWS * ROW_TOKENS
    return float(history.stats_SG2[-1, 0, 0] / history.stats_SG2[-1, 0, 1])


def dataset(size: str, steps: int) -> Any:
    import datasets

    from trivium.models import phi

    ids = rows(steps, phi.LADDER[size].vocab)[:, :ROW_TOKENS].tolist()
    # Of ones: there is no padding, but SFTTrainer insists on a mask.
    columns = {"input_ids": ids, "labels": ids, "attention_mask": [[1] * ROW_TOKENS] * len(ids)}
    return datasets.Dataset.from_dict(columns)


def arguments(kind: Any, folder: str, steps: int, precision: str, **more: Any) -> Any:
    return kind(
        output_dir=folder, use_cpu=True, bf16=precision == "bfloat16", per_device_train_batch_size=ROWS,
        max_steps=steps, learning_rate=LEARNING_RATE, lr_scheduler_type="constant", max_grad_norm=1.0,
        optim="adamw_torch_fused", logging_strategy="no", save_strategy="no", report_to=[],
        disable_tqdm=True, gradient_checkpointing=False, **more,
    )  # fmt: skip


def callback(clock: Clock) -> Any:
    from transformers import TrainerCallback

    class Timer(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            clock.mark()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            clock.mark()

    return Timer()


def trainer(size: str, steps: int, precision: str, clock: Clock) -> float:
    """transformers.Trainer."""
    from transformers import Trainer, TrainingArguments, default_data_collator

    with tempfile.TemporaryDirectory() as folder:
        made = Trainer(
            make_model(size), arguments(TrainingArguments, folder, steps, precision),
            train_dataset=dataset(size, steps), data_collator=default_data_collator,
            callbacks=[callback(clock)],
        )  # fmt: skip
        return float(made.train().training_loss)


def sft_trainer(size: str, steps: int, precision: str, clock: Clock) -> float:
    """trl.SFTTrainer on ids, so that no text has to be tokenised."""
    import tokenizers
    from transformers import PreTrainedTokenizerFast, default_data_collator
    from trl import SFTConfig, SFTTrainer

    words = tokenizers.models.WordLevel({"a": 0, "b": 1}, unk_token="a")
    plain = PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(words), pad_token="a", eos_token="b", unk_token="a"
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = arguments(
            SFTConfig, folder, steps, precision, max_length=ROW_TOKENS, remove_unused_columns=False,
            dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        made = SFTTrainer(
            make_model(size), args=settings, train_dataset=dataset(size, steps), processing_class=plain,
            data_collator=default_data_collator, callbacks=[callback(clock)],
        )  # fmt: skip
        return float(made.train().training_loss)


def litgpt(size: str, steps: int, precision: str, clock: Clock) -> float:
    """The loop of litgpt/pretrain.py with its model and its loss, without Fabric's overhead."""
    import torch
    from litgpt.config import Config
    from litgpt.model import GPT
    from litgpt.utils import chunked_cross_entropy

    from trivium.models import phi

    shape = phi.LADDER[size]
    config = Config.from_name(
        "phi-4", n_layer=shape.layers, n_embd=shape.hidden, n_head=shape.heads, n_query_groups=shape.kv_heads,
        head_size=shape.head_size, intermediate_size=shape.ffn, vocab_size=shape.vocab,
        padded_vocab_size=shape.vocab, block_size=ROW_TOKENS, rope_base=int(shape.rope_theta),
    )  # fmt: skip
    torch.manual_seed(0)
    model = GPT(config)
    model.max_seq_length = ROW_TOKENS
    if shape.tied:
        model.lm_head.weight = model.transformer.wte.weight
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    data = torch.from_numpy(rows(steps, shape.vocab)).split(ROWS)
    for batch in data:
        clock.mark()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(batch[:, :ROW_TOKENS].contiguous())
            loss = chunked_cross_entropy(logits, batch[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    clock.mark()
    return float(loss.detach())


def gemm_peak(dtype: str) -> float:
    """FLOP/s of the best of several square products, one thread."""
    import torch

    best = 0.0
    for width in (512, 1024, 2048):
        one, two = (torch.randn(width, width).to(getattr(torch, dtype)) for _ in range(2))
        for _ in range(8):
            began = time.process_time()
            one @ two
            best = max(best, 2 * width**3 / max(time.process_time() - began, 1e-9))
    return best


def run_one(name: str, size: str, steps: int, precision: str) -> None:
    """What a child process does: run one contestant and print what it measured."""
    import torch

    torch.set_num_threads(1)
    if name == "gemm":
        print(json.dumps({"float32": gemm_peak("float32"), "bfloat16": gemm_peak("bfloat16")}))
        return
    clock = Clock()
    loss = {"ours": ours, "trainer": trainer, "sft_trainer": sft_trainer, "litgpt": litgpt}[name](
        size, steps, precision, clock
    )
    speed = ROWS * ROW_TOKENS / clock.seconds()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"tokens_per_second": speed, "memory_mib": peak, "loss": loss}))


def child(name: str, size: str, steps: int, precision: str, malloc: str) -> dict[str, Any]:
    """Start a contestant in a process of its own."""
    from trivium.models.runtime import SETTINGS

    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    settings = SETTINGS if malloc == "ours" else PLAIN_SHELL
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, size, str(steps), precision],
        env={**clean, **settings}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name} {size} {precision}: failed\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def contest(size: str, steps: int) -> None:
    """Run everybody in turns and print a table and a JSON line."""
    import torch

    from trivium.models import phi
    from trivium.models.precision import GAIN, bfloat16_gain

    torch.set_num_threads(1)
    kinds = ("float32", "bfloat16") if bfloat16_gain() >= GAIN else ("float32",)
    entries = [("ours", "auto", "ours")]
    entries += [(peer, kind, "ours") for peer in PEERS for kind in kinds] + [("trainer", "float32", "shell")]
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for _ in range(ROUNDS):
        for entry in entries:
            one = child(entry[0], size, steps, *entry[1:])
            best = max(one, found.get(entry, one), key=lambda result: result["tokens_per_second"])
            found[entry] = best
    peaks = child("gemm", size, steps, "float32", "ours")
    shape = phi.LADDER[size]
    flops = phi.flops_per_token(shape, ROW_TOKENS)
    print(f"\n{size}: {phi.count_parameters(shape):,} parameters, {ROWS} x {ROW_TOKENS} tokens a step")
    print(f"GEMM peak: float32 {peaks['float32'] / 1e9:.0f}, bfloat16 {peaks['bfloat16'] / 1e9:.0f} GFLOP/s")
    for entry, one in found.items():
        name, precision, malloc = entry
        share = flops * one["tokens_per_second"] / peaks["float32"]
        print(
            f"{name:12} {precision:8} malloc {malloc:6} {one['tokens_per_second']:8.0f} tokens/s, "
            f"{share:5.0%} of the float32 peak, {one['memory_mib']:6.0f} MiB, loss {one['loss']:.2f}"
        )
    mine = found[entries[0]]
    rival, theirs = max(
        ((entry, one) for entry, one in found.items() if entry[0] != "ours"),
        key=lambda pair: pair[1]["tokens_per_second"],
    )
    ratio = mine["tokens_per_second"] / theirs["tokens_per_second"]
    line = {
        "name": f"training tokens a second, {size}, one thread",
        "ours": round(mine["tokens_per_second"]),
        "peer": round(theirs["tokens_per_second"]),
        "best_peer": " ".join(rival),
        "ratio": round(ratio, 3),
        "target": TARGET,
        "holds": ratio >= TARGET,
        "share_of_float32_peak": round(flops * mine["tokens_per_second"] / peaks["float32"], 3),
        "memory_mib": {"ours": round(mine["memory_mib"]), "peer": round(theirs["memory_mib"])},
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "trl", "litgpt")},
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
        for size in [word for word in sys.argv[1:] if not word.isdigit()] or ["nano", "mini"]:
            contest(size, numbers[0] if numbers else 10)
