"""Rows of tables: JSON lines (also packed, also a byte range of a large file) and Parquet."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import IO, Any

from trivium.curate.readers.rows import (
    KINDS,
    MAX_LINE_BYTES,
    FileShard,
    ReadOptions,
    Rows,
    Unreadable,
    document,
    drop,
)
from trivium.curate.readers.sources import opened, unpacked
from trivium.records import Document, Drop

PIECE = 1 << 20
"""An overlong line is skipped in pieces of this size."""


def json_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield a row for every line that begins in the shard; offsets count unpacked bytes."""
    for offset, line in _lines(shard):
        if isinstance(line, Drop):
            yield line
        elif line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                yield drop(shard.path, offset, "not_json", line[:80].decode(errors="replace"))
                continue
            yield from_row(shard.path, row, offset, offset + len(line), options)


def _lines(shard: FileShard) -> Iterator[tuple[int, bytes | Drop]]:
    offset = shard.start
    try:
        with opened(shard.path) if shard.end >= 0 else unpacked(shard.path) as handle:
            if offset:
                handle.seek(offset - 1)
                offset += _skip_line(handle) - 1
            while shard.end < 0 or offset < shard.end:
                line = handle.readline(MAX_LINE_BYTES)
                if not line:
                    return
                if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                    length = len(line) + _skip_line(handle)
                    yield offset, drop(shard.path, offset, "line_too_long", f"{length:,} bytes")
                    offset += length
                    continue
                yield offset, line
                offset += len(line)
    except (EOFError, OSError, zlib.error) as error:
        raise Unreadable(f"which is truncated or damaged after byte {offset} ({error})") from None


def _skip_line(handle: IO[bytes]) -> int:
    """Read to the end of the line; return how many bytes that were."""
    length = 0
    while piece := handle.readline(PIECE):
        length += len(piece)
        if piece.endswith(b"\n"):
            break
    return length


def parquet_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield a row for every row of the row groups from `start` to `end`; offsets count rows of the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with opened(shard.path) as handle:
            source = pq.ParquetFile(handle)
            if options.text_field not in source.schema_arrow.names:
                columns = ", ".join(source.schema_arrow.names)
                raise Unreadable(
                    f"whose columns are {columns} without {options.text_field!r} (see curate.text_field)"
                )
            stop = source.num_row_groups if shard.end < 0 else shard.end
            groups = [source.metadata.row_group(i).num_rows for i in range(source.num_row_groups)]
            at = sum(groups[: shard.start])
            for batch in source.iter_batches(batch_size=512, row_groups=list(range(shard.start, stop))):
                for index, row in enumerate(batch.to_pylist(), at):
                    yield from_row(shard.path, row, index, index + 1, options)
                at += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        cause = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise Unreadable(f"which is truncated or no Parquet ({cause})") from None


def from_row(path: str, row: Any, start: int, end: int, options: ReadOptions) -> Document | Drop:
    """Return the document of a row; its `kind`, `label`, `licence` and `language` are taken over."""
    fields: dict[str, Any] = row if isinstance(row, dict) else {}
    text = fields.get(options.text_field)
    if not isinstance(text, str) or not text.strip():
        return drop(path, start, "no_text", f"no string under {options.text_field!r}")
    kind = str(fields["kind"]) if fields.get("kind") in KINDS else "web"
    given: dict[str, Any] = {name: str(fields.get(name) or "") for name in ("label", "language")}
    licence = str(fields.get("licence") or fields.get("license") or "")
    return document(path, kind, text.strip(), start, end, options, licence=licence, **given)
