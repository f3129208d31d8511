"""Rows of files that people bring: JSONL, JSON or Parquet, one object a row."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.errors import DataError

SUFFIXES = (".jsonl", ".json", ".parquet", ".jsonl.gz", ".json.gz")


def is_file(name: str) -> bool:
    """Whether a setting names a file of rows and not a stage."""
    return name.lower().endswith(SUFFIXES)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL, JSON or Parquet file as objects.

    Raises:
        DataError: The file cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path}: got no such file; expected JSONL, JSON or Parquet.")
    if path.name.endswith(".parquet"):
        from trivium.store.files import read_parquet

        yield from read_parquet(path).to_pylist()
        return
    yield from _json_rows(path, _read(path))


def _json_rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    try:
        whole = json.loads(text) if ".json" in path.suffixes else None
        rows = whole if whole is not None else [json.loads(line) for line in text.split("\n") if line.strip()]
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: got broken JSON ({error}); expected a list of objects in .json, one object a line in "
            ".jsonl."
        ) from None
    if isinstance(rows, dict):
        rows = next((value for value in rows.values() if isinstance(value, list)), [])
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(
                f"{path}: row {number} got {type(row).__name__}; expected an object with columns."
            )
        yield row


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected UTF-8 text.") from None
