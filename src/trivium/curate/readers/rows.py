"""What every reader shares: shards, options, limits, documents, drops, and the guard around a record."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from trivium.records import Document, Drop, row_id

STEP = "curate.read.files"
MAX_DOCUMENT_BYTES = 50_000_000
"""A larger single document (or a member of an archive, unpacked) is dropped; hardly any book is that long."""
MAX_LINE_BYTES = 50_000_000
"""So is a longer line of a JSON lines file."""
SECONDS_PER_DOCUMENT = 30.0
"""Time for one document; a slower one is dropped, and the reader goes on with the next."""
KINDS = ("code", "books", "web")


@dataclass(frozen=True, slots=True)
class FileShard:
    """A file, or a part of one: bytes of a JSON lines file, row groups of a Parquet file."""

    path: str
    start: int = 0
    end: int = -1
    """-1: to the end of the file."""
    root: str = ""
    """The folder that the user named; licences are looked for up to here."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How rows become documents."""

    text_field: str
    licence: str
    min_code_chars: int
    max_code_chars: int


class Unreadable(Exception):
    """A file that cannot be read (to its end); the message goes on from `got FILE,`."""


class TooSlow(Exception):
    """A document took longer than `SECONDS_PER_DOCUMENT`."""


Rows = Iterator[Document | Drop]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` in the block after so many seconds; without effect outside of the main thread."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


Made = TypeVar("Made", bound=Document | Drop | None)


def guarded(make: Callable[[], Made], path: str, start: int) -> Made | Drop:
    """Return what `make` returns, within the time limit; whatever goes wrong in it is a drop with its reason.

    Parsers of foreign formats fail in ways that no list of exceptions covers, so all of them count here.
    """
    try:
        with time_limit(SECONDS_PER_DOCUMENT):
            return make()
    except TooSlow:
        return drop(path, start, "too_slow", f"over {SECONDS_PER_DOCUMENT:g} s")
    except Unreadable as error:
        return drop(path, start, "unreadable", str(error))
    except RecursionError:
        return drop(path, start, "too_deep", "")
    except MemoryError:
        return drop(path, start, "too_large", "out of memory")
    except Exception as error:
        return drop(path, start, "reader_failed", f"{type(error).__name__}: {error}"[:200])


def document(
    path: str,
    kind: str,
    text: str,
    start: int,
    end: int,
    options: ReadOptions,
    *,
    label: str = "",
    licence: str = "",
    language: str = "",
    meta: dict[str, Any] | None = None,
) -> Document:
    """Return a document of a file; `licence` counts before that of the options."""
    return Document(
        id=row_id(STEP, [path, kind], f"{start}:{end}:{text}".encode(errors="replace")),
        kind=kind,
        text=text.encode("utf-8", "replace").decode() if not text.isascii() else text,
        source=path,
        start=start,
        end=end,
        licence=licence or options.licence,
        language=language,
        label=label,
        meta=json.dumps(meta, ensure_ascii=False) if meta else "",
    )


def text_or_drop(
    path: str, kind: str, text: str, start: int, end: int, options: ReadOptions, **details: Any
) -> Document | Drop:
    """Return a document, or a drop where there is no text."""
    text = text.strip()
    if not text:
        return drop(path, start, "no_text", "nothing but blanks")
    return document(path, kind, text, start, end, options, **details)


def drop(path: str, start: int, reason: str, detail: str) -> Drop:
    """Return why a row of a file was not read."""
    plain = detail.encode("utf-8", "replace").decode()
    return Drop(
        id=row_id(STEP, [path], f"{start}:{reason}"), step=STEP, reason=reason, detail=plain, source=path
    )
