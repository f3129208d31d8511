"""Hugging Face data sets: saved folders with and without the package, and names of the hub."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from tests.curate.test_flow_options import pages

from trivium.curate.readers.files import ReadOptions, find_files, left_aside, plan_shards, read_shard
from trivium.curate.readers.sources import fingerprint, hub_address
from trivium.curate.stage import CurateConfig, run
from trivium.errors import DataError
from trivium.records import Document
from trivium.store.run import StageDir

OPTIONS = ReadOptions("text", "unknown", 100, 3_000)


def saved(folder: Path, rows: list[dict[str, str]], *, stream: bool = True) -> None:
    """Write what `save_to_disk` writes: an Arrow stream, and two files of state."""
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(folder / "data-00000-of-00001.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    for name in ("state.json", "dataset_info.json"):
        (folder / name).write_text("{}")


def curated(path: str, folder: Path) -> list[Document]:
    stage = StageDir(name="curate", path=folder / "01-curate", seed=3, workers=1)
    run(CurateConfig(installation=False, paths=(path,)), stage)
    return stage.rows("curate", "documents", Document)


@pytest.mark.parametrize("stream", [True, False])
def test_a_saved_folder_is_curated_and_its_state_is_no_text(tmp_path, stream):
    texts = pages(7)
    saved(tmp_path / "set" / "train", [{"text": t, "license": "CC0"} for t in texts], stream=stream)
    (tmp_path / "set" / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    (tmp_path / "set" / "train" / "cache-17.arrow").write_bytes(b"results of a map")
    kept = curated(str(tmp_path / "set"), tmp_path)
    assert [d.text for d in kept] == texts and {d.licence for d in kept} == {"CC0"}
    assert [(d.start, d.end) for d in kept] == [(i, i + 1) for i in range(7)]
    assert left_aside([str(tmp_path / "set")]) == []


def test_what_datasets_saves_is_read(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the extra `hub`")
    texts = pages(9)
    made = datasets.Dataset.from_dict({"text": texts, "id": list(range(9))})
    parts = datasets.DatasetDict({"train": made.select(range(6)), "test": made.select([8, 7, 6])})
    parts.save_to_disk(tmp_path / "set", num_shards={"train": 2, "test": 1})
    assert sorted(d.text for d in curated(str(tmp_path / "set"), tmp_path)) == sorted(texts)


def test_a_broken_or_foreign_file_is_one_sentence(tmp_path):
    saved(tmp_path / "set", [{"body": "x"}])
    path = tmp_path / "set" / "data-00000-of-00001.arrow"
    for expected in ("columns are body without 'text'", "truncated or no Arrow data"):
        (shard,) = plan_shards([str(path)])
        _, (drop,) = read_shard(shard, OPTIONS)
        assert drop.reason == "unreadable_file" and expected in drop.detail
        path.write_bytes(b"ARROW1 or not")


class FakeHub(MemoryFileSystem):
    """Files of the hub in memory, under the addresses that huggingface_hub gives them."""

    protocol = "hf"
    store: dict = {}
    pseudo_dirs = [""]

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("hf://").strip("/") if isinstance(path, str) else path

    def unstrip_protocol(self, name):
        return "hf://" + name.lstrip("/")


def test_a_name_of_the_hub_is_its_files(tmp_path, monkeypatch):
    monkeypatch.setitem(_registry, "hf", FakeHub)
    texts = pages(5)
    with FakeHub().open("hf://datasets/ann/queues/data/train.parquet", "wb") as file:
        pq.write_table(pa.table({"text": texts}), file)
    FakeHub().pipe("hf://datasets/ann/queues/README.md", b"# A card")
    FakeHub().pipe("hf://datasets/bob/other/data/train.parquet", b"")
    assert find_files(["hf://ann/queues"]) == ["hf://datasets/ann/queues/data/train.parquet"]
    assert [d.text for d in curated("hf://ann/queues", tmp_path)] == texts
    before = fingerprint("hf://ann/queues")
    FakeHub().pipe("hf://datasets/ann/queues/data/more.parquet", b"")
    assert fingerprint("hf://ann/queues") != before


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("hf://ann/queues", "hf://datasets/ann/queues"),
        ("hf://ann/queues/data/train", "hf://datasets/ann/queues/data/train"),
        ("hf://datasets/ann/queues", "hf://datasets/ann/queues"),
        ("s3://hf/ann", "s3://hf/ann"),
    ],
)
def test_addresses(path, address):
    assert hub_address(path) == address


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(_registry, "hf", raising=False)
    with pytest.raises(DataError, match=r"pip install 'trivium\[hub\]'") as error:
        find_files(["hf://ann/queues"])
    assert "\n" not in str(error.value)
