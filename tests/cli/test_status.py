"""status and trace on a run that the pipeline really made, with two small stages of our own."""

import dataclasses
import json

import pytest

from trivium import pipeline, records
from trivium.cli import main, status
from trivium.errors import ConfigError
from trivium.store.run import STARTED_FILE, Run


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TinyConfig:
    """One number."""

    count: int = 2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TinyRecipe:
    """Two stages."""

    name: str = "tiny"
    seed: int = 0
    workers: int = 1
    stages: tuple[str, ...] = ("curate", "mix")
    curate: TinyConfig = TinyConfig()
    mix: TinyConfig = TinyConfig()

    def stage_config(self, stage):
        return getattr(self, stage)


def document(number: int) -> records.Document:
    return records.Document(
        id=f"{number:020d}", kind="code", text=f"text {number}", source="python:Lib/x.py", start=10, end=20,
        licence="PSF-2.0", language="en",
    )  # fmt: skip


def write_documents(config, stage):
    stage.write("documents", records.Document, [document(n) for n in range(config.count)])
    return {"kept": config.count}


def write_examples(config, stage):
    first = stage.rows("curate", "documents", records.Document)[0]
    row = records.Example(id="e" * 20, source="code", flow="plain", text=first.text, parents=[first.id])
    stage.write("examples", records.Example, [row])
    stage.drop([records.Drop(id=first.id, step="mix", reason="too short", detail="", source="")])
    return {"kept": 1}


@pytest.fixture
def run(tmp_path, monkeypatch):
    import sys
    import types

    from trivium import recipe as recipes

    for name, work in (("trivium.curate.stage", write_documents), ("trivium.mix.stage", write_examples)):
        module = types.ModuleType(name)
        module.run = work
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(recipes, "load", lambda path: TinyRecipe())
    return pipeline.run(TinyRecipe(), tmp_path / "run", say=lambda line: None)


def test_a_whole_run_is_done_everywhere(run, capsys):
    assert main.main(["status", str(run.path)]) == 0
    out = capsys.readouterr().out
    assert "2 documents" in out and "1 examples" in out
    assert "2 of 2 stages" in out and run.output_hash() in out
    assert status.stage_states(run) == ({"curate": "done", "mix": "done"}, "")


def test_a_changed_field_makes_the_stage_out_of_date(run, monkeypatch):
    from trivium import recipe as recipes

    monkeypatch.setattr(recipes, "load", lambda path: TinyRecipe(curate=TinyConfig(count=3)))
    assert status.stage_states(run)[0] == {"curate": "out of date", "mix": "done"}


def test_a_stage_that_was_cut_short_is_partial_and_a_missing_one_waits(run):
    folder = run.path / "06-mix"
    (folder / "stage.json").unlink()
    (folder / STARTED_FILE).write_text("{}")
    assert status.stage_states(run)[0]["mix"] == "partial"
    (folder / STARTED_FILE).unlink()
    assert status.stage_states(run)[0]["mix"] == "waiting"
    assert main.main(["status", str(run.path)]) == 0


def test_a_run_of_another_version_is_shown_unchecked(run, monkeypatch):
    from trivium import recipe as recipes

    def fail(path):
        raise ConfigError("recipe.json.old: got unknown key.")

    monkeypatch.setattr(recipes, "load", fail)
    states, note = status.stage_states(Run.open(run.path))
    assert states == {"curate": "done", "mix": "done"}
    assert "unknown key" in note


def test_a_damaged_table_is_named_and_no_traceback(run, capsys):
    table = run.path / "01-curate" / "documents.parquet"
    table.write_bytes(table.read_bytes()[:100])
    assert main.main(["status", str(run.path)]) == 0
    assert "documents DAMAGED" in capsys.readouterr().out
    assert main.main(["trace", "f" * 20, "--run", str(run.path)]) == 2
    assert "truncated" in capsys.readouterr().err


def test_trace_walks_to_the_bytes(run, capsys):
    assert main.main(["trace", "e" * 8, "--run", str(run.path)]) == 0
    assert "file python:Lib/x.py, bytes 10-20, licence PSF-2.0" in capsys.readouterr().out


def test_trace_of_an_unknown_id_is_one_sentence(run, capsys):
    assert main.main(["trace", "f" * 20, "--run", str(run.path)]) == 2
    assert "no row with this id" in capsys.readouterr().err


def test_recipe_json_is_whole(run):
    assert json.loads((run.path / "recipe.json").read_text())["name"] == "tiny"


def test_the_table_of_a_run_is_printed_or_its_absence_said(run, capsys):
    assert main.main(["report", str(run.path), "--table"]) == 2
    assert "no evaluated checkpoint" in capsys.readouterr().err
    folder = run.path / "15-evaluate"
    folder.mkdir()
    (folder / "table.md").write_text("| task | sft |\n")
    (folder / "checks.json").write_text('[{"holds": false, "name": "a claim", "detail": "0.1 -> 0.2"}]')
    (folder / "stage.json").write_text("{}")
    assert main.main(["report", str(run.path), "--table"]) == 0
    assert capsys.readouterr().out == "| task | sft |\n\n- fails: a claim: 0.1 -> 0.2\n"
