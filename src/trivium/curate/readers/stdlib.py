"""The running Python's standard library as a source: which files, and how their syntax maps to bytes."""

from __future__ import annotations

import ast
import os
import sysconfig
import tokenize
from dataclasses import dataclass
from pathlib import Path

SKIPPED_FOLDERS = frozenset(
    """__pycache__ __phello__ site-packages dist-packages test tests idle_test idlelib lib2to3 turtledemo
    encodings ensurepip distutils pydoc_data lib-dynload""".split()
)
"""Tests, byte-compiled files, other people's packages, removed or generated trees."""

LICENCE = "PSF-2.0"
PREFIX = "python:Lib/"
"""Source names of library files: `python:Lib/json/decoder.py`."""
OBJECT_PREFIX = "python:"
"""Source names of things that are in no file: `python:builtins.str.__doc__`."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed source file. `line_starts[i]` is the byte offset of line i + 1."""

    name: str
    """`python:Lib/<path relative to the standard library>`, or the user's own path."""
    data: bytes
    tree: ast.Module
    line_starts: list[int]

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the byte range [start, end) of a node, decorators included."""
        first, column = node.lineno, node.col_offset
        for decorator in getattr(node, "decorator_list", []):
            first = min(first, decorator.lineno)
        end_line, end_column = node.end_lineno or first, node.end_col_offset or 0
        return self.line_starts[first - 1] + column, self.line_starts[end_line - 1] + end_column


def library_folder() -> Path:
    """Return the folder of the running Python's standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def library_files(folder: Path | None = None) -> list[str]:
    """List the .py files worth reading, as sorted POSIX paths relative to the library folder."""
    root = folder or library_folder()
    found: list[str] = []
    for where, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS and not f.startswith("config-"))
        found += [Path(where, n).relative_to(root).as_posix() for n in names if _is_module(n)]
    return sorted(found)


def _is_module(name: str) -> bool:
    return name.endswith(".py") and not name.startswith("_sysconfigdata")


def parse_source(name: str, data: bytes) -> Source | str:
    """Parse a file, or return the reason why it cannot be read as UTF-8 Python."""
    try:
        encoding = tokenize.detect_encoding(iter(data.splitlines(keepends=True)).__next__)[0]
        if not encoding.startswith("utf-8"):
            return "not_utf8"
        tree = ast.parse(data)
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError, MemoryError):
        return "not_python"
    return Source(name, data, tree, line_starts(data))


def line_starts(data: bytes) -> list[int]:
    """Return the byte offset of every line; lines end as the Python tokenizer ends them."""
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def docstring_node(node: ast.AST) -> ast.Constant | None:
    """Return the literal that is the docstring of a module, class or function."""
    body = getattr(node, "body", None)
    if not body or not isinstance(body[0], ast.Expr):
        return None
    value = body[0].value
    return value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
