"""Small rows that stand for what curate leaves; tests get them as the fixture `make`."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from trivium.records import Document, Passage

MEDIAN = '''def pick(values):
    """Return the middle value of a sorted list of values."""
    half = len(values) // 2
    return values[half]'''

PROSE = (
    "When the cache is full, the oldest result is thrown away by the decorator, unless the size is "
    "unlimited. Every result is stored under the arguments of its call, so equal arguments give the same "
    "result again."
)


def document(text: str, kind: str = "code", source: str = "python:demo.py", name: str = "pick") -> Document:
    return Document(
        id=f"doc{hash_of(text)}",
        kind=kind,
        text=text,
        source=source,
        start=0,
        end=len(text),
        licence="PSF-2.0",
        language="python" if kind == "code" else "en",
        meta=json.dumps({"name": name}),
    )


def passage(text: str, tags: tuple[str, ...] = ("seed",), quality: float = 0.9) -> Passage:
    return Passage(
        id=f"pas{hash_of(text)}",
        document_id="doc",
        kind="books",
        text=text,
        start=0,
        end=len(text),
        quality=quality,
        reasoning=0.5,
        factual=0.5,
        tags=list(tags),
    )


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    return SimpleNamespace(document=document, passage=passage, MEDIAN=MEDIAN, PROSE=PROSE)


def hash_of(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
