"""A finished run in a store: every file, the record last, nothing twice, one sentence when it cannot be."""

from pathlib import Path

import fsspec
import pytest

from trivium.cli import run as runs
from trivium.errors import ConfigError, ResourceError
from trivium.recipe import Recipe
from trivium.store import files
from trivium.store.publish import publish
from trivium.store.run import Run


@pytest.fixture
def finished(tmp_path) -> Run:
    folder = tmp_path / "run"
    files.write_json(folder / "recipe.json", {"name": "x"})
    for name in ("01-curate", "02-items"):
        files.write_text(folder / name / "dropped" / "drops.parquet", name)
        files.write_json(folder / name / "stage.json", {"output_hash": name})
    files.write_text(folder / "03-mix" / "half.parquet", "a stage without a record is not finished")
    return Run(folder)


@pytest.fixture
def store():
    made = fsspec.filesystem("memory")
    yield made
    made.rm("/runs", recursive=True)


def test_finished_stages_are_copied_once(finished, store):
    assert publish(finished, "memory://runs/x/") == ["curate", "items"]
    here = {str(path.relative_to(finished.path)) for path in finished.path.rglob("*") if path.is_file()}
    there = {name.removeprefix("/runs/x/") for name in store.find("/runs/x")}
    assert there == here - {"03-mix/half.parquet"}
    assert store.cat("/runs/x/01-curate/dropped/drops.parquet") == b"01-curate"
    assert publish(finished, "memory://runs/x") == []
    files.write_json(finished.path / "02-items" / "stage.json", {"output_hash": "other"})
    assert publish(finished, "memory://runs/x") == ["items"]


def test_a_record_is_there_only_when_its_files_are(finished, store, monkeypatch):
    put = type(store).put_file

    def fails(self: object, local: str, remote: str, **kwargs: object) -> None:
        if "02-items" in remote:
            raise OSError("no room")
        put(self, local, remote, **kwargs)

    monkeypatch.setattr(type(store), "put_file", fails)
    with pytest.raises(ResourceError, match="no room"):
        publish(finished, "memory://runs/x")
    assert store.exists("/runs/x/01-curate/stage.json") and not store.exists("/runs/x/02-items/stage.json")


@pytest.mark.parametrize("url", ["nosuchstore://bucket", "a/folder"])
def test_what_is_no_store_is_one_sentence(finished, url):
    with pytest.raises(ConfigError, match="--publish") as error:
        publish(finished, url)
    assert "\n" not in str(error.value)


def test_a_run_folder_is_no_url():
    recipe = Recipe.__new__(Recipe)
    with pytest.raises(ConfigError, match="--publish s3://bucket/run"):
        runs.run_folder(recipe, "s3://bucket/run")
    assert runs.run_folder(recipe, "runs/x") == Path("runs/x")
