"""What changed between two runs."""

import json

import pytest

from trivium.cli import main
from trivium.cli.diff import changed_fields, changed_results


def test_only_changed_fields_are_named_by_their_dotted_key():
    before = {"seed": 0, "mix": {"budget": 5, "shares": {"web": 0.1}}, "stages": ["a"], "gone": 1}
    after = {"seed": 0, "mix": {"budget": 6, "shares": {"web": 0.2}}, "stages": ["a", "b"], "new": 2}
    assert changed_fields(before, after) == [
        ["mix.budget", "5", "6"],
        ["mix.shares.web", "0.1", "0.2"],
        ["stages", "a", "a,b"],
        ["gone", "1", "-"],
        ["new", "-", "2"],
    ]


def result(stage: str, value: float, **changes) -> dict:
    row = {"stage": stage, "task": "contest", "metric": "accuracy", "value": value, "low": None, "high": None}
    return row | changes


def test_results_are_compared_by_stage_task_and_metric():
    before = [result("sft", 0.5, low=0.4, high=0.6), result("dpo1", 0.7), result("dpo2", 0.8)]
    after = [result("sft", 0.55, low=0.45, high=0.65), result("dpo1", 0.7)]
    assert changed_results(before, after) == [
        ["sft", "contest", "accuracy", "0.500 [0.400, 0.600]", "0.550 [0.450, 0.650]", "+0.050"],
        ["dpo2", "contest", "accuracy", "0.800", "-", ""],
    ]


@pytest.fixture
def runs(tmp_path):
    for name, seed, value in (("a", 0, 0.5), ("b", 1, 0.6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.json").write_text(json.dumps({"name": "x", "seed": seed}))
        (tmp_path / name / "table.json").write_text(json.dumps([result("sft", value)]))
    return tmp_path


def test_two_runs_are_compared_on_the_terminal(runs, capsys):
    assert main.main(["diff", str(runs / "a"), str(runs / "b")]) == 0
    out = capsys.readouterr().out
    assert "seed" in out and "+0.100" in out


def test_equal_runs_say_so(runs, capsys):
    assert main.main(["diff", str(runs / "a"), str(runs / "a")]) == 0
    assert "recipes are the same" in capsys.readouterr().out


def test_a_folder_that_is_no_run_is_one_sentence(tmp_path, capsys):
    assert main.main(["diff", str(tmp_path), str(tmp_path)]) == 2
    assert "expected a run" in capsys.readouterr().err
