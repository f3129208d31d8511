"""Docstrings of the parts of Python written in C: built-in types and functions, `math`, `itertools`, ...

They lie in no source file, so the source names the object and the range is that of its `__doc__` in UTF-8.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import types
from collections.abc import Iterator

from trivium.curate.readers.stdlib import LICENCE, OBJECT_PREFIX
from trivium.records import Document, row_id

STEP = "curate.read.builtins"
EXTENSIONS = (
    "_bisect _csv _datetime _decimal _heapq _json _pickle _queue _random _socket _sqlite3 _ssl _statistics "
    "_struct _zoneinfo array binascii cmath fcntl grp math mmap pyexpat resource select termios "
    "unicodedata zlib"
).split()
"""Extension modules read where present; importing them has no effect beyond the import."""
MAX_DEPTH = 2
"""Module -> class -> method."""


def read_builtins(min_chars: int) -> list[Document]:
    """Return the docstrings of C modules, sorted by object name; a repeated text is taken once."""
    names = sorted({n for n in sys.builtin_module_names if not n.startswith("_test")} | set(EXTENSIONS))
    found: dict[str, str] = {}
    for name in names:
        for qualified, text in _module_docstrings(name):
            if len(text) >= min_chars:
                found.setdefault(text, qualified)
    return [_document(name, text) for text, name in found.items()]


def _module_docstrings(name: str) -> Iterator[tuple[str, str]]:
    try:
        module = importlib.import_module(name)
    except ImportError:  # an extension that this build of Python lacks
        return
    yield from _docstrings(module, name, MAX_DEPTH)


def _docstrings(thing: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    text = getattr(thing, "__doc__", None)
    if isinstance(text, str) and text.strip():
        yield name, inspect.cleandoc(text).strip()
    if depth > 0 and isinstance(thing, type | types.ModuleType):
        for key, value in sorted(vars(thing).items()):
            if isinstance(value, types.ModuleType) or (key.startswith("_") and not key.startswith("__")):
                continue
            # Constants carry the docstring of their type; only things that document themselves count.
            if isinstance(value, type) or callable(value) or inspect.isdatadescriptor(value):
                yield from _docstrings(value, f"{name}.{key}", depth - 1)


def _document(name: str, text: str) -> Document:
    source = f"{OBJECT_PREFIX}{name}.__doc__"
    return Document(
        id=row_id(STEP, [source], text),
        kind="books",
        text=text,
        source=source,
        start=0,
        end=len(text.encode()),
        licence=LICENCE,
        language="en",
        meta=json.dumps({"name": name, "form": "docstring"}),
    )
