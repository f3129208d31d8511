"""Kill training with SIGKILL at random steps, let it go on each time, and compare final weights bit by bit.

    python benchmarks/exact_resume.py [KILLS]     # 20 kills, about ten minutes on one core; needs no data

A small Phi-3 model is trained on made-up documents, once undisturbed and once with KILLS kills at random
(seeded) steps: the process kills itself before a step's gradient, after it, or while a checkpoint is
written. Half of the kills hit a run with AdamW, half one with Muon; both keep a running average of the
weights. Prints one JSON line: `ours` is the number of tensors that are torch.equal to the undisturbed
run's, `peer` the number of all of them.
"""

from __future__ import annotations

import functools
import json
import random
import signal
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

STEPS_BETWEEN_CHECKPOINTS = 5
SHAPE = {"hidden": 64, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 224, "vocab": 512, "context": 128}

CHILD = """
import os, pathlib, pickle, signal, sys
from trivium.store import files
from trivium.train import engine, loop

job, out, when, where = pickle.load(open(sys.argv[1], "rb")), sys.argv[2], int(sys.argv[3]), sys.argv[4]

class Mortal(engine.WholeModel):
    def gradient(self, step):
        if step == when and where == "before the gradient":
            os.kill(os.getpid(), signal.SIGKILL)
        found = super().gradient(step)
        if step == when and where == "after the gradient":
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    def save(self, step, history):
        if step > when >= 0 and where == "while saving":
            replace = os.replace
            os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
        super().save(step, history)

loop.WholeModel = Mortal
model, history = loop.run_job(job)
from safetensors.torch import save_file
save_file({name: weight.detach() for name, weight in model.named_parameters()}, out)
"""


def make_job(folder: Path, optimizer: str):
    """A job over two sources of random documents, pickled."""
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


def start(folder: Path, job: Path, out: Path, when: int, where: str) -> int:
    """Run the job in a process of its own; its exit code."""
    words = [sys.executable, str(folder / "child.py"), str(job), str(out), str(when), where]
    return subprocess.run(words, stderr=subprocess.DEVNULL).returncode


def measure(folder: Path, optimizer: str, kills: int) -> tuple[int, int, int]:
    """Tensors that are the same, all tensors, kills that hit."""
    import pickle

    import torch
    from safetensors.torch import load_file

    job, make = make_job(folder, optimizer)
    steps = make().num_steps
    (folder / "child.py").write_text(CHILD)
    for name in ("whole", "killed"):
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(job(scratch=folder / name / "scratch")))
    assert start(folder, folder / "whole.pickle", folder / "whole.safetensors", -1, "never") == 0
    rng = random.Random(0)
    moments = sorted(rng.sample(range(steps - STEPS_BETWEEN_CHECKPOINTS), kills))
    hits = 0
    for when in moments:
        where = rng.choice(("before the gradient", "after the gradient", "while saving"))
        code = start(folder, folder / "killed.pickle", folder / "killed.safetensors", when, where)
        hits += code == -signal.SIGKILL
        print(f"{optimizer}: killed at step {when} of {steps}, {where}: exit code {code}", flush=True)
    assert start(folder, folder / "killed.pickle", folder / "killed.safetensors", -1, "never") == 0
    one, two = (load_file(folder / f"{name}.safetensors") for name in ("whole", "killed"))
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
