"""The loop: resumes to the bit, is the same with more ranks or smaller micro-batches, survives bad steps."""

from __future__ import annotations

import dataclasses
import functools
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trivium.errors import ResourceError
from trivium.models import export, phi, runtime
from trivium.models.load import Tokenizer, load_model
from trivium.records import Preference
from trivium.train import checkpoint, loop, streams
from trivium.train.account import loss_table, summary
from trivium.train.dpo_data import PreferenceData, build_objective
from trivium.train.dpo_stage import DPOConfig
from trivium.train.likelihood import NextToken
from trivium.train.loop import History, Job, run_job, train
from trivium.train.order import Stream
from trivium.train.schedule import lr_factor
from trivium.train.settings import LoopConfig
from trivium.train.tokens import TokenDocument, write_manifest, write_source

LOOP = LoopConfig(
    learning_rate=5e-3, rows=4, row_tokens=32, micro_tokens=64, checkpoint_steps=3, warmup_frac=0.2
)


def make_run(folder: Path, tokenizer: Tokenizer, tokenizer_folder: Path, shape: phi.ModelConfig) -> Job:
    """A job over two sources of random documents."""
    generator = np.random.default_rng(0)
    lines = {}
    for name, count in (("code", 60), ("web", 90)):
        sizes = generator.integers(5, 30, count)
        documents = [
            TokenDocument(f"{name}{i}", [(i + 3 * t) % 300 for t in range(size)], int(size))
            for i, size in enumerate(sizes)
        ]
        lines[name] = write_source(folder / "tokens", name, documents, tokenizer.vocab_size)
    write_manifest(folder / "tokens", tokenizer.vocab_size, lines)
    chosen = streams.epoch_streams(folder / "tokens", {"code": 1.0, "web": 1.0})
    export.save_checkpoint(phi.build(shape, 3), tokenizer_folder, folder / "start", chat_model=False)
    make = functools.partial(streams.next_token, folder / "tokens", chosen, LOOP, 7)
    return Job(model=folder / "start", objective=make, config=LOOP, scratch=folder / "scratch", label="test")


@pytest.fixture
def job(tmp_path: Path, tokenizer: Tokenizer, tokenizer_folder: Path, tiny: phi.ModelConfig) -> Job:
    return make_run(tmp_path, tokenizer, tokenizer_folder, tiny)


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def train_afresh(job: Job, scratch: Path, **changes: Any) -> tuple[torch.nn.Module, History]:
    config = dataclasses.replace(job.config, **changes)
    make = functools.partial(streams.next_token, *_with_loop(job, config))
    return run_job(dataclasses.replace(job, config=config, objective=make, scratch=scratch))


def _with_loop(job: Job, config: LoopConfig) -> tuple[Any, ...]:
    folder, chosen, _, seed = job.objective.args  # type: ignore[attr-defined]
    return folder, chosen, config, seed


def test_every_parameter_moves_and_the_loss_falls(job: Job) -> None:
    model, history = run_job(job)
    before = dict(load_model(job.model).named_parameters())
    for name, weight in model.named_parameters():
        assert not torch.equal(weight, before[name]), name
    mean = history.stats_SG2[:, :, 0].sum(1) / history.stats_SG2[:, :, 1].sum(1)
    assert mean[-3:].mean() < mean[:3].mean() - 0.05


def test_the_account_adds_up_to_the_token(job: Job) -> None:
    _, history = run_job(job)
    objective = job.objective()
    assert isinstance(objective, NextToken)
    found = summary(history, objective.groups)
    targets = {s.name: int(s.num_targets().sum()) for s in objective.order.sources}
    assert found["tokens_by_source"] == targets
    assert found["tokens"] == sum(targets.values()) == int(objective.order.row_targets.sum())
    table = loss_table(history, objective.groups)
    assert table.column("tokens").to_pylist()[-1] == found["tokens"]
    assert set(table.column("source").to_pylist()) == {"code", "web"}


def test_memory_is_handed_back_now_and_then_and_at_the_end(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(runtime, "return_memory", lambda: calls.append(1))
    often, each = [], []
    for seconds in (1e9, -1.0):
        monkeypatch.setattr(loop, "TIDY_SECONDS", seconds)
        calls.clear()
        model, history = train_afresh(job, tmp_path / str(seconds))
        often.append(len(calls))
        each.append(weights(model))
    assert often == [1, 1 + len(history.lr_S)] and torch.equal(*each)


def test_smaller_micro_batches_give_the_same_training(job: Job, tmp_path: Path) -> None:
    one, _ = train_afresh(job, tmp_path / "a", micro_tokens=4096)
    many, _ = train_afresh(job, tmp_path / "b", micro_tokens=32)
    torch.testing.assert_close(weights(one), weights(many), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_many_ranks_lose_the_same_as_one(ranks: int, job: Job, tmp_path: Path) -> None:
    one, alone = train_afresh(job, tmp_path / "a")
    two, together = train_afresh(job, tmp_path / "b", ranks=ranks)
    assert torch.equal(alone.stats_SG2[:, :, 1], together.stats_SG2[:, :, 1])
    loss = [h.stats_SG2[:, :, 0].sum(1) / h.stats_SG2[:, :, 1].sum(1) for h in (alone, together)]
    torch.testing.assert_close(loss[0], loss[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(weights(one), weights(two), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_optimizer_gives_the_same_bits(optimizer: str, job: Job, tmp_path: Path) -> None:
    whole, _ = train_afresh(job, tmp_path / "whole", optimizer=optimizer)
    late = tmp_path / "late"
    late.mkdir()
    os.link(tmp_path / "whole" / checkpoint.FILE, late / checkpoint.FILE)
    resumed, _ = train_afresh(job, late, optimizer=optimizer)
    assert torch.equal(weights(whole), weights(resumed))


def kill_after_a_checkpoint(job: Job, folder: Path) -> None:
    """Run a job in a process of its own and kill it when its first checkpoint is there."""
    script = (
        "import pickle, sys; from trivium.train.loop import run_job\n"
        "if __name__ == '__main__':\n"
        "    run_job(pickle.load(open(sys.argv[1], 'rb')))\n"
    )
    (folder / "job.pickle").write_bytes(pickle.dumps(job))
    (folder / "main.py").write_text(script)
    process = subprocess.Popen([sys.executable, folder / "main.py", folder / "job.pickle"])
    file = job.scratch / checkpoint.FILE
    deadline = time.monotonic() + 300
    while not file.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert file.exists(), "the run ended before its first checkpoint"


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(ranks: int, job: Job, tmp_path: Path) -> None:
    whole, _ = train_afresh(job, tmp_path / "whole", ranks=ranks)
    config = dataclasses.replace(LOOP, ranks=ranks)
    make = functools.partial(streams.next_token, *_with_loop(job, config))
    killed = dataclasses.replace(job, config=config, objective=make, scratch=tmp_path / "killed")
    kill_after_a_checkpoint(killed, tmp_path)
    resumed, _ = run_job(killed)
    assert torch.equal(weights(whole), weights(resumed))


def test_killed_preference_training_ends_with_the_same_bits(job: Job, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def ids(count: int) -> list[int]:
        return rng.integers(5, 300, count).tolist()

    pairs = [
        Preference(
            id=f"p{n}", question_id=f"q{n // 3}", prompt_ids=ids(9), chosen_ids=ids(1 + n % 2 * 3),
            rejected_ids=ids(1 + n % 2 * 2), origin="pivotal", gap=0.5,
        )
        for n in range(120)
    ]  # fmt: skip
    documents = [(ids(12), [False] * 6 + [True] * 6) for _ in range(10)]
    data = PreferenceData(
        training=pairs, heldout=[], anchor=documents, replay=documents, sampled=documents, kl=[]
    )
    loop = dataclasses.replace(LOOP, rows=6)
    config = DPOConfig(loop=loop, anchor_rows=2, replay_rows=2, kl_weight=0.5, kl_anchor_rows=2)
    make = functools.partial(build_objective, job.model, data, config, 0)
    whole, history = run_job(
        dataclasses.replace(job, objective=make, config=loop, scratch=tmp_path / "whole")
    )
    assert bool((history.stats_SG2[:, :, 1].sum(0) > 0).all())
    killed = dataclasses.replace(job, objective=make, config=loop, scratch=tmp_path / "killed")
    kill_after_a_checkpoint(killed, tmp_path)
    resumed, _ = run_job(killed)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_step_without_a_finite_gradient_is_skipped_and_told(job: Job, tmp_path: Path) -> None:
    model = load_model(job.model).train()
    objective = job.objective()
    assert isinstance(objective, NextToken)
    poisoned = Poisoned(objective, bad={4})
    history = train(model, poisoned, LOOP, tmp_path)
    assert history.skipped_S.nonzero()[:, 0].tolist() == [4]
    assert bool(torch.isfinite(weights(model)).all())
    found = summary(history, objective.groups)
    assert found["tokens_in_skipped_steps"] == objective.order.step_targets(4)
    assert found["tokens"] + found["tokens_in_skipped_steps"] == int(objective.order.row_targets.sum())


def test_too_many_bad_steps_in_a_row_stop_with_one_sentence(job: Job, tmp_path: Path) -> None:
    model = load_model(job.model).train()
    objective = job.objective()
    assert isinstance(objective, NextToken)
    config = dataclasses.replace(LOOP, max_bad_steps=3)
    with pytest.raises(ResourceError, match="3 steps in a row up to step 6"):
        train(model, Poisoned(objective, bad={4, 5, 6, 7}), config, tmp_path)


class Poisoned:
    """An objective whose loss is not a number at some steps."""

    def __init__(self, inner: NextToken, bad: set[int]) -> None:
        self.inner, self.bad = inner, bad
        self.groups, self.num_steps, self.unit = inner.groups, inner.num_steps, inner.unit

    def step_size(self, step: int) -> int:
        return self.inner.step_size(step)

    def micro_batches(self, step: int, rank: int, ranks: int) -> list[Any]:
        return [(step, batch) for batch in self.inner.micro_batches(step, rank, ranks)]

    def loss(self, model: Any, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        loss, stats = self.inner.loss(model, batch[1])
        return (loss * float("nan") if batch[0] in self.bad else loss), stats


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant", "wsd"])
def test_schedules_rise_to_the_peak_and_end_where_asked(schedule: str) -> None:
    config = LoopConfig(schedule=schedule, warmup_frac=0.1, final_lr_frac=0.2)  # type: ignore[arg-type]
    factors = [lr_factor(step, 100, config) for step in range(100)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert max(factors) == pytest.approx(1.0)
    assert factors[-1] == pytest.approx(1.0 if schedule == "constant" else 0.2)
    assert all(a >= b - 1e-12 for a, b in zip(factors[10:], factors[11:], strict=False))


def test_a_stream_of_tokens_without_documents_is_one_sentence(tmp_path: Path) -> None:
    from trivium.errors import DataError

    lines = {"web": write_source(tmp_path, "web", [], 300)}
    write_manifest(tmp_path, 300, lines)
    empty = Stream(name="web", source="web", documents=np.arange(0), tokens=10)
    with pytest.raises(DataError, match="stream web: got no token to train on"):
        streams.next_token(tmp_path, [empty], LOOP, 0)


def test_muon_is_that_of_torch_on_a_plain_matrix_and_takes_joined_ones_apart() -> None:
    from trivium.train.muon import Muon, orthogonal

    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(24, 40)) for _ in range(2))
    mine = Muon([ours], [(24,)], lr=0.01, weight_decay=0.1)
    peer = torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        ours.grad = torch.randn(24, 40, generator=generator)
        theirs.grad = ours.grad.clone()
        mine.step()
        peer.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)  # torch iterates in bfloat16
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 50, 30, generator=generator)))
    assert 0.5 < values.min() < values.max() < 1.3

    joined = torch.nn.Parameter(torch.zeros(64, 40))
    alone = [torch.nn.Parameter(torch.zeros(32, 40)) for _ in range(2)]
    joined.grad = torch.randn(64, 40, generator=generator)
    for part, grad in zip(alone, joined.grad.split(32), strict=True):
        part.grad = grad.clone()
    Muon([joined], [(32, 32)], lr=0.01, weight_decay=0.0).step()
    Muon(alone, [(32,), (32,)], lr=0.01, weight_decay=0.0).step()
    torch.testing.assert_close(joined, torch.cat([part.detach() for part in alone]))
