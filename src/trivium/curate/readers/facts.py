"""Facts: entries of real tables of the Python installation, one document an entry.

The tables are C data or module globals, so a range counts entries: document i of a table is [i, i + 1).
"""

from __future__ import annotations

import calendar
import errno
import html.entities
import http
import json
import mimetypes
import os
import signal
import unicodedata
from collections.abc import Iterator

from trivium.curate.readers.stdlib import LICENCE
from trivium.records import Document, row_id

STEP = "curate.read.facts"
NAMED_RANGES = ((0x21, 0x7F), (0xA1, 0x180), (0x370, 0x400), (0x2190, 0x2200), (0x2200, 0x2300))
"""Code points whose names are read: Latin, Greek, arrows, mathematical operators."""


def read_facts() -> list[Document]:
    """Return every entry of every table, in table order."""
    tables = {
        "python:http.HTTPStatus": _http_statuses(),
        "python:errno.errorcode": _error_numbers(),
        "python:mimetypes.types_map": _mime_types(),
        "python:unicodedata.name": _character_names(),
        "python:html.entities.html5": _html_entities(),
        "python:signal.Signals": _signals(),
        "python:calendar.month_name": _months(),
    }
    return [
        _document(source, index, text) for source, texts in tables.items() for index, text in enumerate(texts)
    ]


def _http_statuses() -> Iterator[str]:
    for status in http.HTTPStatus:
        detail = f" {status.description}." if status.description else ""
        yield f"HTTP status {status.value} is called {status.phrase}.{detail}"


def _error_numbers() -> Iterator[str]:
    for number, name in sorted(errno.errorcode.items()):
        yield f"Error number {number} is {name}: {os.strerror(number)}."


def _mime_types() -> Iterator[str]:
    # A fresh table: the module-level one depends on files of the machine.
    for extension, kind in sorted(mimetypes.MimeTypes().types_map[True].items()):
        yield f"A file that ends in {extension} has the MIME type {kind}."


def _character_names() -> Iterator[str]:
    for first, last in NAMED_RANGES:
        for point in range(first, last):
            name = unicodedata.name(chr(point), "")
            if name:
                yield f"The character {chr(point)} is U+{point:04X}, named {name}."


def _html_entities() -> Iterator[str]:
    for name, point in sorted(html.entities.name2codepoint.items()):
        yield f"The HTML entity &{name}; stands for the character {chr(point)}."


def _signals() -> Iterator[str]:
    for entry in signal.Signals:
        meaning = signal.strsignal(entry.value)
        yield f"Signal {entry.value} is {entry.name}" + (f": {meaning}." if meaning else ".")


def _months() -> Iterator[str]:
    # A fixed common year; the calendar module's names follow the locale, the lengths do not.
    for month in range(1, 13):
        yield f"Month number {month} of a common year has {calendar.monthrange(2023, month)[1]} days."


def _document(source: str, index: int, text: str) -> Document:
    return Document(
        id=row_id(STEP, [source], f"{index}:{text}"),
        kind="facts",
        text=text,
        source=source,
        start=index,
        end=index + 1,
        licence=LICENCE,
        language="en",
        meta=json.dumps({"unit": "entry"}),
    )
