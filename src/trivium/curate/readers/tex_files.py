"""TeX before reading: several files put together, comments taken out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from trivium.curate.extract.decode import decode
from trivium.curate.readers.rows import MAX_DOCUMENT_BYTES, Unreadable
from trivium.curate.readers.sources import is_url, read_whole

COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*(?:\n[ \t]*(?=\S))?")
IGNORED = re.compile(r"\\begin\{comment\}.*?\\end\{comment\}|\\iffalse\b.*?\\fi\b", re.DOTALL)
INPUT = re.compile(
    r"\\(?:input|include|subfile|olimport|olinput)\s*(?:\[[^\]]{0,100}\])?(?:\{([^{}\n]{1,200})\}|([\w./-]{1,200}))"
)
PART = re.compile(r"\\documentclass(?:\[[^\]]{0,300}\])?\{subfiles\}")
MAIN = re.compile(r"\\documentclass|\\documentstyle|\\begin\{document\}")
MAX_FILES = 500
MAX_INPUTS = 5_000
"""Names looked for on disk for one document, found or not."""
MAX_INPUT_DEPTH = 12


def assembled(path: str, root: str) -> str:
    """Return a file with what it inputs put in place, without comments.

    Args:
        path: The file.
        root: Inputs outside of this folder are left out.

    Raises:
        Unreadable: The file cannot be read, or comes to more than a document may have.
    """
    state = _Assembly(root)
    return state.read(path, 0)


class _Assembly:
    """Counts what was put together, so that files that input each other come to an end."""

    def __init__(self, root: str) -> None:
        """Start with nothing."""
        self.root = root
        self.files = self.inputs = 0
        self.chars = 0

    def read(self, path: str, depth: int) -> str:
        """Return a file with its inputs."""
        self.files += 1
        text = without_comments(decode(read_whole(path)))
        self.chars += len(text)
        if self.chars > MAX_DOCUMENT_BYTES:
            raise Unreadable(f"whose inputs come to more than {MAX_DOCUMENT_BYTES:,} characters")
        body = document_body(text) if depth else text
        return INPUT.sub(lambda match: self._input(match, path, depth), body)

    def _input(self, match: re.Match[str], path: str, depth: int) -> str:
        self.inputs += 1
        if depth >= MAX_INPUT_DEPTH or self.files >= MAX_FILES or self.inputs > MAX_INPUTS:
            return ""
        found = input_path(match.group(1) or match.group(2), path, self.root)
        if found is None:
            return ""
        try:
            return "\n" + self.read(found, depth + 1) + "\n"
        except Unreadable:
            return ""


def without_comments(text: str) -> str:
    """Return TeX without comments and what is switched off."""
    return IGNORED.sub("", COMMENT.sub(r"\1", text.replace("\r\n", "\n").replace("\r", "\n")))


def document_body(text: str) -> str:
    """Return what stands between the begin and the end of the document; all where they are missing."""
    start = text.find("\\begin{document}")
    end = text.rfind("\\end{document}")
    return text[start + len("\\begin{document}") if start >= 0 else 0 : end if end > start else len(text)]


@lru_cache(maxsize=10_000)
def input_path(name: str, path: str, root: str) -> str | None:
    """Return the file that an input command names, next to the file or under the root; else None."""
    if is_url(path):
        return None
    top = Path(root or Path(path).parent).resolve()
    for folder in (Path(path).parent, top):
        for candidate in (folder / name, folder / f"{name}.tex"):
            place = candidate.resolve()
            if place.suffix in (".tex", ".ltx") and place.is_relative_to(top) and place.is_file():
                return str(candidate)
    return None


def included_elsewhere(paths: Sequence[str], root: str) -> set[str]:
    """Return those TeX files that a main file among them inputs: they are read there, not by themselves.

    Files of the class `subfiles` stand for themselves as well, and are read so.
    """
    main: list[tuple[str, str]] = []
    for path in paths:
        try:
            text = without_comments(decode(read_whole(path, 5_000_000)))
        except Unreadable:
            continue
        if MAIN.search(text) and not PART.search(text):
            main.append((path, text))
    found: set[str] = set()
    for path, text in main:
        waiting = [(path, text)]
        while waiting and len(found) < MAX_FILES * len(main):
            place, body = waiting.pop()
            for match in INPUT.finditer(body):
                inner = input_path(match.group(1) or match.group(2), place, root)
                if inner is not None and str(Path(inner).resolve()) not in found:
                    found.add(str(Path(inner).resolve()))
                    waiting.append((inner, without_comments(decode(read_whole(inner, 5_000_000)))))
    return {path for path in paths if str(Path(path).resolve()) in found and not _stands_alone(path)}


def _stands_alone(path: str) -> bool:
    return bool(MAIN.search(decode(read_whole(path, 5_000_000))))
