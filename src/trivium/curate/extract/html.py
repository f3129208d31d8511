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
INLINE_TEX = re.compile(r"\\\(\s*([^$]{1,1000}?)\s*\\\)")
DISPLAY_TEX = re.compile(r"\\\[\s*([^$]{1,2000}?)\s*\\\]")


@dataclass(frozen=True, slots=True)
class Extraction:
    """The main text of a page, or the reason why there is none."""

    text: str
    reason: str | None = None
    """None | too_large | not_html | truncated | no_main_text."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    """For each block (character in `text` where it begins, character of the decoded page near which it begins)."""


def extract(data: bytes) -> Extraction:
    """Return the main text of a page as Markdown.

    Args:
        data: The page as transferred. Any bytes are accepted; none crash the parser.
    """
    if len(data) > MAX_BYTES:
        return Extraction("", "too_large")
    page = decode(data).replace("\0", "\ufffd")
    if "<" not in page:
        return Extraction("", "not_html")
    if is_truncated(page):
        return Extraction("", "truncated")
    text = to_markdown(main_blocks(page))
    return Extraction(text, None if text else "no_main_text")


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
    parts: list[str] = []
    number, previous = 0, 0
    for block in blocks:
        if block.post and parts:
            parts.append("\n\n---")
            previous = 0
        if block.kind == "item":
            if block.group != previous:
                number = 0
            number += not block.goes_on
            mark = f"{number}." if block.ordered else "-"
            mark = " " * len(mark) if block.goes_on else mark
            line = "  " * (block.level - 1) + f"{mark} " + _with_dollars(block.text).replace("\n", " ")
            parts.append(("\n" if block.group == previous else "\n\n") + line)
            previous = block.group
            continue
        previous = 0
        parts.append("\n\n" + _markdown(block))
    return "".join(parts).strip()


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
