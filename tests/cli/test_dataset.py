"""`trivium dataset`: what it writes is what datasets and TRL read, and the card tells the truth."""

import importlib.util

import pyarrow as pa
import pytest
import yaml

from trivium import records
from trivium.cli import main
from trivium.records import Drop, Example, Message
from trivium.store import files


@pytest.fixture
def run(tmp_path):
    root = tmp_path / "small"
    files.write_json(root / "recipe.json", {"name": "small", "seed": 3})
    files.write_json(root / "environment.json", {"python": "3.11", "packages": {"torch": "2.13.0"}})
    folder = root / "09-sft_data"
    turns = [Message(role="user", content="6 x 7?"), Message(role="assistant", content="42")]
    rows = [Example(id=f"c{i}", source="chat", flow="sums", messages=turns) for i in range(5)]
    rows += [Example(id=f"t{i}", source="web", flow="a|b <script>", text="plain text") for i in range(2)]
    files.write_parquet(folder / "examples.parquet", records.to_table(Example, rows))
    drops = [Drop(id="x", step="sft", reason="too long"), Drop(id="y", step="sft", reason="too long")]
    files.write_parquet(folder / "dropped" / "drops.parquet", records.to_table(Drop, drops))
    files.write_parquet(folder / "numbers.parquet", pa.table({"n": [1, 2]}))
    files.write_json(folder / "stage.json", {})
    return root


def head(out) -> dict:
    return yaml.safe_load((out / "README.md").read_text().split("---\n")[1])


def test_the_card_names_files_that_are_there_and_counts_what_they_hold(run, tmp_path, capsys):
    out = tmp_path / "data"
    assert main.main(["dataset", str(run), "--out", str(out), "--licence", "cc-by-4.0"]) == 0
    card, words = head(out), (out / "README.md").read_text()
    assert card["license"] == "cc-by-4.0" and card["size_categories"] == ["n<1K"]
    pattern = card["configs"][0]["data_files"][0]["path"]
    assert sum(files.read_parquet(path).num_rows for path in out.glob(pattern)) == 7
    assert "7 rows" in words and "| sums | 5 |" in words and "| sft | too long | 2 |" in words
    assert "seed 3" in words and "<script>" not in words and "a\\|b" in words


def test_trl_gets_messages_of_chats_and_text_of_the_rest(run, tmp_path):
    out = tmp_path / "data"
    words = ["dataset", str(run), "--table", "sft_data/examples", "--format", "trl", "--out", str(out)]
    assert main.main(words) == 0
    assert {one["config_name"] for one in head(out)["configs"]} == {"chats", "text"}
    chats = files.read_parquet(next((out / "chats").glob("*.parquet")))
    assert chats.column_names == ["messages"] and chats.num_rows == 5
    assert chats["messages"][0].as_py()[1] == {"role": "assistant", "content": "42"}
    texts = files.read_parquet(next((out / "text").glob("*.parquet")))
    assert texts.to_pydict() == {"text": ["plain text"] * 2}


def test_what_is_not_there_is_one_sentence(run, tmp_path, capsys):
    assert main.main(["dataset", str(run), "--table", "nothing"]) == 2
    assert "09-sft_data/examples" in capsys.readouterr().err
    words = ["dataset", str(run), "--table", "sft_data/numbers", "--format", "trl"]
    assert main.main([*words, "--out", str(tmp_path / "no")]) == 2
    assert "no messages" in capsys.readouterr().err and not (tmp_path / "no").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="datasets is not installed (extra: hub)"
)
def test_the_library_datasets_reads_it(run, tmp_path):
    import datasets

    out = tmp_path / "data"
    assert main.main(["dataset", str(run), "--format", "trl", "--out", str(out)]) == 0
    found = datasets.load_dataset(str(out), "chats", cache_dir=str(tmp_path / "cache"))
    assert found["train"].num_rows == 5


def test_chats_that_leave_come_back_as_they_were(run, tmp_path):
    from trivium.train.chat_files import read_chats

    out = tmp_path / "data"
    assert main.main(["dataset", str(run), "--format", "trl", "--out", str(out)]) == 0
    rows, drops = read_chats(next((out / "chats").glob("*.parquet")), "sft")
    assert [row.messages[1].content for row in rows] == ["42"] * 5 and drops == []
