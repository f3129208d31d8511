"""Readers: byte ranges are exact, nothing is read twice, broken files are one sentence or a drop."""

import ast
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trivium.curate.readers import facts, files, python_books, python_builtins, python_code, stdlib
from trivium.errors import DataError

SOURCE = b'''"""The module.

It has two paragraphs, the second of which is this one, long enough to be read as a docstring of its own.
"""
# A comment line that says why the function below is written as it is and not otherwise,
# a second one that goes on about the reasons, since prose in comments often is the best there is,
# a third one that names an alternative which was tried and found to be slower than this way,
# and a fourth one, so that the block is long enough to be worth a page.
@decorated
def first(a):
    """Say \xc3\xa4 and return it, which is all that this function does, but at some length."""
    if a:
        return "\xc3\xa4"
    return None


class Big:
    def method(self):
        text = """kept
    as it is"""
        return text
'''
OPTIONS = files.ReadOptions("text", "MIT", 20, 3_000)


@pytest.fixture
def source() -> stdlib.Source:
    parsed = stdlib.parse_source("python:Lib/mod.py", SOURCE)
    assert isinstance(parsed, stdlib.Source)
    return parsed


def test_code_has_the_bytes_of_its_range(source):
    found = list(python_code.read_code(source, min_chars=10, max_chars=3_000))
    assert [json.loads(d.meta)["name"] for d in found] == ["first", "Big"]
    for document in found:
        assert SOURCE[document.start : document.end].decode() == document.text
        ast.parse(document.text)
    assert found[0].text.startswith("@decorated")


def test_a_long_class_is_opened_and_its_methods_stand_alone(source):
    found = list(python_code.read_code(source, min_chars=10, max_chars=80))
    method = found[-1]
    assert json.loads(method.meta)["name"] == "Big.method"
    ast.parse(method.text)
    assert "\n" + " " * 4 in SOURCE[method.start : method.end].decode()


@pytest.mark.parametrize(
    ("data", "reason"), [(b"def f(:\n", "not_python"), (b"# coding: latin-1\nx=1\n", "not_utf8")]
)
def test_files_that_are_no_utf8_python_say_why(data, reason):
    assert stdlib.parse_source("x.py", data) == reason


def test_docstrings_and_comments_have_the_bytes_of_their_range(source):
    found = [
        *python_books.read_docstrings(source, "books", 60),
        *python_books.read_comments(source, "web", 200),
    ]
    assert [json.loads(d.meta)["form"] for d in found] == ["docstring", "docstring", "comment"]
    assert ast.literal_eval(SOURCE[found[1].start : found[1].end].decode()) == found[1].text
    assert "alternative which was tried" in SOURCE[found[2].start : found[2].end].decode()


def test_short_prose_and_commented_code_are_not_read(source):
    assert list(python_books.read_docstrings(source, "books", 500)) == []
    code = stdlib.parse_source("x.py", b"# def f():\n#     return 1\n# x = 2\n# y = 3\n" * 10)
    assert isinstance(code, stdlib.Source)
    assert list(python_books.read_comments(code, "web", 10)) == []


def test_topics_are_literals_of_their_file():
    data = (stdlib.library_folder() / python_books.TOPICS_FILE).read_bytes()
    topics = python_books.read_topics()
    assert len(topics) > 50
    document = topics[3]
    assert ast.literal_eval(f"({data[document.start : document.end].decode()})").strip() == document.text


def test_builtins_and_facts_have_distinct_ids():
    documents = [*python_builtins.read_builtins(80), *facts.read_facts()]
    assert len({d.id for d in documents}) == len(documents) > 1_000
    texts = {d.text for d in documents}
    assert "HTTP status 404 is called Not Found. Nothing matches the given URI." in texts


def test_a_module_is_on_one_side_and_both_sides_have_some():
    sides = [python_books.side_of(f"python:Lib/{name}", 0.5) for name in stdlib.library_files()]
    assert set(sides) == {"web", "books"}
    assert {python_books.side_of("python:Lib/abc.py", share) for share in (1.0,)} == {"web"}


def test_library_files_leave_tests_out():
    names = stdlib.library_files()
    assert "json/decoder.py" in names
    assert not [n for n in names if n.startswith(("test/", "idlelib/", "site-packages/")) or "/tests/" in n]


def read_all(path: Path) -> tuple[list, list]:
    documents, drops = [], []
    for shard in files.plan_shards(files.find_files([str(path)])):
        found, lost = files.read_shard(shard, OPTIONS)
        documents += found
        drops += lost
    return documents, drops


def test_a_folder_of_ones_own(tmp_path):
    (tmp_path / "a.txt").write_text("Some text.")
    (tmp_path / "b.md").write_text("# Title\n\nMore text.")
    (tmp_path / "c.py").write_bytes(SOURCE)
    (tmp_path / "d.html").write_text(f"<html><body><p>{'A page of words. ' * 20}</p></body></html>")
    (tmp_path / "e.bin").write_bytes(b"ignored")
    (tmp_path / "f.jsonl").write_text(
        '{"text": "one"}\n\n{broken\n{"other": 1}\n[1]\n{"text": "two", "kind": "code"}\n'
    )
    pq.write_table(pa.table({"text": ["three", None]}), tmp_path / "g.parquet")
    documents, drops = read_all(tmp_path)
    assert sorted({d.kind for d in documents}) == ["books", "code", "web"]
    assert [d.text for d in documents if d.source.endswith("f.jsonl")] == ["one", "two"]
    assert sorted(drop.reason for drop in drops) == ["no_text", "no_text", "no_text", "not_json"]
    row = next(d for d in documents if d.text == "two")
    assert json.loads((tmp_path / "f.jsonl").read_bytes()[row.start : row.end])["text"] == "two"
    assert {d.licence for d in documents} == {"MIT"}


def test_shards_of_one_file_give_every_row_once(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"row {i} " + "x" * (i % 7)}) + "\n" for i in range(50)))
    whole = [d.text for d in files.read_shard(files.FileShard(str(path)), OPTIONS)[0]]
    for size in (1, 17, 100, 10_000):
        monkeypatch.setattr(files, "BLOCK_BYTES", size)
        assert [d.text for d in read_all(path)[0]] == whole


def truncated_gzip(path: Path) -> Path:
    lines = b"".join(json.dumps({"text": f"line {i} {i * i}"}).encode() + b"\n" for i in range(5_000))
    path.write_bytes(gzip.compress(lines)[:-2_000])
    return path


def truncated_parquet(path: Path) -> Path:
    pq.write_table(pa.table({"text": ["a"] * 100}), path)
    path.write_bytes(path.read_bytes()[:-20])
    return path


@pytest.mark.parametrize(("make", "name"), [(truncated_gzip, "x.jsonl.gz"), (truncated_parquet, "x.parquet")])
def test_a_truncated_file_is_one_sentence_if_named_and_a_drop_in_a_folder(tmp_path, make, name):
    path = make(tmp_path / name)
    documents, drops = read_all(path)
    assert [drop.reason for drop in drops] == ["unreadable_file"]
    with pytest.raises(DataError, match="truncated") as error:
        files.refuse_unreadable([str(path)], drops, len(documents))
    assert "\n" not in str(error.value)
    files.refuse_unreadable([str(tmp_path)], drops, 1)
    with pytest.raises(DataError):
        files.refuse_unreadable([str(tmp_path)], drops, 0)


def test_rows_before_the_break_are_kept(tmp_path):
    documents, _ = read_all(truncated_gzip(tmp_path / "x.jsonl.gz"))
    assert documents and documents[0].text == "line 0 0"


def test_missing_and_empty_paths_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        files.find_files([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match="without a readable file"):
        files.find_files([str(tmp_path)])


def test_a_parquet_file_without_the_column_names_those_it_has(tmp_path):
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "x.parquet")
    _, drops = read_all(tmp_path)
    assert "body" in drops[0].detail and "text_field" in drops[0].detail
