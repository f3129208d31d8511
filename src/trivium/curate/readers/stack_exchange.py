"""Stack Exchange dumps (Posts.xml): one document a question, with its answers, the accepted one first.

A dump is read once, in one pass; questions and answers lie far apart in it, so they wait in a SQLite file on
disk and memory stays flat however large the dump is.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from xml.parsers import expat

from trivium.curate.readers.rows import FileShard, ReadOptions, Rows, drop, guarded, text_or_drop
from trivium.curate.readers.sources import unpacked
from trivium.curate.readers.xml_books import to_text
from trivium.records import Document, Drop

QUESTION, ANSWER = "1", "2"
PIECE = 1 << 20
SCHEMA = (
    "create table posts (id integer primary key, parent integer, accepted integer, score integer, "
    "title, body, tags, licence)"
)


@dataclass(frozen=True, slots=True)
class _Post:
    """A row of the dump."""

    id: int
    parent: int
    accepted: int
    score: int
    title: str
    body: str
    tags: str
    licence: str


def stack_exchange_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield a row for every question of a dump; the offset is the question's id."""
    with tempfile.TemporaryDirectory(prefix="posts-") as folder:
        store = sqlite3.connect(Path(folder) / "posts.sqlite")
        try:
            store.execute(SCHEMA)
            broken = _fill(store, shard.path)
            store.execute("create index by_parent on posts (parent)")
            for post in _select(store, "parent = 0 order by id"):
                answers = list(
                    _select(store, f"parent = {post.id} order by id = {post.accepted} desc, score desc, id")
                )
                yield guarded(partial(_thread, shard.path, post, answers, options), shard.path, post.id)
            orphans = "parent > 0 and parent not in (select id from posts where parent = 0)"
            for post in _select(store, orphans):
                yield drop(shard.path, post.id, "answer_without_question", f"of {post.parent}")
        finally:
            store.close()
        if broken:
            yield drop(shard.path, 0, "broken_xml", broken)


def _fill(store: sqlite3.Connection, path: str) -> str:
    """Put the questions and answers of a dump into the store; return what is wrong with the file, or ""."""

    def start(name: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("PostTypeId")
        if name == "row" and kind in (QUESTION, ANSWER):
            values = _values(attributes, kind)
            if values is not None:
                store.execute("insert or ignore into posts values (?,?,?,?,?,?,?,?)", values)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        with unpacked(path) as stream:
            while piece := stream.read(PIECE):
                parser.Parse(piece)
        parser.Parse(b"", True)
    except (expat.ExpatError, OSError, EOFError) as error:
        return str(error)
    return ""


def _values(attributes: dict[str, str], kind: str) -> tuple[object, ...] | None:
    numbers = [attributes.get(key, "0") for key in ("Id", "ParentId", "AcceptedAnswerId")]
    if not all(number.isdecimal() and len(number) < 18 for number in numbers):
        return None
    written = attributes.get("Score", "0")
    score = int(written) if written.lstrip("-").isdecimal() and len(written) < 10 else 0
    own, parent, accepted = map(int, numbers)
    texts = [attributes.get(key, "") for key in ("Title", "Body", "Tags", "ContentLicense")]
    return (own, parent if kind == ANSWER else 0, accepted, score, *texts)


def _select(store: sqlite3.Connection, condition: str) -> Iterator[_Post]:
    cursor = store.cursor()
    for row in cursor.execute(f"select * from posts where {condition}"):
        yield _Post(*row)


def _thread(path: str, question: _Post, answers: list[_Post], options: ReadOptions) -> Document | Drop:
    """Return a question and its answers as one Markdown document."""
    parts = [f"# {question.title}" if question.title else "", to_text(question.body)]
    for answer in answers:
        accepted = ", accepted" if answer.id == question.accepted else ""
        parts += ["---", f"**Answer** (score {answer.score}{accepted})", to_text(answer.body)]
    tags = question.tags.strip("<>|").replace("><", " ").replace("|", " ").split()
    meta = {"question": question.id, "score": question.score, "answers": len(answers), "tags": tags}
    text = "\n\n".join(filter(None, parts))
    licence = question.licence.replace("CC BY-SA ", "CC-BY-SA-")
    return text_or_drop(path, "web", text, question.id, question.id + 1, options, licence=licence, meta=meta)
