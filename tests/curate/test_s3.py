"""Sources in a bucket: the same rows as from a folder, and only the bytes that a shard needs."""

import json
import random
from pathlib import Path

import pytest
from tests.curate.made_files import MADE

from trivium.curate.readers import files, sources
from trivium.curate.stage import CurateConfig, run
from trivium.errors import DataError
from trivium.records import Document
from trivium.store.publish import publish
from trivium.store.run import Run, StageDir

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'trivium[s3]'")
moto_server = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # what botocore and moto say of themselves
OPTIONS = files.ReadOptions("text", "MIT", 20, 3_000)
NOUNS = "queue list river garden letter market engine village harbour museum orchard teacher".split()
PROSE = "The {} keeps the order of its {}, because fairness matters to the {} and to all who read of it."


@pytest.fixture(scope="module")
def bucket():
    patch = pytest.MonkeyPatch()
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = s3fs.S3FileSystem()
    store.mkdir("crawl")
    yield store
    server.stop()
    patch.undo()


def rows_of(path: str) -> tuple[list[Document], list[str]]:
    documents, reasons = [], []
    for shard in files.plan_shards(files.find_files([path]), [path]):
        found, lost = files.read_shard(shard, OPTIONS)
        documents += found
        reasons += [drop.reason for drop in lost]
    return documents, reasons


def test_a_prefix_is_read_like_a_folder(bucket, tmp_path):
    chosen = {name: data for name, data in MADE.items() if not name.endswith(".tex")}
    for name, data in chosen.items():
        (tmp_path / name).write_bytes(data)
        bucket.pipe(f"crawl/mixed/{name}", data)
    there, lost_there = rows_of("s3://crawl/mixed")
    here, lost_here = rows_of(str(tmp_path))
    assert [(d.text, d.start, d.end) for d in there] == [(d.text, d.start, d.end) for d in here]
    assert lost_there == lost_here and len(there) > 10
    assert all(d.source.startswith("s3://crawl/mixed/") for d in there)


def test_shards_of_one_object_fetch_their_own_bytes(bucket, monkeypatch):
    lines = [json.dumps({"text": f"row {n} " + "x" * (n % 97)}).encode() + b"\n" for n in range(4_000)]
    data = b"".join(lines)
    bucket.pipe("crawl/rows.jsonl", data)
    fetched: list[int] = []
    fetch = s3fs.core.S3File._fetch_range

    def counted(self: object, start: int, end: int) -> bytes:
        fetched.append(end - start)
        return fetch(self, start, end)

    monkeypatch.setattr(s3fs.core.S3File, "_fetch_range", counted)
    monkeypatch.setattr(files, "BLOCK_BYTES", 40_000)
    monkeypatch.setattr(sources, "REMOTE_BLOCK_BYTES", 5_000)
    monkeypatch.setattr(sources, "CHUNK", 5_000)
    documents, reasons = rows_of("s3://crawl/rows.jsonl")
    assert len(files.plan_shards(["s3://crawl/rows.jsonl"])) == -(-len(data) // 40_000) > 5
    assert [d.text for d in documents] == [
        json.loads(line)["text"].strip() for line in lines
    ] and reasons == []
    assert sum(fetched) < 1.5 * len(data) and max(fetched) <= 15_000


def test_a_line_without_end_costs_only_itself(bucket, monkeypatch):
    monkeypatch.setattr("trivium.curate.readers.tabular.MAX_LINE_BYTES", 10_000)
    bucket.pipe("crawl/long.jsonl", b'{"text": "one"}\n{"text": "' + b"a" * 50_000 + b'"}\n{"text": "two"}\n')
    documents, reasons = rows_of("s3://crawl/long.jsonl")
    assert [d.text for d in documents] == ["one", "two"] and reasons == ["line_too_long"]


def test_what_is_not_there_is_one_sentence(bucket):
    for path in ("s3://crawl/nowhere", "s3://no-such-bucket/x"):
        with pytest.raises(DataError, match=path) as error:
            files.find_files([path])
        assert "\n" not in str(error.value)


def test_curate_in_two_processes_from_a_bucket(bucket, tmp_path):
    rng = random.Random(0)
    texts = ["\n\n".join(PROSE.format(*rng.sample(NOUNS, 3)) for _ in range(8)) for _ in range(12)]
    (tmp_path / "mine").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "mine" / f"{number:02d}.txt").write_text(text)
        bucket.pipe(f"crawl/prose/{number:02d}.txt", text.encode())
    kept = {}
    for path in ("s3://crawl/prose", str(tmp_path / "mine")):
        stage = StageDir(name="curate", path=tmp_path / Path(path).name / "curate", seed=0, workers=2)
        stage.path.mkdir(parents=True)
        run(CurateConfig(installation=False, paths=(path,), shard_documents=4), stage)
        kept[path] = sorted(d.text for d in stage.rows("curate", "documents", Document))
    assert kept["s3://crawl/prose"] == kept[str(tmp_path / "mine")] and len(texts) >= len(kept[path]) > 0


def test_a_finished_run_is_copied_to_a_bucket(bucket, tmp_path):
    (tmp_path / "01-curate").mkdir()
    (tmp_path / "recipe.json").write_text("{}")
    (tmp_path / "01-curate" / "documents.parquet").write_bytes(MADE["e.parquet"])
    (tmp_path / "01-curate" / "stage.json").write_text("{}")
    assert publish(Run(tmp_path), "s3://crawl/runs/x") == ["curate"]
    assert bucket.cat("crawl/runs/x/01-curate/documents.parquet") == MADE["e.parquet"]
    assert publish(Run(tmp_path), "s3://crawl/runs/x") == []
