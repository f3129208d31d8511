"""Files of one's own: text, Markdown, HTML, Python, JSON lines (also gzip) and Parquet, in any folder.

A file named by the user that cannot be read is an error; one found in a folder is a drop with its reason, and
the rest of the folder is read.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.curate.extract.decode import decode
from trivium.curate.extract.html import extract
from trivium.curate.readers.python_code import read_code
from trivium.curate.readers.stdlib import parse_source
from trivium.errors import DataError
from trivium.records import Document, Drop, row_id

STEP = "curate.read.files"
SUFFIXES = (".txt", ".md", ".rst", ".html", ".htm", ".xhtml", ".py", ".jsonl", ".jsonl.gz", ".parquet")
BLOCK_BYTES = 8_000_000
"""JSON lines files are cut into shards of about this size."""


@dataclass(frozen=True, slots=True)
class FileShard:
    """A file, or a part of one: bytes of a JSON lines file, row groups of a Parquet file."""

    path: str
    start: int = 0
    end: int = -1
    """-1: to the end of the file."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How rows become documents."""

    text_field: str
    licence: str
    min_code_chars: int
    max_code_chars: int


class _Unreadable(Exception):
    """A file that cannot be read (to its end)."""


def find_files(paths: Sequence[str]) -> list[str]:
    """List the readable files under the user's paths, in sorted order.

    Raises:
        DataError: A path does not exist, or holds no file of a known kind.
    """
    found: list[str] = []
    for path in map(Path, paths):
        if not path.exists():
            raise DataError(
                f"curate.paths: got {path}, which does not exist; expected a file or folder, check it."
            )
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        known = [str(p) for p in inside if p.name.lower().endswith(SUFFIXES)]
        if not known:
            raise DataError(
                f"curate.paths: got {path} without a readable file; "
                f"expected files that end in {', '.join(SUFFIXES)}."
            )
        found += known
    return list(dict.fromkeys(found))


def plan_shards(files: Sequence[str]) -> list[FileShard]:
    """Cut large JSON lines files; other files are one shard each."""
    shards: list[FileShard] = []
    for path in files:
        size = Path(path).stat().st_size
        if path.lower().endswith(".jsonl") and size > BLOCK_BYTES:
            shards += [FileShard(path, at, min(size, at + BLOCK_BYTES)) for at in range(0, size, BLOCK_BYTES)]
        else:
            shards.append(FileShard(path))
    return shards


def read_shard(shard: FileShard, options: ReadOptions) -> tuple[list[Document], list[Drop]]:
    """Return the documents of a shard, and what could not be read."""
    documents: list[Document] = []
    drops: list[Drop] = []
    try:
        for row in _rows(shard, options):
            (drops if isinstance(row, Drop) else documents).append(row)  # type: ignore[arg-type]
    except _Unreadable as error:
        drops.append(_drop(shard.path, 0, "unreadable_file", str(error)))
    return documents, drops


def refuse_unreadable(paths: Sequence[str], drops: Sequence[Drop], num_documents: int) -> None:
    """Turn drops of whole files into an error where the user named the file, or where nothing was read.

    Raises:
        DataError: One sentence about the first such file.
    """
    for drop in drops:
        if drop.reason == "unreadable_file" and (drop.source in paths or num_documents == 0):
            raise DataError(
                f"curate.paths: got {drop.source}, {drop.detail}; expected a whole file, "
                "copy it again or leave it out."
            )


def _rows(shard: FileShard, options: ReadOptions) -> Iterator[Document | Drop]:
    name = shard.path.lower()
    if name.endswith(".parquet"):
        return _parquet_rows(shard, options)
    if name.endswith((".jsonl", ".jsonl.gz")):
        return _json_rows(shard, options)
    data = _read_bytes(shard.path)
    if name.endswith(".py"):
        return _python_rows(shard.path, data, options)
    if name.endswith((".html", ".htm", ".xhtml")):
        return iter([_page(shard.path, data, options)])
    return iter([_document(shard.path, "books", decode(data).strip(), 0, len(data), options)])


def _read_bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _Unreadable(f"which cannot be opened ({error.strerror})") from None


def _python_rows(path: str, data: bytes, options: ReadOptions) -> Iterator[Document | Drop]:
    source = parse_source(path, data)
    if isinstance(source, str):
        yield _drop(path, 0, source, "not a Python 3 file in UTF-8")
        return
    yield from read_code(
        source, min_chars=options.min_code_chars, max_chars=options.max_code_chars, licence=options.licence
    )


def _page(path: str, data: bytes, options: ReadOptions) -> Document | Drop:
    extraction = extract(data)
    if extraction.reason:
        return _drop(path, 0, extraction.reason, "")
    return _document(path, "web", extraction.text, 0, len(data), options)


def _json_rows(shard: FileShard, options: ReadOptions) -> Iterator[Document | Drop]:
    for offset, line in _lines(shard):
        if line.strip():
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError):
                yield _drop(shard.path, offset, "not_json", line[:80].decode(errors="replace"))
                continue
            yield _from_row(shard.path, row, offset, offset + len(line), options)


def _lines(shard: FileShard) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line) of the lines that begin inside the shard; offsets count uncompressed bytes."""
    opener = gzip.open if shard.path.lower().endswith(".gz") else open
    offset = shard.start
    try:
        with opener(shard.path, "rb") as handle:
            if offset:
                handle.seek(offset - 1)
                offset += len(handle.readline()) - 1
            while shard.end < 0 or offset < shard.end:
                line = handle.readline()
                if not line:
                    return
                yield offset, line
                offset += len(line)
    except (EOFError, OSError, zlib.error) as error:
        raise _Unreadable(f"which is truncated or damaged after byte {offset} ({error})") from None


def _parquet_rows(shard: FileShard, options: ReadOptions) -> Iterator[Document | Drop]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(shard.path)
        if options.text_field not in source.schema_arrow.names:
            columns = ", ".join(source.schema_arrow.names)
            raise _Unreadable(
                f"whose columns are {columns} without {options.text_field!r} (see curate.text_field)"
            )
        start = 0
        for batch in source.iter_batches(batch_size=2_048):
            for index, row in enumerate(batch.to_pylist(), start):
                yield _from_row(shard.path, row, index, index + 1, options)
            start += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _Unreadable(
            f"which is truncated or no Parquet ({str(error).splitlines()[0].rstrip('.')})"
        ) from None


def _from_row(path: str, row: Any, start: int, end: int, options: ReadOptions) -> Document | Drop:
    fields: dict[str, Any] = row if isinstance(row, dict) else {}
    text = fields.get(options.text_field)
    if not isinstance(text, str) or not text.strip():
        return _drop(path, start, "no_text", f"no string under {options.text_field!r}")
    kind = str(fields["kind"]) if fields.get("kind") in ("code", "books", "web") else "web"
    label = str(fields.get("label") or "")
    return _document(path, kind, text.strip(), start, end, options, label)


def _document(
    path: str, kind: str, text: str, start: int, end: int, options: ReadOptions, label: str = ""
) -> Document:
    return Document(
        id=row_id(STEP, [path, kind], f"{start}:{end}:{text}"),
        kind=kind,
        text=text,
        source=path,
        start=start,
        end=end,
        licence=options.licence,
        language="",
        label=label,
    )


def _drop(path: str, start: int, reason: str, detail: str) -> Drop:
    return Drop(
        id=row_id(STEP, [path], f"{start}:{reason}"), step=STEP, reason=reason, detail=detail, source=path
    )
