"""The guard: its rule, its parts, and a run of the stage between two small models."""

import json
from collections import Counter

import pytest
import torch

from trivium.errors import ConfigError
from trivium.evaluate import guard_stage
from trivium.evaluate.guard_stage import Candidate, GuardConfig
from trivium.evaluate.standard import run
from trivium.evaluate.standard.task import Item
from trivium.models.load import load_model
from trivium.store.files import read_json, read_parquet
from trivium.store.run import StageDir


def candidate(name, gain, lost):
    return Candidate(name=name, gain=gain, lost=lost)


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ([("a", 0.1, 0.0), ("b", 0.2, 0.01), ("c", 0.9, 0.011)], "b"),
        ([("a", 0.2, -0.1), ("b", 0.2, 0.0)], "a"),
        ([("a", 0.0, 0.0)], "start"),
        ([("a", -0.1, -0.5), ("b", 0.5, 0.2)], "start"),
        ([], "start"),
    ],
)
def test_the_most_is_gained_of_what_loses_nothing(found, chosen):
    assert guard_stage.choose([candidate(*one) for one in found], 0.01) == chosen


def test_a_loss_at_the_limit_passes_however_the_shares_are_subtracted():
    assert guard_stage.passes(candidate("a", 0.1, 0.68 - 0.67), 0.01) and 0.68 - 0.67 > 0.01
    assert not guard_stage.passes(candidate("a", 0.1, 0.011), 0.01)


def test_a_candidate_is_held_against_its_start_by_its_worst_untouched_task():
    config = GuardConfig(targets=("svamp", "ifeval"), untouched=("piqa", "lambada"))
    begin = {"svamp": 0.1, "ifeval": 0.2, "piqa": 0.6, "lambada": 0.4}
    own = {"svamp": 0.3, "ifeval": 0.2, "piqa": 0.7, "lambada": 0.35}
    found = guard_stage.judged("sft@1", own, begin, config)
    assert (found.gain, found.lost) == (pytest.approx(0.1), pytest.approx(0.05))


def test_the_parts_are_disjoint_whole_and_split_no_cluster():
    items = [Item(id=f"i{n}", cluster=f"c{n // 2}") for n in range(600)]
    dev = {item.id for item in items if run.in_part(item, "dev")}
    test = {item.id for item in items if run.in_part(item, "test")}
    assert not dev & test and len(dev | test) == 600
    assert all(run.in_part(item, "") for item in items)
    assert 150 < len(dev) < 250
    assert all((f"i{n}" in dev) == (f"i{n + 1}" in dev) for n in range(0, 600, 2))


def test_a_guard_without_a_round_is_refused():
    with pytest.raises(ConfigError, match="a round, a target and shares"):
        GuardConfig(rounds=())
    with pytest.raises(ConfigError, match="shares above 0 up to 1"):
        GuardConfig(shares=(0.5, 1.5))


@pytest.fixture
def data(tmp_path):
    lambada = [{"context": f"Ann has {n} pens and a", "continuation": "fox"} for n in range(30)]
    piqa = [
        {"query": f"Question: buy {n} pens\n", "choices": ["a fox", "many more pens"], "gold": n % 2}
        for n in range(30)
    ]
    for name, rows in {"lambada-1k/l.jsonl": lambada, "mc-core-a/piqa.jsonl": piqa}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_the_stage_measures_chooses_and_keeps_a_model(save_model, data, tmp_path):
    begin = save_model(tmp_path / "start" / "model", 1, chat_model=True)
    later = save_model(tmp_path / "sft" / "model", 2, chat_model=True)
    stage = StageDir(name="guard", path=tmp_path / "guard", seed=0, inputs={"sft": later.parent})
    config = GuardConfig(
        start=str(begin), rounds=("sft",), shares=(0.5, 1.0), data=str(data), targets=("piqa",),
        untouched=("lambada",), also=(), dev_items=8, test_items=8, style="task", dev_items_of={"lambada": 3},
    )  # fmt: skip
    found = guard_stage.run(config, stage)
    told = read_json(stage.path / "choice.json")
    assert [one["name"] for one in told["candidates"]] == ["sft@0.5", "sft@1"]
    assert found["candidates"] == 2 and told["chosen"] == found["chosen"]
    kept = {"start": begin, "sft@0.5": stage.scratch / "sft-0.5", "sft@1": later}[told["chosen"]]
    weights = [dict(load_model(path).named_parameters()) for path in (kept, stage.path / "model")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    halves, ends = (dict(load_model(path).named_parameters()) for path in (stage.scratch / "sft-0.5", later))
    first = dict(load_model(begin).named_parameters())
    for name, weight in halves.items():
        torch.testing.assert_close(weight, (first[name] + ends[name]) / 2)
    dev, test = (
        {row["item_id"] for row in read_parquet(stage.path / f"items_{part}.parquet").to_pylist()}
        for part in ("dev", "test")
    )
    assert dev and test and not dev & test
    asked = Counter(
        (row["model"], row["task"]) for row in read_parquet(stage.path / "items_dev.parquet").to_pylist()
    )
    assert {task: count for (model, task), count in asked.items() if model == "start"} == {
        "piqa": 8,
        "lambada": 3,
    }
