"""Kill training with SIGKILL at random steps, let it go on each time, and compare final weights bit by bit.

    python benchmarks/exact_resume.py [KILLS]     # 20 kills, a minute on one core; needs no data

A small Phi-3 model is trained on made-up documents, once undisturbed and once with KILLS kills at random
(seeded) steps: the process kills itself before a step's gradient, after it, or while a checkpoint is
written. Half of the kills hit a run with AdamW, half one with Muon; both keep a running average of the
weights. Prints one JSON line: `ours` is the number of tensors that are torch.equal to the undisturbed
run's, `peer` the number of all of them.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

STEPS_BETWEEN_CHECKPOINTS = 5
SHAPE = {"hidden": 64, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 224, "vocab": 512, "context": 128}


def make_job(folder: Path, optimizer: str) -> tuple[Any, Any]:
    """What makes a job over two sources of random documents, and what makes its objective."""
    from trivium.models import phi
    from trivium.train import streams
    from trivium.train.loop import Job
    from trivium.train.settings import LoopConfig
    from trivium.train.tokens import TokenDocument, write_manifest, write_source

    rng = np.random.default_rng(0)
    lines = {}
    for name in ("code", "web"):
        texts = [rng.integers(0, 500, rng.integers(20, 200)).tolist() for _ in range(150)]
        made = [TokenDocument(f"{name}{n}", ids, len(ids)) for n, ids in enumerate(texts)]
        lines[name] = write_source(folder / "tokens", name, made, SHAPE["vocab"])
    write_manifest(folder / "tokens", SHAPE["vocab"], lines)
    phi.build(phi.ModelConfig(**SHAPE), 3).save_pretrained(folder / "start")
    config = LoopConfig(
        optimizer=optimizer, rows=4, row_tokens=128, checkpoint_steps=STEPS_BETWEEN_CHECKPOINTS, average=0.95
    )
    chosen = streams.epoch_streams(folder / "tokens", {"code": 1.0, "web": 1.0})
    make = functools.partial(streams.next_token, folder / "tokens", chosen, config, 7)
    return functools.partial(Job, model=folder / "start", objective=make, config=config, label="train"), make


def mortal(when: int, where: str) -> Any:
    """The engine of whole models, killed by SIGKILL at one step."""
    from trivium.train import engine

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    class Mortal(engine.WholeModel):
        def gradient(self, step: int) -> Any:
            if step == when and where == "before the gradient":
                die()
            found = super().gradient(step)
            if step == when and where == "after the gradient":
                die()
            return found

        def save(self, step: int, history: Any) -> None:
            if step > when and where == "while saving":
                os.replace = lambda *paths: die()
            super().save(step, history)

    return Mortal


def start(job: Any, out: Path, when: int = -1, where: str = "never") -> int:
    """Run the job in a process of its own; minus the signal that ended it, or its exit code."""
    child = os.fork()
    if not child:
        from safetensors.torch import save_file

        from trivium.train import loop

        loop.WholeModel = mortal(when, where)
        model, _ = loop.run_job(job)
        save_file({name: weight.detach() for name, weight in model.named_parameters()}, out)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def measure(folder: Path, optimizer: str, kills: int) -> tuple[int, int, int]:
    """Tensors that are the same, all tensors, kills that hit."""
    import torch
    from safetensors.torch import load_file

    job, make = make_job(folder, optimizer)
    steps = make().num_steps
    whole, killed = (job(scratch=folder / name / "scratch") for name in ("whole", "killed"))
    outs = [folder / f"{name}.safetensors" for name in ("whole", "killed")]
    assert start(whole, outs[0]) == 0
    rng, hits = random.Random(optimizer), 0
    for when in sorted(rng.sample(range(steps - STEPS_BETWEEN_CHECKPOINTS), kills)):
        where = rng.choice(("before the gradient", "after the gradient", "while saving"))
        code = start(killed, outs[1], when, where)
        hits += code == -signal.SIGKILL
        print(f"{optimizer}: step {when} of {steps}, {where}: exit code {code}", flush=True)
    assert start(killed, outs[1]) == 0
    one, two = (load_file(out) for out in outs)
    logs = [(folder / name / "log.jsonl").read_text() for name in ("whole", "killed")]
    print(f"{optimizer}: log.jsonl the same to the byte: {logs[0] == logs[1]}")
    return sum(torch.equal(one[name], two[name]) for name in one), len(one), hits


def main(kills: int) -> None:
    """Measure both optimizers and print."""
    same, tensors, hits = 0, 0, 0
    for optimizer, share in (("adamw", kills - kills // 2), ("muon", kills // 2)):
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder), optimizer, share)
        same, tensors, hits = same + found[0], tensors + found[1], hits + found[2]
    print(f"kills that hit: {hits} of {kills}; tensors that are torch.equal: {same} of {tensors}")
    line = {"name": f"final tensors equal to the bit after {hits} kills", "ours": same, "peer": tensors}
    holds = same == tensors and hits == kills
    versions = {"torch": metadata.version("torch")}
    print(json.dumps(line | {"ratio": same / tensors, "target": 1.0, "holds": holds, "versions": versions}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
