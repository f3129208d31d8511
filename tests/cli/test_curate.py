"""`trivium curate PATHS`: one command from a folder of any formats to tables and a page."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.curate.made_files import MADE

from trivium.cli import curate, main, run, verbs
from trivium.curate.page import render
from trivium.store.files import read_json
from trivium.store.run import Run

WORDS = (
    "the of and to in that is was for with as it be by on not this are but from which have when they".split()
)


def prose(seed: int) -> str:
    chance = random.Random(seed)
    sentences = [" ".join(chance.choices(WORDS, k=14)).capitalize() + "." for _ in range(30)]
    return "\n\n".join(" ".join(sentences[i : i + 5]) for i in range(0, 30, 5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "mixed"
    place.mkdir()
    for name, data in MADE.items():
        (place / name).write_bytes(data)
    for number in range(6):
        (place / f"book{number}.md").write_text(prose(number))
    (place / "page.html").write_text(f"<html><body><p>{prose(9)}</p><script>alert(1)</script></body></html>")
    (place / "odd.xyz").write_text("<script>alert(2)</script>")
    return place


def test_one_command_from_a_folder_to_a_page(folder, tmp_path, capsys):
    words = ["curate", str(folder), "--out", str(tmp_path / "run"), "--workers", "1"]
    assert main.main(words) == 0
    said = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}
    page = Path(said["page"].split()[1])
    stage = Run.open(tmp_path / "run").finished()["curate"]
    text = page.read_text()
    assert "unknown_format" in text and "odd.xyz" in text and ".md" in text
    assert "alert(1)" not in text
    assert (stage / "dropped" / "drops.parquet").exists()
    metrics = read_json(stage / "metrics.json")
    kept = ", ".join(f"{kind} {number}" for kind, number in metrics["kept"].items())
    assert said["kept"].split(maxsplit=1)[1] == kept and "36 rows" in said["dropped"]


def test_text_of_documents_is_escaped():
    seed = {
        "kind": "web",
        "quality": 1.0,
        "reasoning": 1.0,
        "factual": 1.0,
        "id": "x",
        "text": "<script>x</script>",
    }
    page = dict.fromkeys(("kept", "chars", "num_drops", "num_passages", "num_seeds"), 1)
    page |= dict.fromkeys(
        (
            "formats",
            "folders",
            "languages",
            "licences",
            "reasons",
            "drops",
            "masked",
            "clusters",
            "no_seeds",
            "topics",
        ),
        [],
    )
    text = render({**page, "seeds": [seed]})
    assert "<script>x" not in text and "&lt;script&gt;x" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pocket", True),
        ("runs/x/recipe.json", True),
        ("s3://bucket/crawl", False),
        ("memory://a/recipe.json", False),
    ],
)
def test_recipes_and_sources_are_told_apart(name, expected):
    assert curate.is_recipe(name) is expected


def test_a_python_file_is_a_recipe_only_if_it_has_one(tmp_path):
    code, recipe = tmp_path / "code.py", tmp_path / "recipe.py"
    code.write_text("def twice(x):\n    return 2 * x\n")
    recipe.write_text("def recipe():\n    return None\n")
    assert not curate.is_recipe(str(code)) and curate.is_recipe(str(recipe))
    assert not curate.is_recipe(str(tmp_path))


def test_the_command_to_go_on_names_all_paths():
    command = verbs.CurateVerb(recipe="a", more=("b c", "d"), out="runs/x")
    assert run.resume_command(command) == "./trivium curate a 'b c' d --out runs/x"


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert main.main(["curate", str(tmp_path / "nowhere" / "x"), "--out", str(tmp_path / "run")]) == 2
    assert "does not exist" in capsys.readouterr().err
