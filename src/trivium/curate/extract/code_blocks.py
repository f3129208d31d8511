"""Code of a page: its lines as the author wrote them, without line numbers, and its language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turbohtml import Element

LANGUAGE = re.compile(
    r"(?:^|\s)(?:lang(?:uage)?[-_:]|highlight-source-|source-|brush:\s*|prettyprint\s+lang-|highlight-text-)"
    r"([\w+#-]{1,20})"
)
HIGHLIGHTER = re.compile(
    r"(?:^|\s)(?:hljs|sourceCode|highlight|highlighter-rouge|prism|src|codehilite)\s+([\w+#-]{1,20})"
)
NOT_A_LANGUAGE = frozenset(
    "hljs none plain plaintext text txt nohighlight no-highlight unknown auto line-numbers linenums "
    "numberlines "
    "numbersource code copy block wrap table default sourcecode highlight chroma pre toolbar".split()
)
LINE_NUMBERS = re.compile(
    r"(?:^|[\s_-])(?:linenos?|linenumbers?|line-?num(?:ber)?s?(?:-rows)?|lnt?|gutter|rouge-gutter|blob-num|hljs-ln-n\w*|"
    r"linenodiv|lntd-number|copy(?:-?(?:btn|button))?|clipboard)(?:$|[\s_-])",
    re.IGNORECASE,
)
UNSELECTABLE = re.compile(r"user-select\s*:\s*none", re.IGNORECASE)
LINE_TAGS = frozenset("div p li tr h6".split())
SKIPPED = frozenset("button script style svg noscript textarea select".split())
EDITOR_SELECTOR = ".cm-content, .CodeMirror-code, .view-lines, .ace_text-layer"
"""Where code editors keep their lines."""


def language_of(node: Element) -> str:
    """Return the language that a <pre>, its <code> or an element just around them names; "" if none does."""
    inner = node.find("code")
    around = node.parent
    for _ in range(3):
        for place in (node, inner, around):
            name = _named_language(place)
            if name:
                return name
        inner, around = None, getattr(around, "parent", None)
    return ""


def _named_language(node: object) -> str:
    attr = getattr(node, "attr", None)
    if attr is None:
        return ""
    for key in ("data-lang", "data-language", "data-code-language", "lang-name"):
        found = attr(key)
        if found and found.lower() not in NOT_A_LANGUAGE and len(found) <= 20 and " " not in found:
            return str(found.lower())
    names = attr("class") or ""
    for pattern in (LANGUAGE, HIGHLIGHTER):
        match = pattern.search(names)
        if match and match.group(1).lower() not in NOT_A_LANGUAGE:
            return str(match.group(1).lower())
    return ""


def code_text(node: Element) -> str:
    """Return the text of a code element; lines end with line breaks, with <br>, or with their element."""
    pieces: list[str] = []
    _collect(node.select_one(EDITOR_SELECTOR) or node, pieces)
    text = (
        "".join(pieces).replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").replace("\u200b", "")
    )
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    count = len(lines) // 2
    if count and len(lines) == 2 * count and lines[::2] == [str(i) for i in range(1, count + 1)]:
        lines = lines[1::2]
    return "" if all(line.strip().isdigit() for line in lines if line) else "\n".join(lines)


def _collect(root: Element, pieces: list[str]) -> None:
    from turbohtml import Element as ElementClass
    from turbohtml import Text

    as_written = "\n" in root.text.strip() or root.find("br") is not None
    stack: list[object] = list(reversed(root.children))
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            if pieces and not pieces[-1].endswith("\n"):
                pieces.append("\n")
        elif isinstance(node, Text):
            pieces.append(node.data)
        elif isinstance(node, ElementClass):
            if node.tag == "br":
                ends_line = node.next_sibling is None and node.previous_sibling is not None
                if not ends_line or getattr(node.parent, "tag", "") not in LINE_TAGS:
                    pieces.append("\n")
            elif node.tag not in SKIPPED and not _is_number(node):
                if _is_line(node, as_written):
                    stack += ["line", *reversed(node.children), "line"]
                else:
                    stack.extend(reversed(node.children))


def _is_line(node: Element, as_written: bool) -> bool:
    """Say whether an element is a line of its own: by its tag, or by its class where there are no breaks."""
    if node.tag in LINE_TAGS or (node.tag == "code" and not as_written and node.next_sibling is not None):
        return True
    return (
        not as_written and node.tag == "span" and (node.attr("class") or "") in ("line", "code-line", "row")
    )


def _is_number(node: Element) -> bool:
    if node.attr("data-line-number") is not None and node.tag in ("td", "a"):
        return True
    return bool(
        LINE_NUMBERS.search(node.attr("class") or "") or UNSELECTABLE.search(node.attr("style") or "")
    )
