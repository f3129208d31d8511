"""Atomic files: whatever is under its final name is complete (temporary file, fsync, rename)."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


ROW_GROUP_ROWS = 16_384
ROW_GROUP_BYTES = 32 * 2**20
"""A row group of a table that is written piece by piece ends at this size, if not at that number of rows."""


def write_atomic(path: Path, writer: Callable[[Path], None]) -> Path:
    """Let `writer` fill a temporary neighbour of `path`, then fsync and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        writer(temporary)
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically."""

    def writer(target: Path) -> None:
        target.write_text(text, encoding="utf-8")

    return write_atomic(path, writer)


def write_json(path: Path, value: Any) -> Path:
    """Write JSON atomically, keys in the order given, one final newline."""
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing or broken file is one sentence."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: got no such file; expected JSON written by a stage, rerun the stage."
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: got broken JSON ({error}); expected a whole file, delete it and rerun."
        ) from None


def write_parquet(path: Path, table: pa.Table) -> Path:
    """Write a table atomically as zstd Parquet; equal tables give equal bytes."""
    import pyarrow.parquet as pq

    def writer(target: Path) -> None:
        pq.write_table(table, target, compression="zstd", row_group_size=ROW_GROUP_ROWS)

    return write_atomic(path, writer)


def write_parquet_parts(path: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> Path:
    """Write tables one after the other into one file; a row group is in memory at once.

    Args:
        path: The file.
        schema: Its columns; each part is cast to it.
        parts: Tables in order, of any size.
    """
    import pyarrow.parquet as pq

    def writer(target: Path) -> None:
        with pq.ParquetWriter(target, schema, compression="zstd") as file:
            for group in _row_groups(schema, parts):
                file.write_table(group.combine_chunks(), row_group_size=ROW_GROUP_ROWS)

    return write_atomic(path, writer)


def _row_groups(schema: pa.Schema, parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    import pyarrow as pa

    waiting = schema.empty_table()
    for part in parts:
        waiting = pa.concat_tables([waiting, part.select(schema.names).cast(schema)])
        while waiting.num_rows >= ROW_GROUP_ROWS:
            yield waiting.slice(0, ROW_GROUP_ROWS)
            waiting = waiting.slice(ROW_GROUP_ROWS)
        if waiting.nbytes >= ROW_GROUP_BYTES:
            yield waiting
            waiting = schema.empty_table()
    yield waiting


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet table, or some of its columns; a missing or truncated file is one sentence."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        raise DataError(
            f"{path}: got no such file; expected a Parquet table, check the path or rerun its stage."
        )
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError) as error:
        cause = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path}: got a truncated or foreign file ({cause}); expected a whole Parquet table, "
            "delete it and run the stage that writes it again."
        ) from None


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 32 hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:32]
