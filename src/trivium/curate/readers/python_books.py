"""Prose of the Python installation: the language reference, docstrings, comment blocks; with byte ranges."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
from collections.abc import Iterator

from trivium.curate.readers.stdlib import (
    LICENCE,
    PREFIX,
    Source,
    docstring_node,
    library_folder,
    parse_source,
)
from trivium.records import Document, row_id

STEP = "curate.read.prose"
TOPICS_FILE = "pydoc_data/topics.py"
COMMENT_BLOCK = re.compile(rb"(?:^[ \t]*#[^\n]*\n){3,}", re.MULTILINE)
CODE_IN_COMMENT = re.compile(
    r"^\s*(?:def |class |if |for |return\b|import |from \w+ import|\w+ = |print\()", re.M
)


def read_topics() -> list[Document]:
    """Return the entries of `pydoc_data.topics` (the language reference), one document each.

    The byte range is that of the string literal in `pydoc_data/topics.py`. An installation without that
    file gives an empty list.
    """
    path = library_folder() / TOPICS_FILE
    source = parse_source(PREFIX + TOPICS_FILE, path.read_bytes()) if path.exists() else "missing"
    if isinstance(source, str):
        return []
    entries = [
        (key.value, value)
        for table in ast.walk(source.tree)
        if isinstance(table, ast.Dict)
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
    ]
    return [
        _document(source, "books", str(name), value.value.strip(), source.span(value), "topic")
        for name, value in entries
        if isinstance(value.value, str)
    ]


def read_docstrings(source: Source, kind: str, min_chars: int) -> Iterator[Document]:
    """Yield the docstrings of a module and of everything in it, in file order, cleaned of indentation."""
    for node, name in _owners(source.tree, module_name(source.name)):
        literal = docstring_node(node)
        if literal is not None:
            text = inspect.cleandoc(literal.value if isinstance(literal.value, str) else "").strip()
            if len(text) >= min_chars:
                yield _document(source, kind, name, text, source.span(literal), "docstring")


def read_comments(source: Source, kind: str, min_chars: int) -> Iterator[Document]:
    """Yield blocks of at least three comment lines that read as prose (licence headers and code left out)."""
    for match in COMMENT_BLOCK.finditer(source.data):
        lines = match.group().decode(errors="replace").splitlines()
        text = inspect.cleandoc("\n".join(re.sub(r"^\s*#+ ?", "", line) for line in lines)).strip()
        if len(text) >= min_chars and _is_prose(text):
            name = module_name(source.name)
            yield _document(source, kind, name, text, (match.start(), match.end()), "comment")


def side_of(source_name: str, web_share: float) -> str:
    """Say whether a module's prose is printed as a book or rendered as web pages.

    The two sides share no module, so no sentence is counted twice. Decided by a hash of the path.
    """
    digest = hashlib.blake2b(source_name.encode(), digest_size=4).digest()
    return "web" if int.from_bytes(digest) / 2**32 < web_share else "books"


def module_name(source_name: str) -> str:
    """Return the dotted module name of a source name: `python:Lib/json/decoder.py` -> `json.decoder`."""
    path = source_name.removeprefix(PREFIX).removesuffix(".py").removesuffix("/__init__")
    return path.replace("/", ".")


def _owners(tree: ast.AST, name: str) -> Iterator[tuple[ast.AST, str]]:
    yield tree, name
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _owners(node, f"{name}.{node.name}")


def _is_prose(text: str) -> bool:
    """At most a third of the lines may look like code or rulers, and it must not be a licence."""
    lines = [line for line in text.splitlines() if line.strip()]
    odd = sum(1 for line in lines if CODE_IN_COMMENT.match(line) or not re.search(r"[a-z]{3}", line))
    legal = re.search(r"copyright|licen[cs]ed|permission", text[:600], re.IGNORECASE)
    return bool(lines) and odd * 3 <= len(lines) and legal is None


def _document(source: Source, kind: str, name: str, text: str, span: tuple[int, int], form: str) -> Document:
    return Document(
        id=row_id(STEP, [source.name, kind], f"{span[0]}:{span[1]}:{text}"),
        kind=kind,
        text=text,
        source=source.name,
        start=span[0],
        end=span[1],
        licence=LICENCE,
        language="en",
        meta=json.dumps({"name": name, "form": form}),
    )
