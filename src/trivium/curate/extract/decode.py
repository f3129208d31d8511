"""From bytes to text: byte order mark, declared charset, UTF-8, and Windows-1252 as the last resort."""

from __future__ import annotations

import codecs
import re

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
HEAD_BYTES = 4_096
"""How far into the page a charset is looked for (the HTML standard's prescan reads 1,024 bytes)."""


def decode(data: bytes) -> str:
    """Return the text of a page; undecodable bytes become U+FFFD, so that later filters can count them."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, errors="replace")
    declared = DECLARED.search(data[:HEAD_BYTES])
    if declared:
        codec = _known(declared.group(1).decode())
        if codec:
            return data.decode(codec, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _known(name: str) -> str | None:
    """Return a text codec's name; browsers read latin-1 as Windows-1252."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        return None
    if not found._is_text_encoding:  # e.g. `charset=hex`
        return None
    return "cp1252" if found.name in ("iso8859-1", "ascii") else found.name
