"""A model cut over ranks learns what a whole one learns, and goes on after the death of a rank."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.train.test_loop import LOOP, make_run, train_afresh, weights

from trivium.errors import ConfigError
from trivium.models import phi
from trivium.models.load import Tokenizer, load_model
from trivium.train import sharded, streams
from trivium.train.loop import Job
from trivium.train.settings import LoopConfig


@pytest.fixture
def job(tmp_path: Path, tokenizer: Tokenizer, tokenizer_folder: Path, tiny: phi.ModelConfig) -> Job:
    return make_run(tmp_path, tokenizer, tokenizer_folder, tiny)


def mean_losses(history) -> torch.Tensor:
    return history.stats_SG2[:, :, 0].sum(1) / history.stats_SG2[:, :, 1].sum(1)


@pytest.mark.parametrize("ranks", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_any_number_of_ranks_trains_on_the_same_rows_to_the_same_loss(
    ranks: int, job: Job, tmp_path: Path
) -> None:
    whole, alone = train_afresh(job, tmp_path / "whole")
    cut, together = train_afresh(
        job, tmp_path / "cut", ranks=ranks, sharding="fsdp", recompute=ranks == 2, micro_tokens=32
    )
    assert torch.equal(alone.stats_SG2[:, :, 1], together.stats_SG2[:, :, 1])
    torch.testing.assert_close(mean_losses(alone), mean_losses(together), rtol=0, atol=1e-5)
    torch.testing.assert_close(alone.norm_S, together.norm_S, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(weights(whole), weights(cut), rtol=1e-3, atol=2e-4)
    assert whole.config.to_dict() == cut.config.to_dict()


def test_a_run_goes_on_from_its_checkpoint_with_another_number_of_ranks(job: Job, tmp_path: Path) -> None:
    settings = {"sharding": "fsdp", "average": 0.9, "checkpoint_steps": 4}
    _, whole = train_afresh(job, tmp_path / "whole", **settings)
    latest = json.loads((tmp_path / "whole" / sharded.LATEST).read_text())
    assert 0 < latest["step"] < len(whole.lr_S)
    _, resumed = train_afresh(job, tmp_path / "whole", ranks=2, **settings)
    assert torch.equal(whole.stats_SG2[: latest["step"]], resumed.stats_SG2[: latest["step"]])
    torch.testing.assert_close(mean_losses(whole), mean_losses(resumed), rtol=0, atol=1e-5)


def test_a_recomputed_layer_runs_twice_and_gives_the_same_gradient(job: Job) -> None:
    batch = job.objective().micro_batches(0, 0, 1)[0]
    found = []
    for recompute in (False, True):
        model = load_model(job.model, attention="sdpa").train()
        calls: list[int] = []
        model.model.layers[0].mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        if recompute:
            sharded.keep_layer_inputs(model)
        loss, *_ = sharded.flat_loss(model, *batch, torch.device("cpu"))
        loss.backward()
        found.append((len(calls), model.model.embed_tokens.weight.grad))
    assert [calls for calls, _ in found] == [1, 2]
    torch.testing.assert_close(found[0][1], found[1][1])


def test_what_cannot_be_cut_is_one_sentence(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="muon needs whole matrices"):
        LoopConfig(sharding="fsdp", optimizer="muon")
    with pytest.raises(ConfigError, match="got a preference objective"):
        sharded.ShardedModel(None, object(), LOOP, tmp_path)  # type: ignore[arg-type]


SCRIPT = """
import os, pathlib, pickle, signal, sys
from trivium.models import runtime
from trivium.train import engine, loop, sharded

class Deadly(sharded.ShardedModel):
    def gradient(self, step):
        mark = pathlib.Path(sys.argv[2])
        if step == 7 and self.rank == self.ranks - 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().gradient(step)

sharded.ShardedModel = Deadly
if runtime.torchrun_rank():
    runtime.serve_ranks()
else:
    job = pickle.load(open(sys.argv[1], "rb"))
    _, history = loop.run_job(job)
    pickle.dump(history, open(sys.argv[3], "wb"))
    runtime.release_ranks()
    runtime.leave(0)
"""


def test_torchrun_starts_again_after_the_death_of_a_rank(job: Job, tmp_path: Path) -> None:
    """A rank is killed in mid-step; torchrun starts all anew and they go on from the checkpoint."""
    import pickle

    _, undisturbed = train_afresh(job, tmp_path / "undisturbed")
    config = dataclasses.replace(LOOP, sharding="fsdp", ranks=2)
    make = functools.partial(streams.next_token, *(*job.objective.args[:2], config, job.objective.args[3]))
    (tmp_path / "job.pickle").write_bytes(
        pickle.dumps(dataclasses.replace(job, config=config, objective=make, scratch=tmp_path / "cut"))
    )
    (tmp_path / "main.py").write_text(SCRIPT)
    words = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        "--max-restarts=1", str(tmp_path / "main.py"),
        *(str(tmp_path / name) for name in ("job.pickle", "died", "history.pickle")),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, env={**os.environ})
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "died").exists()
    assert "exitcode: -9" in done.stderr
    history = pickle.loads((tmp_path / "history.pickle").read_bytes())
    torch.testing.assert_close(mean_losses(history), mean_losses(undisturbed), rtol=0, atol=1e-5)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == list(range(len(history.lr_S)))
