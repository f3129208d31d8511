"""Code: the functions and classes of Python files, with exact byte ranges.

A class that fits is one document; a longer one gives its methods one by one.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from trivium.curate.readers.stdlib import LICENCE, Definition, Source, docstring_node
from trivium.records import Document, row_id

STEP = "curate.read.code"


def read_code(
    source: Source, *, min_chars: int, max_chars: int, licence: str = LICENCE
) -> Iterator[Document]:
    """Yield one document per function or class of a file, in file order.

    Args:
        source: A parsed file.
        min_chars: Shorter definitions are left out (they are one-liners such as properties).
        max_chars: Longer functions are left out; longer classes are opened.
        licence: Licence of the file.
    """
    for node, qualified in definitions(source.tree.body, "", source, max_chars):
        start, end = source.span(node)
        text = dedent(source.data[start:end].decode(), node.col_offset)
        if min_chars <= len(text) <= max_chars:
            yield _document(source, node, qualified, text, start, end, licence)


def definitions(
    body: list[ast.stmt], prefix: str, source: Source, max_chars: int
) -> Iterator[tuple[Definition, str]]:
    """Yield (node, qualified name) of the definitions that stand on their own."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from definitions(node.body, prefix, source, max_chars)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, prefix + node.name
        elif isinstance(node, ast.ClassDef):
            start, end = source.span(node)
            if end - start <= max_chars:
                yield node, prefix + node.name
            else:
                yield from definitions(node.body, f"{prefix}{node.name}.", source, max_chars)


def dedent(text: str, columns: int) -> str:
    """Take `columns` leading blanks off every line after the first (the first starts at the node)."""
    if columns == 0:
        return text
    head, *rest = text.split("\n")
    return "\n".join([head, *(line[columns:] if not line[:columns].strip() else line for line in rest)])


def _document(
    source: Source, node: Definition, name: str, text: str, start: int, end: int, licence: str
) -> Document:
    meta = {
        "name": name,
        "type": "class" if isinstance(node, ast.ClassDef) else "method" if "." in name else "function",
        "documented": docstring_node(node) is not None,
        "dedent": node.col_offset,
    }
    return Document(
        id=row_id(STEP, [source.name], f"{start}:{end}:{text}"),
        kind="code",
        text=text,
        source=source.name,
        start=start,
        end=end,
        licence=licence,
        language="python",
        meta=json.dumps(meta),
    )
