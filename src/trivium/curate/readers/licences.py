"""Licences: the SPDX line of a file, else the licence file nearest above it, recognised by its own words."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path, PurePosixPath

from trivium.curate.readers.sources import is_url

SPDX = re.compile(
    rb"SPDX-License-Identifier:\s*([A-Za-z0-9.+()-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+()-]+){0,4})"
)
HEAD_BYTES = 4_000
FILE_NAMES = (
    "LICENSE", "LICENSE.md", "LICENSE.txt", "LICENSE.rst", "LICENCE", "LICENCE.md", "LICENCE.txt", "COPYING",
    "COPYING.md", "COPYING.txt", "COPYING.LESSER", "UNLICENSE", "license", "license.txt", "license.md",
)  # fmt: skip
WORDS = (
    ("AGPL-3.0", ("gnu affero general public license", "version 3")),
    ("LGPL-3.0", ("gnu lesser general public license", "version 3")),
    ("LGPL-2.1", ("gnu lesser general public license", "version 2.1")),
    ("GPL-3.0", ("gnu general public license", "version 3")),
    ("GPL-2.0", ("gnu general public license", "version 2")),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("MPL-2.0", ("mozilla public license", "2.0")),
    ("EPL-2.0", ("eclipse public license", "2.0")),
    ("PSF-2.0", ("python software foundation license",)),
    ("CC0-1.0", ("cc0 1.0",)),
    ("CC-BY-NC-SA-4.0", ("attribution-noncommercial-sharealike 4.0",)),
    ("CC-BY-NC-4.0", ("attribution-noncommercial 4.0",)),
    ("CC-BY-SA-4.0", ("attribution-sharealike 4.0",)),
    ("CC-BY-4.0", ("attribution 4.0",)),
    ("BSD-3-Clause", ("redistributions in binary form", "neither the name")),
    ("BSD-3-Clause", ("redistributions in binary form", "may not be used to endorse")),
    ("BSD-2-Clause", ("redistributions in binary form",)),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software",)),
    ("MIT", ("permission is hereby granted, free of charge", 'the software is provided "as is"')),
    ("Unlicense", ("free and unencumbered software released into the public domain",)),
    ("Zlib", ("altered source versions must be plainly marked",)),
)
"""SPDX name -> words that its text holds, the more special licence first."""


def licence_of(path: str, root: str, head: bytes) -> str:
    """Return the SPDX name of a file's licence, or "" where nothing tells.

    Args:
        path: The file.
        root: The folder that the user named; licence files above it do not count.
        head: The file's first bytes.
    """
    stated = SPDX.search(head[:HEAD_BYTES])
    if stated:
        return stated.group(1).decode()
    return "" if is_url(path) else _above(str(PurePosixPath(path).parent), root)


@lru_cache(maxsize=10_000)
def _above(folder: str, root: str) -> str:
    """Return the licence that a folder lies under."""
    place = Path(folder)
    for name in FILE_NAMES:
        file = place / name
        if file.is_file():
            return recognised(file.read_bytes()[:200_000].decode(errors="replace"))
    if not root or place == Path(root) or place.parent == place:
        return ""
    return _above(str(place.parent), root)


def recognised(text: str) -> str:
    """Return the SPDX name of a licence text, or "" for one that is not known."""
    plain = " ".join(text.lower().split())
    for name, words in WORDS:
        if all(word in plain for word in words):
            return name
    return ""
