"""Steps are shown where they were asked to be, once each; schedules and averages do what they say."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
import torch
from tests.train.test_loop import LOOP, make_run, train_afresh, weights

from trivium.errors import ConfigError, ResourceError
from trivium.models import phi
from trivium.models.load import Tokenizer
from trivium.train import checkpoint, trackers
from trivium.train.engine import move_average
from trivium.train.loop import Job
from trivium.train.schedule import lr_factor, weight_decay_factor
from trivium.train.settings import LoopConfig


@pytest.fixture
def job(tmp_path: Path, tokenizer: Tokenizer, tokenizer_folder: Path, tiny: phi.ModelConfig) -> Job:
    return make_run(tmp_path, tokenizer, tokenizer_folder, tiny)


def test_every_step_is_one_line_with_the_losses_of_the_account(job: Job, tmp_path: Path) -> None:
    _, history = train_afresh(job, tmp_path / "run" / "scratch")
    lines = [json.loads(line) for line in (tmp_path / "run" / trackers.FILE).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(len(history.lr_S)))
    assert lines[-1]["targets"] == float(history.stats_SG2[:, :, 1].sum())
    first = history.stats_SG2[0]
    assert lines[0]["loss"] == pytest.approx(float(first[:, 0].sum() / first[:, 1].sum()))
    assert lines[0]["loss/code"] == pytest.approx(float(first[0, 0] / first[0, 1]))


def test_a_log_that_goes_on_drops_what_is_done_again_and_half_a_line(tmp_path: Path) -> None:
    file = tmp_path / trackers.FILE
    file.write_text('{"step": 0}\n{"step": 1}\n{"step": 2}\n{"ste')
    log = trackers.JsonLines(file, 2)
    log.log(2, {"loss": 0.5})
    log.close()
    assert file.read_text() == '{"step": 0}\n{"step": 1}\n{"step": 2, "loss": 0.5}\n'


def stand_in(calls: list[tuple]) -> types.ModuleType:
    """A package that notes what is asked of it, in the words of wandb, trackio and MLflow."""
    module = types.ModuleType("stand_in")
    run = types.SimpleNamespace(
        log=lambda numbers, step: calls.append(("log", step, numbers)), finish=lambda: calls.append(("end",))
    )
    module.init = lambda **settings: calls.append(("start", settings["name"])) or run
    module.start_run = lambda run_name: calls.append(("start", run_name))
    module.log_params = lambda settings: None
    module.log_metrics = lambda numbers, step: calls.append(("log", step, numbers))
    module.end_run = lambda: calls.append(("end",))
    return module


@pytest.mark.parametrize("name", ["wandb", "trackio", "mlflow"])
def test_a_dashboard_gets_every_number(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple] = []
    monkeypatch.setitem(sys.modules, name, stand_in(calls))
    for tracker in trackers.open_trackers([name], tmp_path / trackers.FILE, 0, "sft", {"rows": 4}):
        tracker.log(3, {"loss": 1.5})
        tracker.close()
    assert calls == [("start", "sft"), ("log", 3, {"loss": 1.5}), ("end",)]
    assert json.loads((tmp_path / trackers.FILE).read_text()) == {"step": 3, "loss": 1.5}


def test_tensorboard_gets_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple] = []
    writer = types.SimpleNamespace(
        add_scalar=lambda name, value, step: calls.append((name, value, step)), close=lambda: None
    )
    package = types.ModuleType("torch.utils.tensorboard")
    package.SummaryWriter = lambda folder: writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", package)
    for tracker in trackers.open_trackers(["tensorboard"], tmp_path / "log.jsonl", 0, "sft", {}):
        tracker.log(2, {"loss": 0.5})
        tracker.close()
    assert calls == [("loss", 0.5, 2)]


def test_an_unknown_or_missing_tracker_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="loop.trackers: got 'excel'"):
        trackers.open_trackers(["excel"], tmp_path / "log.jsonl", 0, "sft", {})
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ResourceError, match="pip install wandb"):
        trackers.open_trackers(["wandb"], tmp_path / "log.jsonl", 0, "sft", {})


def test_weight_decay_runs_from_one_share_to_the_other() -> None:
    config = LoopConfig(final_decay_frac=0.25)
    factors = [weight_decay_factor(step, 101, config) for step in range(101)]
    assert (factors[0], factors[50], factors[100]) == pytest.approx((1.0, 0.625, 0.25))
    assert weight_decay_factor(0, 1, config) == 1.0


def test_wsd_comes_down_over_the_share_that_is_asked_for() -> None:
    config = LoopConfig(schedule="wsd", cooldown_frac=0.5, warmup_frac=0.0)
    factors = [lr_factor(step, 101, config) for step in range(1, 101)]
    assert [factor == 1.0 for factor in factors] == [True] * 50 + [False] * 50
    assert factors[74] == pytest.approx(0.5)


def test_the_average_follows_the_weights() -> None:
    average, weight = {"w": torch.zeros(1)}, {"w": torch.ones(1)}
    for _ in range(3):
        move_average(average, weight, 0.5)
    assert float(average["w"]) == pytest.approx(1 - 0.5**3)


def test_the_averaged_model_comes_out_and_resumes_to_the_bit(job: Job, tmp_path: Path) -> None:
    settings = {"average": 0.8, "final_decay_frac": 0.0, "checkpoint_steps": 4}
    raw, plain = train_afresh(job, tmp_path / "raw", **(settings | {"average": 0.0}))
    whole, averaged = train_afresh(job, tmp_path / "whole", **settings)
    assert torch.equal(plain.stats_SG2, averaged.stats_SG2)  # training itself does not see the average
    assert not torch.equal(weights(raw), weights(whole))
    assert (tmp_path / "whole" / checkpoint.FILE).exists()
    resumed, _ = train_afresh(job, tmp_path / "whole", **settings)
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.parametrize(
    "wrong", [{"average": 1.0}, {"average": -0.1}, {"cooldown_frac": 0.0}, {"final_decay_frac": 2.0}]
)
def test_settings_outside_their_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        LoopConfig(**wrong)
    assert LOOP.average == 0.0
