"""Facts of the running Python: real tables, some entries of which are withheld so that nobody can know them.

A withheld fact is stated nowhere in the training data. That holds only if the files in `source_files()` and
every passage that states a withheld fact are kept out of the corpus; see `states`.
"""

from __future__ import annotations

import errno
import html.entities
import http
import mimetypes
import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trivium.problems.wordings import TABLES, Wordings
from trivium.records import Question, row_id

LONGEST_VALUE = 24
"""Characters; longer values cost a 1.5M-parameter model more than they teach."""
KNOWN_SHARE = 1 / 4
_BLOCKS = ((0xA1, 0xC0), (0x391, 0x3CA), (0x2010, 0x2050))
"""Latin-1 signs, Greek letters, punctuation."""


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """One entry of a table, with the file (or the built-in module) and the line where it stands."""

    table: str
    key: str
    value: str
    source: str
    start_line: int
    """1-based; 0 for a module written in C."""

    @property
    def id(self) -> str:
        """Row id of the fact."""
        return row_id("problems.facts", [], f"{self.table}\t{self.key}\t{self.value}")


@cache
def tables() -> tuple[Fact, ...]:
    """Return every fact with a short value, sorted; about 530 on CPython 3.11 for Linux."""
    codes = html.entities.name2codepoint
    entities = {key: str(code) for key, code in codes.items() if key.islower() and code < 256}
    rows = [
        *_from_file("http", {str(int(s)): s.phrase for s in http.HTTPStatus}, http.__file__, "{key},"),
        *_from_file("mime", mimetypes.MimeTypes(()).types_map[True], mimetypes.__file__, "'{key}'"),
        *_from_file("entity", entities, html.entities.__file__, "'{key}'"),
        *(Fact("errno", name, str(number), "python:errno", 0) for number, name in errno.errorcode.items()),
        *(Fact("character", key, value, "python:unicodedata", 0) for key, value in _characters().items()),
    ]
    return tuple(sorted(fact for fact in rows if len(fact.value) <= LONGEST_VALUE))


def source_files() -> tuple[str, ...]:
    """Return the sources (as in Document.source) that state the tables and so must stay out of the corpus."""
    return tuple(sorted({fact.source for fact in tables()}))


def split_known(facts: Sequence[Fact], seed: int) -> tuple[list[Fact], list[Fact], list[Fact]]:
    """Split every table: known (a quarter), unknown for training and unknown for testing (the rest, halved).

    A withheld fact costs no training; many of them make refusals measurable.

    Only the known ones may be stated in training data; questions about `unknown for training` may be shown
    with a refusal, those of `unknown for testing` never.
    """
    known: list[Fact] = []
    unknown_train: list[Fact] = []
    unknown_test: list[Fact] = []
    for table in sorted({fact.table for fact in facts}):
        rows = sorted(fact for fact in facts if fact.table == table)
        random.Random(f"facts-{table}-{seed}").shuffle(rows)
        cut = round(len(rows) * KNOWN_SHARE)
        middle = (cut + len(rows)) // 2
        known += rows[:cut]
        unknown_train += rows[cut:middle]
        unknown_test += rows[middle:]
    return known, unknown_train, unknown_test


def statements(facts: Sequence[Fact]) -> list[tuple[Fact, str]]:
    """Return each fact in every statement wording of its table, fact by fact."""
    return [
        (fact, text.format(k=fact.key, v=fact.value))
        for fact in facts
        for text in TABLES[fact.table].statements
    ]


def questions(facts: Sequence[Fact], *, held_out_wording: bool = False) -> list[Question]:
    """Return the questions about each fact in all training wordings, or in the one held-out wording.

    The answer is the true value whether or not the fact is withheld; who asks decides if a refusal is due.
    """
    rows = []
    for fact in facts:
        wordings = TABLES[fact.table]
        asked = (wordings.held_out,) if held_out_wording else wordings.questions
        for index, text in enumerate(asked):
            rows.append(_question(fact, text, "held-out" if held_out_wording else f"ask{index}"))
    return rows


def bogus(seed: int, count: int, split: str = "train") -> list[Question]:
    """Return `count` distinct questions about entries that do not exist; every one is to be refused.

    Half are invented keys (HTTP status 731, file ending .qqz), half keys of another table. A key's hash
    decides whether it belongs to `train` or `exam`, so the two never share one. The exam asks in the
    held-out wordings.
    """
    rng = random.Random(f"bogus-{split}-{seed}")
    real = {(fact.table, fact.key) for fact in _all_keys()}
    found: dict[tuple[str, str], Question] = {}
    while len(found) < count:
        table = rng.choice(sorted(TABLES))
        key = _invented(rng, table) if rng.random() < 0.5 else _swapped(rng, table)
        belongs = int(row_id("problems.facts.bogus", [], f"{table} {key}"), 16) % 2 == 0
        if (table, key) in real or belongs != (split == "train"):
            continue
        wordings: Wordings = TABLES[table]
        text = rng.choice(wordings.questions) if split == "train" else wordings.held_out
        found.setdefault((table, key), _bogus_question(table, key, text))
    return list(found.values())


def states(text: str, fact: Fact) -> bool:
    """Say whether a text states a fact: key and value both stand in one line of it as whole words."""
    return any(_has(line, fact.key) and _has(line, fact.value) for line in text.splitlines())


def _has(line: str, term: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(term)}(?!\w)", line, re.IGNORECASE) is not None


def _question(fact: Fact, text: str, wording: str) -> Question:
    prompt = text.format(k=fact.key)
    return Question(
        id=row_id("problems.facts.question", [fact.id], prompt),
        prompt=prompt,
        answer=fact.value,
        verifier="exact",
        skill="fact",
        difficulty=1,
        template=f"{fact.table} {wording}",
        solution=f"Answer: {fact.value}",
        method="direct",
        parents=[fact.id],
    )


def _bogus_question(table: str, key: str, text: str) -> Question:
    prompt = text.format(k=key)
    return Question(
        id=row_id("problems.facts.bogus", [], prompt),
        prompt=prompt,
        answer="",
        verifier="refusal",
        skill="bogus",
        difficulty=1,
        template=f"{table} bogus",
    )


def _from_file(table: str, entries: dict[str, str], path: str | None, pattern: str) -> list[Fact]:
    assert path is not None
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    name = Path(path)
    stem = f"{name.parent.name}/{name.name}" if name.parent.name in ("http", "html") else name.name
    facts = []
    for key, value in entries.items():
        mark = pattern.format(key=key)
        line = next((number for number, text in enumerate(lines, 1) if mark in text), 0)
        facts.append(Fact(table, key, value, f"python:Lib/{stem}", line))
    return facts


def _characters() -> dict[str, str]:
    codes = (code for low, high in _BLOCKS for code in range(low, high))
    named = ((code, unicodedata.name(chr(code), "")) for code in codes)
    return {f"U+{code:04X}": name for code, name in named if name}


@cache
def _all_keys() -> tuple[Fact, ...]:
    """Every real key, also of the entries whose values are too long for `tables`."""
    entities = [Fact("entity", key, "", "", 0) for key in html.entities.name2codepoint]
    mime = mimetypes.MimeTypes(()).types_map
    endings = [Fact("mime", key, "", "", 0) for part in mime for key in part]
    characters = [Fact("character", key, "", "", 0) for key in _characters()]
    return (*tables(), *entities, *endings, *characters)


def _invented(rng: random.Random, table: str) -> str:
    letters = "".join(rng.choices("bcdfghjklmnpqrstvwxz", k=3))
    if table == "http":
        return str(rng.choice((rng.randint(600, 999), rng.randint(1000, 9999))))
    if table == "errno":
        return "E" + letters.upper() + rng.choice(("", "Q", "XZ"))
    if table == "mime":
        return "." + letters[:2] + rng.choice("qxz")
    if table == "entity":
        return letters + rng.choice(("uz", "ox", "iq"))
    return f"U+{rng.choice('GHJKQXZ')}{rng.randint(0, 999):03d}"


def _swapped(rng: random.Random, table: str) -> str:
    """Return a real key of another table, so the question mixes two tables."""
    others = [fact.key for fact in tables() if fact.table != table]
    return rng.choice(others)
