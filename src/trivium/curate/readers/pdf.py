"""PDF: the text layer of every page, through pypdf. Scans without one are drops."""

from __future__ import annotations

import io
import logging
import re

from trivium.curate.readers.rows import FileShard, ReadOptions, Rows, guarded, text_or_drop
from trivium.curate.readers.sources import read_whole
from trivium.records import Document, Drop

MAX_PAGES = 3_000
HYPHEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
LINE_IN_PARAGRAPH = re.compile(r"(?<![.!?:\n])\n(?=[a-z(])")
"""A line that goes on in lower case, after one that does not end a sentence."""


def pdf_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield the row of a PDF file."""
    yield guarded(lambda: _from_pdf(shard.path, options), shard.path, 0)


def _from_pdf(path: str, options: ReadOptions) -> Document | Drop:
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    data = read_whole(path)
    pages = PdfReader(io.BytesIO(data), strict=False).pages
    texts = [pages[i].extract_text() or "" for i in range(min(len(pages), MAX_PAGES))]
    text = "\n\n".join(joined_lines(text) for text in texts if text.strip())
    return text_or_drop(path, "books", text, 0, len(data), options, meta={"pages": len(pages)})


def joined_lines(text: str) -> str:
    """Return the text of a page with words and sentences put together that lines cut."""
    text = HYPHEN.sub("", "\n".join(line.rstrip() for line in text.split("\n")))
    return LINE_IN_PARAGRAPH.sub(" ", text)
