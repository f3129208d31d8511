"""`trivium init`: what it writes is a recipe that does what its base does, and says what the fields do."""

import dataclasses

import pytest

from trivium.cli import main
from trivium.recipe import load, shipped


@pytest.mark.parametrize("base", ["pocket", "posttrain", "phi4", "ladder:mini"])
def test_what_is_written_is_the_base_under_another_name(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main.main(["init", "mine", "--from", base]) == 0
    assert load(tmp_path / "mine.py") == dataclasses.replace(shipped(base), name="mine")


def test_every_field_stands_below_its_own_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main.main(["init", "mine"]) == 0
    lines = (tmp_path / "mine.py").read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.strip().startswith("budget_tokens="))
    assert lines[place - 1].strip().startswith("# ")
    values = [i for i, line in enumerate(lines) if line.strip().endswith(",") and "=" in line]
    assert len(values) > 20
    assert [lines[i] for i in values if not lines[i - 1].strip().startswith("#")] == []


def test_a_change_in_the_file_is_a_change_of_the_recipe(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.main(["init", "mine"]) == 0
    text = (tmp_path / "mine.py").read_text()
    assert "epochs=2.0" in text
    (tmp_path / "mine.py").write_text(text.replace("epochs=2.0", "epochs=3.0"))
    capsys.readouterr()
    assert main.main(["plan", "mine.py", "--keys"]) == 0
    assert "sft.epochs=3.0" in capsys.readouterr().out


def test_nothing_is_overwritten_and_odd_names_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("x = 1\n")
    for words in (["mine"], ["../mine"], ["a b"], ["class"], ["new", "--from", "nothing"]):
        assert main.main(["init", *words]) == 2
        assert capsys.readouterr().err.startswith(("error: init", "error: --from"))
    assert (tmp_path / "mine.py").read_text() == "x = 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_recipe_without_pretraining_says_what_it_wants_to_be_given(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chats.jsonl").write_text("{}\n")
    assert main.main(["plan", "posttrain"]) == 0
    lines = {line.split()[0]: line.strip() for line in capsys.readouterr().out.splitlines() if line}
    assert lines["sft.data"].endswith(" here") and "not here" in lines["sft.start"]
    assert "pivotal.model" not in lines  # its own fine-tuned model
