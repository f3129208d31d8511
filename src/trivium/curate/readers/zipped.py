"""Books and papers in zip archives: ePub chapter by chapter, and Word documents."""

from __future__ import annotations

import html
import io
import posixpath
import re
import zipfile
import zlib
from functools import partial
from urllib.parse import unquote
from xml.parsers import expat

from trivium.curate.extract.decode import decode
from trivium.curate.readers.rows import (
    MAX_DOCUMENT_BYTES,
    FileShard,
    ReadOptions,
    Rows,
    Unreadable,
    guarded,
    text_or_drop,
)
from trivium.curate.readers.sources import read_whole
from trivium.curate.readers.xml_books import BrokenXml, to_text, xml_text
from trivium.records import Document, Drop

MAX_MEMBERS = 10_000
ROOT_FILE = re.compile(rb"<(?:\w+:)?rootfile\b[^>]{0,500}?full-path\s*=\s*[\"']([^\"']{1,500})")
HEADING_STYLE = re.compile(r"heading\s*(\d)|^(title)$", re.IGNORECASE)


def epub_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield a row for every chapter, in reading order; its member is in `meta`, offsets are those in it."""
    archive = _archive(shard.path)
    for index, name in enumerate(_spine(archive)):
        yield guarded(partial(_chapter, archive, shard.path, name, options), shard.path, index)


def _archive(path: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(io.BytesIO(read_whole(path)))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Unreadable(f"which is no whole zip archive ({error})") from None
    if len(archive.namelist()) > MAX_MEMBERS:
        raise Unreadable(f"which has more than {MAX_MEMBERS:,} members")
    return archive


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member unpacked; it may claim any size, so it is read only up to the limit."""
    try:
        with archive.open(name) as stream:
            data = stream.read(MAX_DOCUMENT_BYTES + 1)
    except KeyError:
        raise Unreadable(f"which lacks its member {name[:100]}") from None
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, ValueError) as error:
        raise Unreadable(f"whose member {name[:100]} is damaged ({error})") from None
    if len(data) > MAX_DOCUMENT_BYTES:
        raise Unreadable(f"whose member {name[:100]} unpacks to more than {MAX_DOCUMENT_BYTES:,} bytes")
    return data


def _spine(archive: zipfile.ZipFile) -> list[str]:
    """Return the chapters in reading order; all (X)HTML members where the package file is broken."""
    pages = [name for name in archive.namelist() if name.lower().endswith((".xhtml", ".html", ".htm"))]
    try:
        found = ROOT_FILE.search(_member(archive, "META-INF/container.xml"))
        package = found.group(1).decode() if found else ""
        order = _package_order(_member(archive, package))
    except (Unreadable, UnicodeDecodeError, expat.ExpatError):
        return sorted(pages)
    folder = posixpath.dirname(package)
    named = [posixpath.normpath(posixpath.join(folder, unquote(href))) for href in order]
    return [name for name in dict.fromkeys(named) if name in set(pages)] or sorted(pages)


def _package_order(data: bytes) -> list[str]:
    """Return the hrefs of an OPF package's spine."""
    items: dict[str, str] = {}
    spine: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local == "item":
            items[attributes.get("id", "")] = attributes.get("href", "")
        elif local == "itemref":
            spine.append(attributes.get("idref", ""))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.Parse(data, True)
    return [items[key] for key in spine if key in items]


def _chapter(archive: zipfile.ZipFile, path: str, name: str, options: ReadOptions) -> Document | Drop:
    data = _member(archive, name)
    try:
        text = xml_text(data)
    except BrokenXml:
        text = to_text(decode(data))  # many books are HTML that only calls itself XHTML
    return text_or_drop(path, "books", text, 0, len(data), options, meta={"member": name})


def word_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield the row of a Word document (.docx)."""
    yield guarded(lambda: _word(shard.path, options), shard.path, 0)


def _word(path: str, options: ReadOptions) -> Document | Drop:
    data = _member(_archive(path), "word/document.xml")
    reader = _WordReader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = reader.refuse_entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Unreadable(f"whose text is broken XML ({error})") from None
    return text_or_drop(path, "books", to_text("".join(reader.parts)), 0, len(data), options)


class _WordReader:
    """Turns WordprocessingML into HTML: paragraphs, headings by style, items, tables, text of formulas."""

    def __init__(self) -> None:
        """Start with nothing open."""
        self.parts: list[str] = []
        self.tag = "p"
        self.paragraph: list[str] = []
        self.taking = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        local = name.rpartition(":")[2]
        if local == "p":
            self.tag, self.paragraph = "p", []
        elif local == "pStyle":
            style = HEADING_STYLE.search(attributes.get("w:val", ""))
            if style:
                self.tag = f"h{style.group(1) or 1}"
        elif local == "numPr" and self.tag == "p":
            self.tag = "li"
        elif local == "t":
            self.taking = True
        elif local in ("tab", "br", "cr"):
            self.paragraph.append(" " if local == "tab" else "<br>")
        elif local in TABLE_TAGS:
            self.parts.append(f"<{TABLE_TAGS[local]}>")
        elif local == "oMath":
            self.paragraph.append(" $")

    def end(self, name: str) -> None:
        """Close an element."""
        local = name.rpartition(":")[2]
        if local == "p":
            inside = "".join(self.paragraph)
            whole = (
                f"<ul><li>{inside}</li></ul>" if self.tag == "li" else f"<{self.tag}>{inside}</{self.tag}>"
            )
            self.parts.append(whole)
        elif local == "t":
            self.taking = False
        elif local in TABLE_TAGS:
            self.parts.append(f"</{TABLE_TAGS[local]}>")
        elif local == "oMath":
            self.paragraph.append("$ ")

    def text(self, data: str) -> None:
        """Take in text."""
        if self.taking:
            self.paragraph.append(html.escape(data, quote=False))

    def refuse_entity(self, *_: object) -> None:
        """Refuse entities that the document defines."""
        raise Unreadable("which defines entities")


TABLE_TAGS = {"tbl": "table", "tr": "tr", "tc": "td"}
