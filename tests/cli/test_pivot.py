"""`trivium pivot` as a person uses it: one command, a page, and nothing lost on the way."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from trivium.cli import main, pivot
from trivium.pivotal import shards
from trivium.store.run import Run

sys.path.append(str(Path(__file__).resolve().parents[1] / "pivotal"))
from tiny import make_model, prompt  # noqa: E402

SMALL = ("--max-tokens", "16", "--rollouts", "8", "--workers", "1", "--set", "pivotal.band=0.1,0.9",
         "--set", "pivotal.num_solved=1", "--set", "pivotal.solved_rollouts=4")  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_model(tmp_path_factory.mktemp("model") / "tiny"))


def ask(folder: Path, answer: str = "1", count: int = 12) -> str:
    rows = [{"question": prompt(i), "answer": answer} for i in range(count)]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "q.jsonl")


def command(model: str, questions: str, out: Path, *more: str) -> list[str]:
    return ["pivot", "--model", model, "--questions", questions, "--out", str(out), *SMALL, *more]


def test_one_command_from_a_folder_and_a_file_to_a_page(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(model, ask(tmp_path), tmp_path / "run", "--layer", "1")
    assert main.main(words) == 0
    out, err = capsys.readouterr()
    run = Run.open(tmp_path / "run")
    assert list(run.finished()) == ["pivotal", "report", "export"]
    page = Path(next(line for line in out.splitlines() if line.startswith("report")).split()[1])
    text = page.read_text()
    assert "Pivots found" in text and "Pivotal token" in text and "confirmed pairs" in text
    assert "No model was trained" not in text and 'id="mixture"' not in text
    assert (run.finished()["export"] / "steering.safetensors").exists()
    assert main.main(words) == 0
    assert capsys.readouterr().err.count("unchanged, kept") == 3
    assert main.main([*words[:-1], "2"]) == 0
    assert capsys.readouterr().err.count("unchanged, kept") == 2  # another layer repeats no search
    assert main.main(["status", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize("search", ["bisect", "scan"])
def test_the_other_searches(model: str, tmp_path: Path, search: str) -> None:
    assert main.main(command(model, ask(tmp_path, count=6), tmp_path / "run", "--search", search)) == 0
    metrics = json.loads((tmp_path / "run" / "11-pivotal" / "metrics.json").read_text())
    assert metrics["search"] == search and metrics["tokens_search"] > 0 and metrics["bound_violations"] == 0


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, real, calls = ask(tmp_path), shards.mine, []

    def stopped(policy: Any, problems: Any, rule: Any) -> Any:
        calls.append(len(problems))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(policy, problems, rule)

    monkeypatch.setattr(shards, "mine", stopped)
    words = command(model, questions, tmp_path / "run")
    assert main.main(words) == 130
    said = capsys.readouterr().err
    assert f"./trivium pivot --model {model} --questions {questions}" in said and "--from" not in said
    assert main.main(words) == 0
    assert "resuming partial work" in capsys.readouterr().err
    assert calls == [2, 2, 4, 4, 4]  # the first two pieces were not repeated
    assert main.main(command(model, questions, tmp_path / "other")) == 0
    both = [Run.open(tmp_path / name).record("pivotal")["output_hash"] for name in ("run", "other")]
    assert both[0] == both[1]


def test_a_verifier_that_is_never_right_shows_three_examples(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(command(model, ask(tmp_path, "77"), tmp_path / "run")) == 2
    err = capsys.readouterr().err
    assert "was judged right by number" in err and err.count("expected '77'") == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pivot"], "--model and --questions"),
        (["pivot", "--model", "m"], "--model and --questions"),
        (["pivot", "pocket", "--model", "m"], "one or the other"),
        (["pivot", "--model", "m", "--questions", "q.txt"], "expected a file .jsonl"),
        (["pivot", "--model", "no/where", "--questions", "q.jsonl", "--out", "{out}"], "no config.json"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([word.replace("{out}", str(tmp_path)) for word in words]) == 2
    err = capsys.readouterr().err
    assert says in err.splitlines()[-1] and "Traceback" not in err


def test_pickled_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"x")
    assert main.main(command(str(folder), ask(tmp_path), tmp_path / "run")) == 2
    assert "no .safetensors file" in capsys.readouterr().err


def test_unknown_verifiers_are_refused_before_sampling(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(command(model, ask(tmp_path), tmp_path / "run", "--verifier", "numbr")) == 2
    assert "'numbr'; expected one of number" in capsys.readouterr().err


def test_the_run_is_named_after_model_and_questions(tmp_path: Path) -> None:
    made = pivot.make_recipe(
        main.parse(["pivot", "--model", "a/10-sft/model", "--questions", "b/q.jsonl.gz"])
    )
    assert made.name == "pivot-10-sft-q"
    assert made.pivotal.traces == pivot.WALKED
