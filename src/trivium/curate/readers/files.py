"""Files of one's own, in folders or behind URLs: archives, pages, books, papers, code, tables, dumps.

A file named by the user that cannot be read is an error; one found in a folder is a drop with its reason, and
the rest of the folder is read. Whatever a file holds, the reader comes back with documents and drops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trivium.curate.extract.decode import decode
from trivium.curate.extract.html import extract
from trivium.curate.readers.code_files import LANGUAGES, code_rows
from trivium.curate.readers.hub import arrow_rows, is_saved_state
from trivium.curate.readers.licences import FILE_NAMES, licence_of
from trivium.curate.readers.pdf import pdf_rows
from trivium.curate.readers.rows import (
    FileShard,
    ReadOptions,
    Rows,
    TooSlow,
    Unreadable,
    document,
    drop,
    guarded,
    text_or_drop,
)
from trivium.curate.readers.sources import is_url, kind_ending, list_files, opened, read_whole, size_of
from trivium.curate.readers.stack_exchange import stack_exchange_rows
from trivium.curate.readers.tabular import json_rows, parquet_rows
from trivium.curate.readers.tex import tex_rows
from trivium.curate.readers.tex_files import included_elsewhere
from trivium.curate.readers.warc import arc_rows, warc_rows
from trivium.curate.readers.xml_books import BrokenXml, xml_text
from trivium.curate.readers.zipped import epub_rows, word_rows
from trivium.errors import DataError
from trivium.records import Document, Drop

__all__ = [
    "FileShard",
    "ReadOptions",
    "find_files",
    "grouped",
    "left_aside",
    "plan_shards",
    "read_shard",
    "refuse_unreadable",
]
GROUP_BYTES, GROUP_FILES = 1_000_000, 40
"""Smaller local files are read together up to this size and number."""
BLOCK_BYTES = 8_000_000
"""JSON lines and Parquet files are cut into shards of about this size."""
SKIPPED_FOLDERS = frozenset(
    (
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        "__pycache__",
        ".venv",
        "venv",
        "dist",
        "build",
        ".tox",
        ".mypy_cache",
    )
)
UNKNOWN = "unknown"
STACK_EXCHANGE_MARK = b"<posts"


def plain_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield the row of a text or Markdown file."""
    data = read_whole(shard.path)
    yield text_or_drop(shard.path, "books", decode(data), 0, len(data), options)


def page_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield the row of a web page."""
    data = read_whole(shard.path)
    yield guarded(lambda: _page(shard.path, data, options), shard.path, 0)


def _page(path: str, data: bytes, options: ReadOptions) -> Document | Drop:
    extraction = extract(data, offsets=True)
    if extraction.reason:
        return drop(path, 0, extraction.reason, "")
    meta = {"offsets": extraction.offsets}
    return document(path, "web", extraction.text, 0, len(data), options, meta=meta)


def xml_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield the rows of an XML file: a Stack Exchange dump by its root element, else a book or paper."""
    with opened(shard.path) as handle:
        packed = kind_ending(shard.path) != Path(shard.path).suffix.lower()
        head = b"" if packed else handle.read(400)
    if STACK_EXCHANGE_MARK in head or Path(shard.path).name.lower().startswith("posts.xml"):
        yield from stack_exchange_rows(shard, options)
        return
    data = read_whole(shard.path)
    yield guarded(lambda: _book(shard.path, data, options), shard.path, 0)


def _book(path: str, data: bytes, options: ReadOptions) -> Document | Drop:
    try:
        text = xml_text(data)
    except BrokenXml as error:
        if kind_ending(path) == ".xhtml":
            return _page(path, data, options)
        return drop(path, 0, "broken_xml", str(error))
    return text_or_drop(path, "books", text, 0, len(data), options)


Reader = Callable[[FileShard, ReadOptions], Rows]
READERS: dict[str, Reader] = {
    ".txt": plain_rows, ".text": plain_rows, ".md": plain_rows, ".markdown": plain_rows, ".rst": plain_rows,
    ".html": page_rows, ".htm": page_rows, ".xhtml": xml_rows, ".xml": xml_rows, ".cnxml": xml_rows,
    ".nxml": xml_rows,
    ".jsonl": json_rows, ".ndjson": json_rows, ".parquet": parquet_rows, ".arrow": arrow_rows,
    ".warc": warc_rows,
    ".wet": warc_rows, ".wat": warc_rows,
    ".arc": arc_rows, ".epub": epub_rows, ".docx": word_rows, ".pdf": pdf_rows, ".tex": tex_rows,
    ".ltx": tex_rows,
    **dict.fromkeys(LANGUAGES, code_rows),
}  # fmt: skip
"""Ending of a file, without that of its packing -> its reader."""


def find_files(paths: Sequence[str]) -> list[str]:
    """List the readable files under the user's paths, in sorted order.

    Raises:
        DataError: A path does not exist, or holds no file of a known kind.
    """
    found: list[str] = []
    for path in paths:
        inside = list_files(path)
        known = [name for name in inside if _is_known(name) and not _is_skipped(name, path)]
        if not known:
            raise DataError(
                f"curate.paths: got {path} without a readable file; "
                f"expected files that end in {', '.join(READERS)}."
            )
        found += known
    return list(dict.fromkeys(found))


def left_aside(paths: Sequence[str]) -> list[Drop]:
    """Return a drop for every file under the user's folders that no reader knows."""
    return [
        drop(name, 0, "unknown_format", Path(name).suffix)
        for path in paths
        for name in list_files(path)
        if not _is_skipped(name, path)
        and not _is_known(name)
        and not is_saved_state(name)
        and Path(name).name not in FILE_NAMES
    ]


def _is_known(name: str) -> bool:
    return kind_ending(name) in READERS and Path(name).name not in FILE_NAMES and not is_saved_state(name)


def _is_skipped(name: str, root: str) -> bool:
    inner = name.removeprefix(root.rstrip("/"))
    return not SKIPPED_FOLDERS.isdisjoint(inner.split("/")[:-1])


def plan_shards(files: Sequence[str], roots: Sequence[str] = ()) -> list[FileShard]:
    """Cut large JSON lines and Parquet files; other files are one shard each.

    Args:
        files: What `find_files` found.
        roots: The user's paths: TeX inputs and licence files are looked for within them.
    """
    shards: list[FileShard] = []
    parts = _input_by_others(files, roots)
    for path in files:
        if path in parts:
            continue
        root = _root_of(path, roots)
        shards += _cut(path, root)
    return shards


def grouped(shards: Sequence[FileShard]) -> Iterator[tuple[FileShard, ...]]:
    """Put small local files together, so that a shard of the ledger is worth its files on disk."""
    together: list[FileShard] = []
    size = 0
    for shard in shards:
        alone = is_url(shard.path) or shard.end >= 0
        size += BLOCK_BYTES if alone else size_of(shard.path)
        if together and (size > GROUP_BYTES or len(together) == GROUP_FILES):
            yield tuple(together)
            together, size = [], BLOCK_BYTES if alone else size_of(shard.path)
        together.append(shard)
    if together:
        yield tuple(together)


def _cut(path: str, root: str) -> list[FileShard]:
    lowered = path.lower()
    if lowered.endswith((".jsonl", ".ndjson")) and (size := size_of(path)) > BLOCK_BYTES:
        return [FileShard(path, at, min(size, at + BLOCK_BYTES), root) for at in range(0, size, BLOCK_BYTES)]
    if lowered.endswith(".parquet") and size_of(path) > BLOCK_BYTES:
        return _row_groups(path, root)
    return [FileShard(path, root=root)]


def _row_groups(path: str, root: str) -> list[FileShard]:
    """Cut a Parquet file at row groups; a file that cannot be opened is one shard, whose reader says why."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with opened(path) as handle:
            count = pq.ParquetFile(handle).num_row_groups
    except (pa.ArrowException, OSError, Unreadable):
        return [FileShard(path, root=root)]
    step = max(1, count * BLOCK_BYTES // size_of(path))
    return [FileShard(path, at, min(count, at + step), root) for at in range(0, count, step)]


def _input_by_others(files: Sequence[str], roots: Sequence[str]) -> set[str]:
    tex = [path for path in files if kind_ending(path) in (".tex", ".ltx") and not is_url(path)]
    by_root: dict[str, list[str]] = {}
    for path in tex:
        by_root.setdefault(_root_of(path, roots), []).append(path)
    return {part for root, paths in by_root.items() for part in included_elsewhere(paths, root)}


def _root_of(path: str, roots: Sequence[str]) -> str:
    """Return the folder named by the user that a file lies in; its own folder if it was named itself."""
    for root in roots:
        if path != root and path.startswith(root.rstrip("/") + "/"):
            return root.rstrip("/")
    return str(Path(path).parent)


def read_shard(shard: FileShard, options: ReadOptions) -> tuple[list[Document], list[Drop]]:
    """Return the documents of a shard, and what could not be read."""
    documents: list[Document] = []
    drops: list[Drop] = []
    if options.licence == UNKNOWN and kind_ending(shard.path) not in LANGUAGES:
        options = replace(options, licence=licence_of(shard.path, shard.root, b"") or UNKNOWN)
    try:
        for row in READERS[kind_ending(shard.path)](shard, options):
            if isinstance(row, Drop):
                drops.append(row)
            else:
                documents.append(row)
    except Unreadable as error:
        drops.append(drop(shard.path, shard.start, "unreadable_file", str(error)))
    except (TooSlow, MemoryError, RecursionError) as error:
        drops.append(
            drop(shard.path, shard.start, "unreadable_file", f"on which the reader gave up ({error!r})")
        )
    return documents, drops


def refuse_unreadable(paths: Sequence[str], drops: Sequence[Drop], num_documents: int) -> None:
    """Turn drops of whole files into an error where the user named the file, or where nothing was read.

    Raises:
        DataError: One sentence about the first such file.
    """
    for found in drops:
        if found.reason == "unreadable_file" and (found.source in paths or num_documents == 0):
            raise DataError(
                f"curate.paths: got {found.source}, {found.detail}; expected a whole file, "
                "copy it again or leave it out."
            )
