"""What each format becomes: structure kept, reading order, licences, byte ranges, URLs."""

import json
from pathlib import Path

import pytest
from tests.curate.made_files import CODE, MADE, SENTENCE, jsonl

from trivium.curate.readers import files, licences
from trivium.errors import DataError
from trivium.records import Document, Drop

OPTIONS = files.ReadOptions("text", "unknown", 20, 3_000)


def read(folder: Path | str, *names: str) -> tuple[list[Document], list[Drop]]:
    documents, drops = [], []
    found = files.find_files([str(folder)])
    for shard in files.plan_shards(found, [str(folder)]):
        if not names or Path(shard.path).name in names:
            kept, lost = files.read_shard(shard, OPTIONS)
            documents += kept
            drops += lost
    return documents, drops


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in MADE.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_folder_that_mixes_all_formats_is_read_without_a_loss(folder):
    documents, drops = read(folder)
    assert drops == []
    assert {Path(d.source).name for d in documents} == set(MADE)
    with_sentence = {Path(d.source).name for d in documents if SENTENCE in d.text}
    assert with_sentence == set(MADE) - {"m.c", "n.py"}


def test_chapters_come_in_the_order_of_the_spine(folder):
    documents, _ = read(folder, "h.epub")
    assert [d.text.split("\n")[0] for d in documents] == ["# One", "# Two"]
    assert [json.loads(d.meta)["member"] for d in documents] == ["OEBPS/one.xhtml", "OEBPS/two.xhtml"]


def test_word_keeps_headings_and_tables(folder):
    text = read(folder, "i.docx")[0][0].text
    assert text.startswith("## Head\n\n") and "| k | v |\n| --- | --- |\n| k | v |" in text


def test_xml_books_keep_formulas_lists_and_code(folder):
    text = read(folder, "j.cnxml")[0][0].text
    assert text.startswith("# Top\n\n## Part\n\n") and "gone" not in text
    assert "again. $x$" in text and "1. first\n2. second" in text and "```\na = 1\nb = 2\n```" in text


def test_tex_keeps_formulas_tables_lists_and_code(folder):
    text = read(folder, "k.tex")[0][0].text
    assert text.startswith("## Top") and not text.endswith("after") and "comment" not in text
    assert r"Take $\frac{x}{2}$ and *this*." in text
    assert r"$$\begin{aligned} a &= b \\ c &= d \end{aligned}$$" in text
    assert "| k | v |\n| --- | --- |\n| 1 | 2 |" in text and "- one\n- two" in text
    assert "```\nx" in text


def test_tex_of_several_files_is_one_document_and_stays_in_its_folder(tmp_path):
    (tmp_path / "outside.tex").write_text("secret")
    book = tmp_path / "book"
    (book / "parts").mkdir(parents=True)
    (book / "main.tex").write_text(
        r"\documentclass{book}\begin{document}\input{parts/one}\include{parts/two}\input{../outside}\end{document}"
    )
    (book / "parts" / "one.tex").write_text("The first part. \\input{two}")
    (book / "parts" / "two.tex").write_text("The second part. \\input{one}")
    documents, _ = read(book)
    assert len(documents) == 1
    text = documents[0].text
    assert "The first part." in text and "The second part." in text and "secret" not in text


def test_a_thread_has_its_accepted_answer_first(folder):
    document = read(folder, "Posts.xml")[0][0]
    text = document.text
    assert text.startswith(f"# Why?\n\n{SENTENCE}")
    assert text.index("Accepted.") < text.index("Because.") and "(score 1, accepted)" in text
    assert json.loads(document.meta) == {"question": 1, "score": 5, "answers": 2, "tags": ["a"]}


def test_an_answer_whose_question_is_missing_is_a_drop(tmp_path):
    (tmp_path / "Posts.xml").write_bytes(MADE["Posts.xml"].replace(b'PostTypeId="1"', b'PostTypeId="5"'))
    documents, drops = read(tmp_path)
    assert documents == [] and [d.reason for d in drops] == ["answer_without_question"] * 2


def test_archives_keep_address_and_offset(folder):
    documents, _ = read(folder, "f.warc")
    assert [json.loads(d.meta)["url"] for d in documents] == [f"http://example.org/{i}" for i in range(3)]
    data = MADE["f.warc"]
    assert all(data[d.start : d.start + 8] == b"WARC/1.0" for d in documents)


def test_pages_lead_back_to_their_tags(folder):
    document = read(folder, "c.html")[0][0]
    text_at, page_at = json.loads(document.meta)["offsets"][1]
    assert MADE["c.html"].decode()[page_at:].startswith("<p>") and document.text[text_at:].startswith(
        SENTENCE
    )


def test_row_groups_of_a_parquet_file_are_shards(folder, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 10)
    shards = files.plan_shards([str(folder / "e.parquet")])
    assert [(s.start, s.end) for s in shards] == [(0, 1), (1, 2)]
    rows = [d for shard in shards for d in files.read_shard(shard, OPTIONS)[0]]
    assert [(d.start, d.end) for d in rows] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_licences_come_from_the_file_or_the_nearest_licence_file(tmp_path):
    tree = tmp_path / "project"
    (tree / "vendor" / "deep").mkdir(parents=True)
    (tree / "LICENSE").write_text("Apache License\n Version 2.0, January 2004")
    (tree / "vendor" / "COPYING").write_text("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007")
    plain = CODE.replace(b"// SPDX-License-Identifier: MIT\n", b"")
    for name, data in (("a.c", CODE), ("b.c", plain), ("vendor/deep/c.c", plain), ("d.md", b"Words.")):
        (tree / name).write_bytes(data)
    found = {Path(d.source).name: d.licence for d in read(tree)[0]}
    assert found == {"a.c": "MIT", "b.c": "Apache-2.0", "c.c": "GPL-3.0", "d.md": "Apache-2.0"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Redistributions in binary form ... Neither the name of", "BSD-3-Clause"),
        ("Redistributions in binary form must reproduce", "BSD-2-Clause"),
        ("Attribution-ShareAlike 4.0 International", "CC-BY-SA-4.0"),
        ("All rights reserved.", ""),
    ],
)
def test_licence_texts_are_recognised(text, name):
    assert licences.recognised(text) == name


def test_files_of_unknown_formats_are_drops_and_their_folders_are_named_once(tmp_path):
    (tmp_path / "a.md").write_text("Words.")
    (tmp_path / "b.xyz").write_text("?")
    (tmp_path / "LICENSE").write_text("MIT")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "c.md").write_text("Not text of the project.")
    assert [Path(d.source).name for d in files.left_aside([str(tmp_path)])] == ["b.xyz"]
    assert len(files.find_files([str(tmp_path)])) == 1


def test_urls_are_read_like_folders(monkeypatch):
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe(
        {"/curate/a.jsonl": jsonl(), "/curate/b.md": b"Words.", "/curate/c.warc.gz": MADE["f.warc.gz"]}
    )
    try:
        monkeypatch.setattr(files, "BLOCK_BYTES", 200)
        documents, drops = read("memory://curate")
        assert drops == [] and len(documents) == 5 + 1 + 3
        rows = [d for d in documents if d.source.endswith("a.jsonl")]
        assert [json.loads(jsonl()[d.start : d.end])["text"] for d in rows] == [d.text for d in rows]
    finally:
        store.rm("/curate", recursive=True)


def test_a_url_that_leads_nowhere_is_one_sentence():
    with pytest.raises(DataError, match="memory://nothing"):
        files.find_files(["memory://nothing"])
    with pytest.raises(DataError, match="nosuchstore"):
        files.find_files(["nosuchstore://bucket"])
