"""Web archives: WARC and WET through fastwarc, ARC by itself. What is damaged is a drop."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import partial
from typing import IO, Any

from trivium.curate.extract.html import extract
from trivium.curate.readers.rows import (
    MAX_DOCUMENT_BYTES,
    FileShard,
    ReadOptions,
    Rows,
    Unreadable,
    document,
    drop,
    guarded,
    text_or_drop,
)
from trivium.curate.readers.sources import opened, unpacked
from trivium.records import Document, Drop

MAX_HEADER_BYTES = 1 << 20
HTML_TYPES = ("text/html", "application/xhtml+xml")
ARC_HEADER = re.compile(rb"(\S.*) (\d{1,3}(?:\.\d{1,3}){3}) (\d{8,14}) (\S+) (\d{1,12})\r?\n?")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,200}\r?\n")
CLEAN_EMPTY_TYPES = ("warcinfo", "request", "metadata", "revisit")
"""Records that never hold a document."""


def warc_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield a row for every response, resource and conversion record; offsets are those of the records."""
    from fastwarc.warc import ArchiveIterator

    position, records = 0, 0
    with opened(shard.path) as stream:
        archive = ArchiveIterator(
            stream, parse_http=False, max_header_len=MAX_HEADER_BYTES, fsspec_args=False
        )
        try:
            for record in archive:
                records += 1
                position = record.stream_pos
                row = guarded(partial(_from_record, shard.path, record, options), shard.path, position)
                if row is not None:
                    yield row
        except Exception as error:
            yield drop(shard.path, position, "broken_archive", f"after record {records}: {error}"[:200])
            return
    if not records:
        yield drop(shard.path, 0, "broken_archive", "no record in it")


def _from_record(path: str, record: Any, options: ReadOptions) -> Document | Drop | None:
    kind, start = str(record.record_type).rpartition(".")[2], record.stream_pos
    if kind in CLEAN_EMPTY_TYPES:
        record.reader.consume()
        return None
    if record.content_length > MAX_DOCUMENT_BYTES:
        return drop(path, start, "too_large", f"{record.content_length:,} bytes")
    if record.headers.get("Content-Type", "").startswith("application/http"):
        record.parse_http()
    data = record.reader.read(MAX_DOCUMENT_BYTES)
    if len(data) < record.content_length:
        return drop(path, start, "truncated_record", f"{len(data):,} of {record.content_length:,} bytes")
    url = record.headers.get("WARC-Target-URI", "")
    if kind == "conversion":
        meta = {"url": url}
        return text_or_drop(
            path, "web", data.decode(errors="replace"), start, start + len(data), options, meta=meta
        )
    if record.http_headers is not None:
        status, headers = record.http_headers.status_code, dict(record.http_headers.asdict())
    else:
        status, headers = 200, {"Content-Type": record.headers.get("Content-Type", "")}
    return page_row(path, start, url, status, headers, data, options)


def page_row(
    path: str,
    start: int,
    url: str,
    status: int | None,
    headers: dict[str, str],
    data: bytes,
    options: ReadOptions,
) -> Document | Drop:
    """Return the document of a page as a server sent it.

    Args:
        path: The archive.
        start: Offset of the record in it.
        url: Address of the page.
        status: HTTP status, if it is known.
        headers: HTTP headers.
        data: The body as transferred.
        options: How rows become documents.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    if status is not None and status != 200:
        return drop(path, start, "http_status", f"{status} {url}"[:200])
    content = lowered.get("content-type", "").split(";")[0].strip().lower()
    if content and content not in HTML_TYPES and not content.startswith("text/"):
        return drop(path, start, "not_text", f"{content} {url}"[:200])
    data = decoded(data, lowered)
    if content.startswith("text/") and content not in HTML_TYPES:
        text = data.decode(errors="replace")
        return text_or_drop(path, "web", text, start, start + len(data), options, meta={"url": url})
    found = extract(data)
    if found.reason:
        return drop(path, start, found.reason, url[:200])
    return document(path, "web", found.text, start, start + len(data), options, meta={"url": url})


def decoded(data: bytes, headers: dict[str, str]) -> bytes:
    """Undo the transfer and content encodings of a body; one that is not so encoded stays as it is.

    Args:
        data: The body.
        headers: Headers under lower-case names.

    Raises:
        Unreadable: Unpacked it is too large, or its encoding is one that we do not know.
    """
    if "chunked" in headers.get("transfer-encoding", "").lower():
        data = _joined_chunks(data)
    coding = headers.get("content-encoding", "").lower().strip()
    if coding in ("gzip", "x-gzip", "deflate"):
        return _inflated(data)
    if coding in ("", "identity") or data.lstrip()[:1] == b"<":
        return data
    raise Unreadable(f"whose content encoding is {coding[:20]}")


def _joined_chunks(data: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while match := CHUNK_SIZE.match(data, at):
        size = int(match.group(1), 16)
        if size == 0:
            return b"".join(parts)
        parts.append(data[match.end() : match.end() + size])
        at = match.end() + size
        at += 2 if data[at : at + 2] == b"\r\n" else 1 if data[at : at + 1] == b"\n" else 0
    return b"".join(parts) + data[at:] if parts else data


def _inflated(data: bytes) -> bytes:
    for window in (47, -15):  # gzip or zlib by its header, then raw deflate
        machine = zlib.decompressobj(window)
        try:
            text = machine.decompress(data, MAX_DOCUMENT_BYTES)
        except zlib.error:
            continue
        if machine.unconsumed_tail:
            raise Unreadable(f"which unpacks to more than {MAX_DOCUMENT_BYTES:,} bytes")
        return text
    return data


def arc_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield a row for every page of an ARC file (version 1: one line of header, then the response)."""
    pages = 0
    for offset, header, data in _arc_records(shard.path):
        if header is None:
            yield drop(shard.path, offset, "broken_archive", data[:80].decode(errors="replace"))
            return
        if not header[0].startswith(b"filedesc:"):
            pages += 1
            yield guarded(partial(_from_arc, shard.path, offset, header, data, options), shard.path, offset)
    if not pages:
        yield drop(shard.path, 0, "broken_archive", "no page in it")


def _arc_records(path: str) -> Iterator[tuple[int, tuple[bytes, ...] | None, bytes]]:
    """Yield (offset, header fields, body); fields are None where the file goes wrong."""
    offset = 0
    with unpacked(path) as stream:
        while True:
            line = _next_line(stream)
            if line is None:
                return
            match = ARC_HEADER.fullmatch(line[0])
            offset += line[1]
            if match is None:
                yield offset, None, line[0]
                return
            size = int(match.group(5))
            data = stream.read(min(size, MAX_DOCUMENT_BYTES + 1))
            fields = (match.group(1), match.group(4), match.group(5))
            yield offset, fields, data
            offset += len(line[0]) + len(data)
            if len(data) < size:
                return


def _next_line(stream: IO[bytes]) -> tuple[bytes, int] | None:
    """Return the next line that is not blank, and how many bytes of blank lines stood before it."""
    skipped = 0
    while True:
        try:
            line = stream.readline(MAX_HEADER_BYTES)
        except OSError as error:
            return f"damaged: {error}".encode(), skipped
        if not line:
            return None
        if line.strip():
            return line, skipped
        skipped += len(line)


def _from_arc(
    path: str, offset: int, header: tuple[bytes, ...], data: bytes, options: ReadOptions
) -> Document | Drop:
    url, content, size = (
        header[0].decode(errors="replace"),
        header[1].decode(errors="replace"),
        int(header[2]),
    )
    if size > MAX_DOCUMENT_BYTES:
        return drop(path, offset, "too_large", f"{size:,} bytes")
    if len(data) < size:
        return drop(path, offset, "truncated_record", f"{len(data):,} of {size:,} bytes")
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark or not head.startswith(b"HTTP/"):
        return page_row(path, offset, url, None, {"content-type": content}, data, options)
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    status = int(words[1]) if len(words) > 1 and words[1].isdecimal() else None
    return page_row(path, offset, url, status, headers or {"content-type": content}, body, options)
