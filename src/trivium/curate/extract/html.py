"""From an HTML page to its main text as Markdown: code, lists, tables, headings and formulas are kept.

The parser is Lexbor through selectolax; what is content is decided by `choose`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trivium.curate.extract.choose import choose
from trivium.curate.extract.decode import decode
from trivium.curate.extract.dom import Block, collect

MAX_BYTES = 20_000_000
"""Larger pages are dropped: no page of prose is that long."""
MAX_DEPTH = 1_500
"""Deeper pages are dropped: the parser's time grows with the square of the depth (browsers stop at 512)."""
MIN_CHARS_BY_NAME = 200
"""With less than this left, the page is read again without the rules on class names."""
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*?(/?)>")
FLAT_TAGS = frozenset(
    "area base br col embed hr img input link meta source track wbr p li td th tr dt dd option "
    "tbody thead tfoot html head body".split()
)
"""Void tags, and tags that close themselves."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """The main text of a page, or the reason why there is none."""

    text: str
    reason: str | None = None
    """None | too_large | too_deep | not_html | truncated | no_main_text."""


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
    if nesting(page) > MAX_DEPTH:
        return Extraction("", "too_deep")
    if is_truncated(page):
        return Extraction("", "truncated")
    text = to_markdown(main_blocks(page))
    return Extraction(text, None if text else "no_main_text")


def main_blocks(page: str) -> list[Block]:
    """Return the blocks of a page's main text."""
    from selectolax.lexbor import LexborHTMLParser

    root = LexborHTMLParser(page).body
    if root is None:
        return []
    chosen = choose(collect(root, by_name=True))
    if sum(len(block.text) for block in chosen) < MIN_CHARS_BY_NAME:
        wider = choose(collect(root, by_name=False))
        if sum(len(b.text) for b in wider) > 2 * sum(len(b.text) for b in chosen):
            return wider
    return chosen


def nesting(page: str) -> int:
    """Return how deep the tags of a page nest, counted without building a tree."""
    depth = deepest = 0
    for match in TAG.finditer(page):
        closing, name, empty = match.groups()
        if empty or name.lower() in FLAT_TAGS:
            continue
        depth = max(0, depth - 1) if closing else depth + 1
        deepest = max(deepest, depth)
    return deepest


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
        if block.kind == "item":
            number = number + 1 if block.group == previous else 1
            mark = f"{number}." if block.ordered else "-"
            line = "  " * (block.level - 1) + f"{mark} " + block.text.replace("\n", " ")
            parts.append(("\n" if block.group == previous else "\n\n") + line)
            previous = block.group
            continue
        previous = 0
        parts.append("\n\n" + _markdown(block))
    return "".join(parts).strip()


def _markdown(block: Block) -> str:
    if block.kind == "heading":
        return f"{'#' * block.level} {block.text}".replace("\n", " ")
    if block.kind == "code":
        return f"```\n{block.text}\n```"
    if block.kind == "paragraph" and block.level:
        return "\n".join(f"> {line}" for line in block.text.split("\n"))
    return block.text
