"""Hostile input: whatever a file holds, reading it ends in time, and every loss is a drop with its reason.

TRIVIUM_FAULT_INPUTS sets how many mutated files are read (1,000 under the marker `slow`).
"""

import os
import random
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.curate.made_files import CODE, HTML, MADE, SENTENCE, epub, warc, zipped

from trivium.curate.extract.html import extract
from trivium.curate.readers import files, rows, tabular
from trivium.curate.readers.tex import tex_text
from trivium.curate.readers.warc import decoded
from trivium.curate.readers.xml_books import BrokenXml, xml_text
from trivium.records import Document, Drop

OPTIONS = files.ReadOptions("text", "unknown", 20, 3_000)
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SECONDS = 20.0
"""CPU time that a file may take; most take milliseconds."""


def read(path: Path) -> tuple[list[Document], list[Drop]]:
    started = time.process_time()
    documents, drops = [], []
    for shard in files.plan_shards([str(path)]):
        found, lost = files.read_shard(shard, OPTIONS)
        documents += found
        drops += lost
    assert time.process_time() - started < SECONDS
    assert all(d.text.strip() and d.text.encode() and d.source == str(path) for d in documents)
    assert all(d.reason and d.step and d.detail.encode() is not None for d in drops)
    return documents, drops


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, insert or swap bytes, up to eight times."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        at = chance.randrange(len(changed) + 1)
        width = chance.choice((1, 2, 8, 64, 512))
        way = chance.randrange(5)
        if way == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            del changed[at : at + width]
        elif way == 2:
            changed[at:at] = changed[at : at + width] * chance.choice((1, 3, 50))
        elif way == 3:
            changed[at:at] = chance.randbytes(width)
        else:
            changed = changed[:at]
    return bytes(changed)


def read_mutated(folder: Path, count: int) -> None:
    names = sorted(MADE)
    for number in range(count):
        name = names[number % len(names)]
        data = mutated(MADE[name], random.Random(number))
        documents, drops = read(put(folder, name, data))
        rows_may_be_none = (
            not data.strip() or "jsonl" in name or name in ("e.parquet", "n.py", "Posts.xml", "h.epub")
        )
        assert documents or drops or rows_may_be_none, (number, name)


def test_mutated_files(tmp_path):
    read_mutated(tmp_path, int(os.environ.get("TRIVIUM_FAULT_INPUTS", "150")))


@pytest.mark.slow
def test_a_thousand_mutated_files(tmp_path):
    read_mutated(tmp_path, 1_000)


@pytest.mark.skipif(not (SHARED / "warc-a").exists(), reason="no shared/data/warc-a")
def test_every_archive_of_the_collection(tmp_path):
    found = sorted(p for p in (SHARED / "warc-a").rglob("*") if p.is_file() and p.name != "ORIGIN.json")
    assert len(found) >= 26
    empty = 0
    for path in found:
        name = path.name.removesuffix(".bad")
        documents, drops = read(Path(shutil.copy(path, tmp_path / name)))
        empty += not documents and not drops
        for part in ("trunc", "clipped", "bad.arc"):
            assert part not in path.name or drops, path
    assert empty <= 4  # the metadata of WAT files and archives of requests hold no page


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=3_000))
def test_any_bytes_as_a_page(data):
    extract(b"<html><p>" + data)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "\\begin{align}",
                "\\end{align}",
                "{",
                "}",
                "$",
                "$$",
                "\\[",
                "\\item",
                "&",
                "\\\\",
                "\\x",
                "\\begin{itemize}",
                "\\end{itemize}",
                "\\verb|",
                "\\section",
                "%",
                "[",
                "]",
                "a",
            ]
        ),
        max_size=60,
    )
)
def test_any_tex(parts):
    tex_text(" ".join(parts))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="<>/&;!-[]CDATA \"'=ap\u00e9\ud7ff", max_size=300))
def test_any_markup(text):
    try:
        xml_text(text.encode())
    except BrokenXml:
        pass


def test_a_zip_bomb_is_one_drop(tmp_path):
    bomb = b"<html><body><p>" + b"a " * (rows.MAX_DOCUMENT_BYTES // 2) + b"</p></body></html>"
    documents, drops = read(put(tmp_path, "x.epub", epub(bomb)))
    assert documents == [] and [d.reason for d in drops] == ["unreadable"] * 2
    assert "unpacks to more than" in drops[0].detail


def test_an_archive_of_very_many_members_is_one_drop(tmp_path):
    data = zipped({f"{number}.xhtml": b"" for number in range(10_001)})
    assert [d.reason for d in read(put(tmp_path, "x.epub", data))[1]] == ["unreadable_file"]


def test_a_packed_body_that_unfolds_without_end_is_refused(monkeypatch):
    import gzip

    monkeypatch.setattr("trivium.curate.readers.warc.MAX_DOCUMENT_BYTES", 10_000)
    with pytest.raises(rows.Unreadable, match="unpacks to more"):
        decoded(gzip.compress(b"a" * 1_000_000), {"content-encoding": "gzip"})


def test_entities_that_unfold_are_refused(tmp_path):
    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    data = f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><x>&a9;</x>'.encode()
    documents, drops = read(put(tmp_path, "x.xml", data))
    assert documents == [] and "entities" in drops[0].detail


def line_of(folder: Path, size: int) -> Path:
    path = folder / "x.jsonl"
    with open(path, "wb") as handle:
        handle.write(b'{"text": "first row"}\n{"text": "')
        for _ in range(size // 1_000_000):
            handle.write(b"a" * 1_000_000)
        handle.write(b'"}\n{"text": "last row"}\n')
    return path


def check_long_line(path: Path) -> None:
    documents, drops = read(path)
    assert [d.text for d in documents] == ["first row", "last row"]
    reasons = [d.reason for d in drops]
    assert reasons == ["line_too_long"]


def test_a_line_that_is_too_long_costs_only_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(tabular, "MAX_LINE_BYTES", 1_000_000)
    check_long_line(line_of(tmp_path, 20_000_000))


@pytest.mark.slow
def test_a_line_of_200_megabytes(tmp_path):
    check_long_line(line_of(tmp_path, 200_000_000))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.html", b"<div>" * 10_000 + SENTENCE.encode()),
        ("x.xml", b"<a>" * 100_000 + b"</a>" * 100_000),
        ("x.jsonl", b'{"text": ' + b"[" * 100_000 + b"\n"),
        ("x.tex", b"{" * 50_000 + SENTENCE.encode() + b"}" * 50_000),
        ("x.tex", b"\\begin{itemize}\\item " * 3_000 + SENTENCE.encode() + b"\\end{itemize}" * 3_000),
        ("x.py", b"x = " + b"(" * 5_000 + b")" * 5_000),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_deep_nesting(tmp_path, name, data):
    documents, drops = read(put(tmp_path, name, data))
    assert documents or drops


@pytest.mark.parametrize("name", ["a.txt", "b.md", "c.html", "d.jsonl", "k.tex", "m.c"])
def test_bytes_that_are_no_utf8(tmp_path, name):
    data = MADE[name].replace(b"A sentence", b"A \xff\xfe\xc3\x28\xed\xa0\x80 sentence")
    documents, drops = read(put(tmp_path, name, data))
    assert documents or drops


REDOS = [
    "<" * 50_000, "</div " * 50_000, "<!--" * 50_000, "&" * 50_000, "\\(" * 20_000, "\\[" * 20_000, 
    "$" * 50_000,
    "a" * 50_000 + "!", "((a+)+)+$" * 3_000, "\\begin{a}" * 5_000, "\\newcommand{\\a}{" * 5_000, "{" * 50_000,
    "\\def\\a{\\b\\b}\\def\\b{\\c\\c}\\def\\c{\\d\\d}\\a" * 200, "|" * 50_000, 
    "| --- " * 10_000, " " * 200_000,
    "\t\n" * 50_000, "%" * 50_000, "http/1.1 200 " * 5_000, "0 0 0 0 0 " * 10_000, 
    "\\input{x}" * 5_000, "`" * 50_000,
    "\\newcommand{\\a}[1]{#1}" + "\\a{" * 20_000, "$ {" * 20_000,
    "\\def\\a#1;{x}" + ("\\a{" + ";" * 4_000) * 20,
    "\\newcommand{\\a}[1]{#1#1}" + "\\a{" * 30 + "x" + "}" * 30, "\\begin{tabular}{" + "*{99}{" * 3_000,
    "class=\"" + "a-" * 50_000 + "\"", "\u5b50" * 50_000, "SPDX-License-Identifier: " + "A AND " * 5_000,
]  # fmt: skip
"""Strings on which a careless pattern takes quadratic or exponential time."""


@pytest.mark.parametrize("text", REDOS, ids=range(len(REDOS)))
def test_strings_that_trap_patterns(tmp_path, text):
    for name in ("x.html", "x.tex", "x.txt", "x.c", "x.arc"):
        page = f"<html><body><p {text}>{text}</p></body></html>" if name == "x.html" else text
        documents, drops = read(put(tmp_path, name, page.encode()))
        assert documents or drops


def test_a_document_that_takes_too_long_is_a_drop(monkeypatch):
    def spin() -> Document:
        while True:
            pass

    monkeypatch.setattr(rows, "SECONDS_PER_DOCUMENT", 0.2)
    found = rows.guarded(spin, "x", 7)
    assert isinstance(found, Drop) and found.reason == "too_slow"


def test_a_broken_record_costs_only_itself(tmp_path):
    whole = warc(3)
    middle = whole.index(b"http://example.org/1")
    broken = whole[:middle].replace(b"200 OK", b"404 No") + whole[middle:]
    documents, drops = read(put(tmp_path, "x.warc", broken))
    assert len(documents) + len(drops) == 3 and len(documents) >= 1


def test_code_that_is_data_or_generated_is_a_drop(tmp_path):
    for data in (
        b"// Code generated by x. DO NOT EDIT.\n" + CODE,
        b"int a[] = {" + b"1," * 5_000 + b"};",
        CODE + b"\0",
    ):
        assert read(put(tmp_path, "x.c", data))[0] == []


def test_a_page_that_is_whole_is_read(tmp_path):
    assert SENTENCE in read(put(tmp_path, "x.html", HTML))[0][0].text
