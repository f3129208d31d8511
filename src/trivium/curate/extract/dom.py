"""From a parsed page to a flat list of blocks: paragraphs, headings, list items, code, tables.

The tree is walked without recursion, so that no page can overflow the stack. What is certainly not content
(scripts, menus by tag, hidden parts) is left out here; what only looks like boilerplate is marked or left to
`choose`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

NEVER = frozenset(
    "script style noscript template svg iframe object embed canvas audio video map head title link meta "
    "button select option textarea input datalist dialog nav menu footer aside".split()
)
"""Tags whose content is never part of the main text."""
BREAKS = frozenset(
    "address article blockquote body center dd details div dl dt fieldset figcaption figure form h1 h2 h3 h4 "
    "h5 h6 header hgroup hr html li main ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
"""Tags that begin and end a block."""
PLAIN = frozenset(("b", "i", "em", "strong", "tr", "code", "tt", "font"))
"""Tags whose attributes are never looked at, for speed."""
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
BOILERPLATE_NAMES = frozenset(
    """ad ads adslot advert advertisement adsense banner breadcrumb breadcrumbs byline comment comments
    commentlist consent cookie cookies copyright disqus footer gdpr gutter headerlink hidden lineno linenos
    masthead menu meta metadata modal nav navbar navigation newsletter pager pagination popular popup promo
    promoted related respond share shares sharing sidebar signup social sphinxsidebar sponsor sponsored
    subscribe tags toc toolbar topbar trending widget widgets""".split()
)
"""Words of class and id attributes that name boilerplate (split at blanks, hyphens and underscores)."""
CERTAIN_NAMES = frozenset(
    "ad ads advert adsense comments commentlist consent cookie cookies disqus gutter linenos".split()
)
"""The names that even a page with little text is judged by."""
BOILERPLATE_ROLES = frozenset(
    ("navigation", "banner", "contentinfo", "complementary", "search", "dialog", "menu")
)
HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
NAME_PARTS = re.compile(r"[\s_-]+|(?<=[a-z])(?=[A-Z])")
MATHS_IMAGE = re.compile(r"\b(?:tex|latex|math|mwe-math\S*)\b")


@dataclass(slots=True)
class Block:
    """A run of text with what is needed to decide about it."""

    kind: str
    """paragraph | heading | item | code | table."""
    text: str
    link_chars: int = 0
    level: int = 0
    group: int = 0
    """Items of one list share a number."""
    ordered: bool = False
    inside_main: bool = False


@dataclass(slots=True)
class _State:
    """Where the walk is."""

    blocks: list[Block] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    link_chars: int = 0
    links: int = 0
    """Depth of open links."""
    mains: int = 0
    heading: int = 0
    items: list[tuple[int, bool]] = field(default_factory=list)
    """Open lists: (number, ordered)."""
    lists: int = 0
    quotes: int = 0

    def flush(self) -> None:
        """End the current block."""
        text = _tidy("".join(self.pieces))
        if text:
            kind = "heading" if self.heading else "item" if self.items else "paragraph"
            group, ordered = self.items[-1] if self.items else (0, False)
            level = self.heading or len(self.items) or self.quotes
            main = self.mains > 0
            self.blocks.append(Block(kind, text, self.link_chars, level, group, ordered, main))
        self.pieces.clear()
        self.link_chars = 0


def collect(root: LexborNode, *, by_name: bool) -> list[Block]:
    """Walk a tree and return its blocks in order.

    Args:
        root: The body, or the document's root.
        by_name: Leave out elements whose role, class or id names boilerplate; False only for `CERTAIN_NAMES`.
    """
    state = _State()
    node: LexborNode | None = root
    while node is not None:
        if _enter(node, state, by_name) and node.child is not None:
            node = node.child
        else:
            node = _following(node, root, state)
    state.flush()
    return state.blocks


def _following(node: LexborNode, root: LexborNode, state: _State) -> LexborNode | None:
    """Leave finished elements; return the next node in document order, or None at the end of the root."""
    while node.mem_id != root.mem_id:
        if node.next is not None:
            return node.next
        assert node.parent is not None
        node = node.parent
        _leave(node, state)
    return None


def _enter(node: LexborNode, state: _State, by_name: bool) -> bool:
    """Take in a node; return whether to go on into its children (then `_leave` follows)."""
    if node.is_text_node:
        _add_text(node.text_content or "", state)
        return False
    tag = node.tag
    if tag == "br":
        state.pieces.append("\n")
    if not node.is_element_node or tag in NEVER or tag == "br":
        _maths_script(node, tag, state)
        return False
    attributes = node.attributes if tag not in PLAIN else {}
    if _is_hidden(attributes) or _is_named_boilerplate(tag, attributes, by_name):
        return False
    if tag in ("pre", "table", "math", "img") and _take_whole(node, tag, state):
        return False
    if node.child is not None:
        _open(tag or "", attributes, state)
    return True


def _open(tag: str, attributes: dict[str, str | None], state: _State) -> None:
    if tag in BREAKS:
        state.flush()
    if tag == "a":
        state.links += 1
    elif tag in HEADINGS:
        state.heading = HEADINGS[tag]
    elif tag in ("ul", "ol"):
        state.lists += 1
        state.items.append((state.lists, tag == "ol"))
    elif tag == "blockquote":
        state.quotes += 1
    elif tag in ("main", "article"):
        state.mains += 1
    if attributes.get("role") == "main":
        state.mains += 1


def _leave(node: LexborNode, state: _State) -> None:
    tag = node.tag or ""
    if tag in BREAKS:
        state.flush()
    if tag == "a":
        state.links -= 1
    elif tag in HEADINGS:
        state.heading = 0
    elif tag in ("ul", "ol"):
        state.items.pop()
    elif tag == "blockquote":
        state.quotes -= 1
    elif tag in ("main", "article"):
        state.mains -= 1
    if tag not in PLAIN and node.attributes.get("role") == "main":
        state.mains -= 1


def _add_text(text: str, state: _State) -> None:
    # Source line ends are blanks; only <br> makes a new line.
    text = text.replace("\n", " ").replace("\r", " ")
    state.pieces.append(text)
    if state.links:
        state.link_chars += len(text.strip())


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    if not attributes:
        return False
    style = attributes.get("style") or ""
    return (
        "hidden" in attributes or attributes.get("aria-hidden") == "true" or bool(HIDDEN_STYLE.search(style))
    )


def _is_named_boilerplate(tag: str | None, attributes: dict[str, str | None], by_name: bool) -> bool:
    if not attributes or tag in ("body", "html", "main", "article"):
        return False
    if by_name and attributes.get("role") in BOILERPLATE_ROLES:
        return True
    known = BOILERPLATE_NAMES if by_name else CERTAIN_NAMES
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
    return not known.isdisjoint(part.lower() for part in NAME_PARTS.split(names))


def _take_whole(node: LexborNode, tag: str, state: _State) -> bool:
    """Read code, data tables and formulas in one piece; return False for a table that only lays out."""
    if tag == "img":
        _maths_image(node, state)
        return True
    if tag == "math":
        state.pieces.append(_formula(node))
        return True
    if tag == "table":
        rows = _data_table(node)
        if not rows:
            return False
        state.flush()
        links = sum(len(a.text()) for a in node.css("a"))
        state.blocks.append(Block("table", _markdown_table(rows), links, inside_main=state.mains > 0))
        return True
    state.flush()
    text = _code_text(node)
    if text.strip():
        state.blocks.append(Block("code", text, inside_main=state.mains > 0))
    return True


def _code_text(node: LexborNode) -> str:
    """Return the text of a <pre>, its line breaks as written or as <br>, line numbers left out."""
    if node.css_first("br") is not None:
        for mark in node.css("br"):
            mark.replace_with("\n")
    for numbers in node.css(".linenos, .lineno, .line-numbers, .gutter, .linenumber"):
        numbers.decompose()
    text = node.text().replace("\r\n", "\n").replace("\xa0", " ")
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[0].strip():
        lines.pop(0)
    only_numbers = all(line.strip().isdigit() for line in lines if line.strip())
    return "" if only_numbers else "\n".join(lines).rstrip()


def _data_table(node: LexborNode) -> list[list[str]]:
    """Return the cells of a table that holds data; an empty list for one that lays out a page."""
    nested = any(inner.mem_id != node.mem_id for inner in node.css("table"))
    if nested or node.css_first("pre, h1, h2, h3, p + p, ul, form") is not None:
        return []
    rows = [[_tidy(cell.text()).replace("\n", " ") for cell in row.css("td, th")] for row in node.css("tr")]
    rows = [row for row in rows if any(row)]
    width = max((len(row) for row in rows), default=0)
    if len(rows) < 2 or width < 2 or any(len(cell) > 400 for row in rows for cell in row):
        return []
    return [row + [""] * (width - len(row)) for row in rows]


def _markdown_table(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def _formula(node: LexborNode) -> str:
    """Return a MathML formula as TeX where the page carries it, else its text."""
    for note in node.css("annotation"):
        if "tex" in (note.attributes.get("encoding") or "").lower():
            return f" ${note.text().strip()}$ "
    alternative = node.attributes.get("alttext")
    return f" ${alternative.strip()}$ " if alternative else f" {_tidy(node.text())} "


def _maths_script(node: LexborNode, tag: str | None, state: _State) -> None:
    if tag == "script" and (node.attributes.get("type") or "").startswith("math/tex"):
        mark = "$$" if "display" in (node.attributes.get("type") or "") else "$"
        state.pieces.append(f" {mark}{node.text().strip()}{mark} ")


def _maths_image(node: LexborNode, state: _State) -> None:
    if MATHS_IMAGE.search(node.attributes.get("class") or "") and node.attributes.get("alt"):
        state.pieces.append(f" ${(node.attributes.get('alt') or '').strip()}$ ")


def _tidy(text: str) -> str:
    """Collapse blanks; keep single line breaks."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
