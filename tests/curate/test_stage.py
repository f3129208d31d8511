"""The curate stage: the same bytes for any number of workers, a reason for every document that went."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from trivium.curate.passages import SEED_TAG
from trivium.curate.stage import CurateConfig, run
from trivium.errors import ConfigError, DataError
from trivium.records import Document, Passage
from trivium.store.run import StageDir, hash_outputs

SMALL = CurateConfig(max_modules=14, num_seeds=30, max_code_bytes=40_000, shard_documents=300)


def stage_in(folder: Path, workers: int) -> StageDir:
    folder.mkdir(parents=True)
    return StageDir(name="curate", path=folder, seed=3, workers=workers)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[StageDir, dict]:
    stage = stage_in(tmp_path_factory.mktemp("run") / "curate", 1)
    metrics = run(SMALL, stage)
    stage.write_drops()
    return stage, metrics


def test_two_workers_give_the_same_bytes_as_one(finished, tmp_path):
    again = stage_in(tmp_path / "curate", 2)
    run(SMALL, again)
    again.write_drops()
    assert hash_outputs(again.path) == hash_outputs(finished[0].path)


def test_every_document_is_kept_or_dropped_with_a_reason(finished):
    stage, metrics = finished
    kept = stage.rows("curate", "documents", Document)
    for kind, count in metrics["read"].items():
        assert metrics["kept"].get(kind, 0) + sum(metrics["dropped"].get(kind, {}).values()) == count
    assert all(drop.reason and drop.step.startswith("curate.") for drop in stage.drops)
    assert len({d.id for d in kept} | {d.id for d in stage.drops}) == len(kept) + len(stage.drops)
    assert {d.kind for d in kept} == {"code", "books", "web", "facts"}


def test_passages_lie_in_their_documents_and_seeds_are_marked(finished):
    stage, metrics = finished
    documents = {d.id: d for d in stage.rows("curate", "documents", Document)}
    passages = stage.rows("curate", "passages", Passage)
    assert all(documents[p.document_id].text[p.start : p.end] == p.text for p in passages)
    assert sum(SEED_TAG in p.tags for p in passages) == sum(metrics["seeds"].values()) == 30


def test_budget_and_duplicates_are_kept_to(finished):
    stage, metrics = finished
    assert metrics["kept_bytes"]["code"] <= 40_000
    assert metrics["dropped"]["code"]["over_budget"] > 0
    assert metrics["dedup"]["planted"]["precision"] in (0.0, 1.0)
    rows = stage.table("curate", "duplicates").to_pylist()
    assert len(rows) == metrics["dedup"]["exact"] + metrics["dedup"]["near"]


def test_a_web_document_leads_to_its_prose(finished):
    stage, _ = finished
    table = pq.read_table(stage.path / "documents.parquet").to_pylist()
    prose = {d.id: d for d in stage.rows("curate", "prose", Document)}
    web = [row for row in table if row["label"] == "good"]
    assert web
    for row in web:
        assert row["parents"] and all(
            prose[parent].source.startswith("python:Lib/") for parent in row["parents"]
        )


def test_a_folder_of_ones_own_alone(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    prose = "The queue keeps the order of its items because fairness matters to all of the readers. "
    rows = [{"text": f"Row {i}. " + prose * 3 + f"That is all of part {i * i}."} for i in range(8)]
    rows.append({"text": "too short"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "page.html").write_text(
        f"<html><body><nav>Menu</nav><p>{prose * 8}Only here.</p></body></html>"
    )
    (folder / "bad.parquet").write_bytes(b"PAR1 and no more")
    stage = stage_in(tmp_path / "curate", 1)
    config = CurateConfig(installation=False, paths=(str(folder),), licence="CC0", published_rules=False)
    metrics = run(config, stage)
    kept = stage.rows("curate", "documents", Document)
    assert {d.licence for d in kept} == {"CC0"} and metrics["kept"] == {"web": len(kept)}
    assert "too_few_words" in metrics["dropped"]["web"] and metrics["dropped"]["unread"] == {
        "unreadable_file": 1
    }
    assert "skipped" in metrics["classifier"] and metrics["extraction"] == {}
    assert not (stage.path / "pages.parquet").exists()


def test_nothing_left_is_one_sentence(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="no document that passes"):
        run(CurateConfig(installation=False, paths=(str(tmp_path),)), stage_in(tmp_path / "curate", 1))


@pytest.mark.parametrize(
    "fields",
    [{"installation": False}, {"web_share": 1.5}, {"duplicate_threshold": 0.1}, {"max_passage_chars": 100}],
)
def test_impossible_settings_are_one_sentence(fields):
    with pytest.raises(ConfigError, match="curate") as error:
        CurateConfig(**fields)
    assert "\n" not in str(error.value)
