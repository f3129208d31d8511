"""From bytes to text: byte order mark, UTF-8 where the bytes are that, declared charset, Windows-1252.

The bytes count before the declaration: pages that were saved or proxied as UTF-8 often still declare what
they were before, and hardly any legacy text of some length is valid UTF-8 by chance.
"""

from __future__ import annotations

import codecs
import re

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
SUPERSETS = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
}
"""What browsers read in place of a declared charset."""
HEAD_BYTES = 4_096
"""How far into the page a charset is looked for (the HTML standard's prescan reads 1,024 bytes)."""


def decode(data: bytes) -> str:
    """Return the text of a page; undecodable bytes become U+FFFD, so that later filters can count them."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        declared = DECLARED.search(data[:HEAD_BYTES])
    codec = _known(declared.group(1).decode()) if declared else None
    if codec == "utf-8" and _is_nearly_utf8(data):
        return data.decode("utf-8", errors="replace")
    return data.decode("cp1252" if codec in (None, "utf-8") else codec, errors="replace")


def _is_nearly_utf8(data: bytes) -> bool:
    """Say whether at most one sign in twenty outside of ASCII is broken."""
    text = data.decode("utf-8", errors="replace")
    return text.count("\ufffd") * 20 <= sum(not char.isascii() for char in text)


def _known(name: str) -> str | None:
    """Return a text codec's name; for some, the larger one that browsers take for it."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        return None
    if not found._is_text_encoding:  # e.g. `charset=hex`
        return None
    return SUPERSETS.get(found.name, found.name)
