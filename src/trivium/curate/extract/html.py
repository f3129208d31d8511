"""From an HTML page to its main text as Markdown: code, lists, tables, headings and formulas are kept.

The parser is turbohtml (linear in the size and the depth of a page); what is content is decided by `choose`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trivium.curate.extract.choose import choose
from trivium.curate.extract.decode import decode

if TYPE_CHECKING:
    from trivium.curate.extract.dom import Block

MAX_BYTES = 20_000_000
"""Larger pages are dropped: no page of prose is that long."""
LINE_END = re.compile(r"\r\n|\n|\r")
INLINE_TEX = re.compile(r"\\\(\s*([^$]{1,1000}?)\s*\\\)")
DISPLAY_TEX = re.compile(r"\\\[\s*([^$]{1,2000}?)\s*\\\]")


@dataclass(frozen=True, slots=True)
class Extraction:
    """The main text of a page, or the reason why there is none."""

    text: str
    reason: str | None = None
    """None | too_large | not_html | truncated | no_main_text."""
    offsets: list[tuple[int, int]] = field(default_factory=list)
    """For each block (character of `text`, character of the decoded page where its tag begins)."""


def extract(data: bytes, *, offsets: bool = False) -> Extraction:
    """Return the main text of a page as Markdown.

    Args:
        data: The page as transferred. Any bytes are accepted; none crash the parser.
        offsets: Also return where in the page every block begins.
    """
    if len(data) > MAX_BYTES:
        return Extraction("", "too_large")
    page = decode(data).replace("\0", "\ufffd")
    if "<" not in page:
        return Extraction("", "not_html")
    if is_truncated(page):
        return Extraction("", "truncated")
    blocks = main_blocks(page)
    parts = to_parts(blocks)
    text = "".join(parts).strip()
    places = _offsets(page, blocks, parts) if offsets else []
    return Extraction(text, None if text else "no_main_text", places)


def main_blocks(page: str) -> list[Block]:
    """Return the blocks of a page's main text."""
    import turbohtml

    from trivium.curate.extract.dom import outline

    document = turbohtml.parse(page)
    root = document.find("body") or document.root
    return choose(outline(root)) if root is not None else []


def is_truncated(page: str) -> bool:
    """Say whether a page that opened `<html` or a doctype stops before it is closed.

    End tags of html and body may be left out by the standard, so a page without them is called truncated only
    where it stops inside a tag or with elements open that must be closed.
    """
    head, tail = page[:1_000].lower(), page[-2_000:].lower()
    if not ("<html" in head or "<!doctype" in head) or "</html" in tail or "</body" in tail:
        return False
    if page.rfind("<") > page.rfind(">"):
        return True
    opened = sum(
        len(re.findall(rf"<{tag}\b", page, re.IGNORECASE)) for tag in ("div", "table", "ul", "pre", "main")
    )
    closed = sum(
        len(re.findall(rf"</{tag}\s*>", page, re.IGNORECASE)) for tag in ("div", "table", "ul", "pre", "main")
    )
    return opened > closed


def to_markdown(blocks: list[Block]) -> str:
    """Join blocks; items of one list stand on consecutive lines."""
    return "".join(to_parts(blocks)).strip()


def to_parts(blocks: list[Block]) -> list[str]:
    """Return the Markdown of every block with the blank lines or line break before it."""
    parts: list[str] = []
    number, previous = 0, 0
    for block in blocks:
        rule = "\n\n---" if block.post and parts else ""
        if block.kind == "item":
            together = block.group == previous and not rule
            number = (number if together else 0) + (not block.goes_on)
            previous = block.group
            parts.append(rule + ("\n" if together else "\n\n") + _item(block, number))
        else:
            previous = 0
            parts.append(f"{rule}\n\n{_markdown(block)}")
    return parts


def _item(block: Block, number: int) -> str:
    mark = f"{number}." if block.ordered else "-"
    mark = " " * len(mark) if block.goes_on else mark
    return "  " * (block.level - 1) + f"{mark} " + _with_dollars(block.text).replace("\n", " ")


def _offsets(page: str, blocks: list[Block], parts: list[str]) -> list[tuple[int, int]]:
    """Return (character of the text, character of the page) of every block that begins in a tag."""
    lines = [0, *(match.end() for match in LINE_END.finditer(page))]
    found: list[tuple[int, int]] = []
    at = 0
    for index, (block, part) in enumerate(zip(blocks, parts, strict=True)):
        start = at + len(part) - len(part.lstrip("\n"))
        at += len(part) if index else len(part.lstrip())
        line, column = block.first.position or (0, 0) if block.first is not None else (0, 0)
        if 0 < line <= len(lines):
            found.append((start if index else 0, lines[line - 1] + column))
    return found


def _with_dollars(text: str) -> str:
    """Write formulas between backslash delimiters as those between dollar signs are."""
    if "\\(" not in text and "\\[" not in text:
        return text
    text = INLINE_TEX.sub(r"$\1$", text)
    return DISPLAY_TEX.sub(r"$$\1$$", text)


def _markdown(block: Block) -> str:
    if block.kind == "code":
        fence = "```" if "```" not in block.text else "````"
        return f"{fence}{block.language}\n{block.text}\n{fence}"
    text = _with_dollars(block.text)
    if block.kind == "heading":
        return f"{'#' * block.level} {text}".replace("\n", " ")
    if block.kind == "paragraph" and block.level:
        return "\n".join("> " * block.level + line for line in text.split("\n"))
    return text
