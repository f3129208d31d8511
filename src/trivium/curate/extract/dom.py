"""From a parsed page to a flat list of blocks (paragraphs, headings, items, code, tables) in nested sections.

The tree is walked without recursion, so that no page can overflow the stack. Scripts and controls are left
out here; what is only called boilerplate becomes a marked section, and `choose` decides about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from turbohtml import Element, Node, Text

from trivium.curate.extract import formulas, names
from trivium.curate.extract.code_blocks import code_text, language_of
from trivium.curate.extract.tables import markdown_table

NEVER = frozenset(
    "style noscript template svg iframe object embed canvas audio video map head title link meta "
    "button select option textarea input datalist dialog frame frameset applet param source track".split()
)
"""Tags whose content is never part of the main text."""
BREAKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer "
    "form "
    "h1 h2 h3 h4 h5 h6 header hgroup hr html li main menu nav ol p section summary table tbody td tfoot "
    "th thead tr ul".split()
)
"""Tags that begin and end a block."""
SECTIONS = frozenset(
    "article aside body center details div dl fieldset figcaption figure footer form header main menu nav "
    "section table td ul ol blockquote".split()
)
"""Tags that always make a section; others do where a name marks them."""
BOILERPLATE_TAGS = frozenset(("nav", "footer", "aside", "menu", "figcaption"))
PLAIN = frozenset("b i em strong u tr tbody font small sub cite abbr br s hr wbr thead".split())
"""Tags whose attributes are never looked at, for speed."""
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
CODE_TAGS = frozenset(("pre", "xmp", "listing", "plaintext"))
INLINE_CODE = frozenset(("code", "kbd", "samp", "tt"))
MENU_LINK_SHARE = 0.7
"""Share of link text from which an element called boilerplate is not even walked."""
LEAVE = ("", -1)
"""On the stack: a block ends here."""
BREAK = "\x1e"
"""Stands for <br> until a block is tidied."""
MAX_INLINE_NAMED_CHARS = 200
"""A longer inline element is kept whatever it is called."""


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
    section: int = 0
    first: Element | None = None
    """The element in which the text begins, for the way back to the source."""
    goes_on: bool = False
    """A further paragraph of the same list item."""
    language: str = ""
    post: bool = False
    """The first block of a post of a thread."""


@dataclass(slots=True)
class Section:
    """A container: a range of blocks and what its names say."""

    parent: int
    tag: str
    meaning: int
    start: int
    end: int = 0
    names: str = ""


@dataclass(slots=True)
class Outline:
    """All blocks of a page, and its sections; section 0 is the root."""

    blocks: list[Block] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


@dataclass(slots=True)
class _Walk(Outline):
    """An outline in the making."""

    stack: list[Node | tuple[str, int]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    link_chars: int = 0
    links: int = 0
    current: int = 0
    heading: int = 0
    items: list[tuple[int, bool]] = field(default_factory=list)
    """Open lists: (number, ordered)."""
    lists: int = 0
    quotes: int = 0
    fresh_item: bool = False
    first: Element | None = None
    latest: Element | None = None

    def flush(self) -> None:
        """End the current block, which has pieces; two line breaks in a row end a paragraph too."""
        whole = "".join(self.pieces)
        self.pieces.clear()
        links, self.link_chars = self.link_chars, 0
        first, self.first = self.first, None
        for text in _paragraphs(whole):
            kind = "heading" if self.heading else "item" if self.items else "paragraph"
            group, ordered = self.items[-1] if self.items else (0, False)
            level = self.heading or len(self.items) or self.quotes
            goes_on = kind == "item" and not self.fresh_item
            self.fresh_item = False
            share = round(links * len(text) / max(1, len(whole)))
            self.blocks.append(Block(kind, text, share, level, group, ordered, self.current, first, goes_on))

    def add(self, kind: str, text: str, node: Element, link_chars: int = 0, language: str = "") -> None:
        """Add a whole block."""
        if self.pieces:
            self.flush()
        self.blocks.append(Block(kind, text, link_chars, section=self.current, first=node, language=language))


def outline(root: Element) -> Outline:
    """Walk a tree and return its blocks in order, in their sections."""
    walk = _Walk(sections=[Section(-1, root.tag, names.NEUTRAL, 0)])
    stack = walk.stack
    stack.extend(reversed(root.children))
    while stack:
        node = stack.pop()
        if type(node) is Text:
            data = node.data
            if walk.pieces or not data.isspace():
                _add_text(data, walk)
        elif type(node) is Element:
            walk.latest = node
            _enter(node, walk)
        elif type(node) is tuple:
            _leave(node, walk)
    if walk.pieces:
        walk.flush()
    walk.sections[0].end = len(walk.blocks)
    return walk


def _add_text(data: str, walk: _Walk) -> None:
    if not walk.pieces:
        walk.first = walk.latest
    elif walk.pieces[-1][-1:] == "$" and data[:1].isalnum():
        walk.pieces.append(" ")
    walk.pieces.append(data.replace("\xad", "") if "\xad" in data else data)
    if walk.links:
        walk.link_chars += len(data.strip())


def _enter(node: Element, walk: _Walk) -> None:
    """Take in an element: skip it, read it whole, or go on into its children."""
    tag = node.tag
    if tag == "br":
        walk.pieces.append(BREAK)
        return
    if tag in PLAIN:
        if tag in BREAKS:
            if walk.pieces:
                walk.flush()
            walk.stack.append(LEAVE)
        walk.stack.extend(reversed(node.children))
        return
    if tag in NEVER:
        return
    if tag in WHOLE and WHOLE[tag](node, walk):
        return
    called = node.attr("class") or ""
    if called and _take_shown(node, tag, called, walk):
        return
    marked = _marked(node, tag, called)
    if marked == names.BOILERPLATE and _is_menu(node):
        return
    if walk.pieces and tag in BREAKS:
        walk.flush()
    if tag in SECTIONS or (marked > names.CONTENT and tag in BREAKS):
        _open_section(node, tag, marked, called, walk)
    elif marked > names.CONTENT and len(node.text) <= MAX_INLINE_NAMED_CHARS:
        return
    _open(node, tag, walk)


def _marked(node: Element, tag: str, called: str) -> int:
    """Return what an element's role, style and names say of it."""
    attributes = node.attrs
    if not attributes:
        return names.BOILERPLATE if tag in BOILERPLATE_TAGS else names.NEUTRAL
    style = node.attr("style")
    if "hidden" in attributes or (style and names.is_hiding(style)) or node.attr("aria-hidden") == "true":
        return names.HIDDEN
    if tag not in BREAKS:
        return names.meaning(called) if called else names.NEUTRAL
    role = node.attr("role")
    if tag in ("body", "main", "article") or role == "main" or node.attr("itemprop") == "articleBody":
        return names.CONTENT
    if role in names.BOILERPLATE_ROLES:
        return names.BOILERPLATE
    identity = node.attr("id")
    said = names.meaning(called) if called else names.NEUTRAL
    if identity and said < names.BOILERPLATE:
        said = max(said, names.meaning(identity))
    return names.BOILERPLATE if tag in BOILERPLATE_TAGS and said < names.BOILERPLATE else said


def _is_menu(node: Element) -> bool:
    """Say whether nearly all of an element is links, so that nothing in it could count as running text."""
    if node.find("p") is not None:
        return False
    links = sum(len(link.text) for link in node.find_all("a"))
    return links >= MENU_LINK_SHARE * len("".join(node.text.split()))


def _open_section(node: Element, tag: str, marked: int, called: str, walk: _Walk) -> None:
    if tag in ("main", "article"):
        marked = max(marked, names.CONTENT)
    walk.sections.append(Section(walk.current, tag, marked, len(walk.blocks), names=called))
    walk.stack.append(("section", walk.current))
    walk.current = len(walk.sections) - 1


def _open(node: Element, tag: str, walk: _Walk) -> None:
    """Push the children, and below them what is to be done when they are finished."""
    if tag == "a":
        walk.links += 1
        walk.stack.append(("a", 0))
    elif tag in HEADINGS:
        walk.heading = HEADINGS[tag]
        walk.stack.append(("heading", 0))
    elif tag in ("ul", "ol"):
        walk.lists += 1
        walk.items.append((walk.lists, tag == "ol"))
        walk.stack.append(("list", 0))
    elif tag == "li":
        walk.fresh_item = True
        walk.stack.append(LEAVE)
    elif tag == "blockquote":
        walk.quotes += 1
        walk.stack.append(("quote", 0))
    elif tag in BREAKS and tag not in SECTIONS:
        walk.stack.append(LEAVE)
    walk.stack.extend(reversed(node.children))


def _leave(mark: tuple[str, int], walk: _Walk) -> None:
    what, number = mark
    if what == "a":
        walk.links -= 1
        return
    if walk.pieces:
        walk.flush()
    if what == "section":
        walk.sections[walk.current].end = len(walk.blocks)
        walk.current = number
    elif what == "heading":
        walk.heading = 0
    elif what == "list":
        walk.items.pop()
    elif what == "quote":
        walk.quotes -= 1


def _take_shown(node: Element, tag: str, called: str, walk: _Walk) -> bool:
    """Read a formula, or the code of an editor or of a box that names its language, without a <pre>."""
    shown = names.shows(called)
    if shown == "formula":
        formula = formulas.from_named(node, called)
        if formula is not None:
            _add_tex(formula, walk)
        return formula is not None
    if shown == "editor":
        return _take_code(node, walk)
    boxed = shown == "code" and tag == "div" and node.attr("data-lang") is not None and "\n" in node.text
    return boxed and node.find("p") is None and node.find("pre") is None and _take_code(node, walk)


def _add_tex(formula: str, walk: _Walk) -> None:
    if not formula:
        return
    if walk.pieces and not walk.pieces[-1][-1:].isspace() and walk.pieces[-1][-1:] not in "([-\u2013/":
        walk.pieces.append(" " if formula[:2] == "$$" else "")
    if not walk.pieces:
        walk.first = walk.latest
    walk.pieces.append(formula)


def _take_math(node: Element, walk: _Walk) -> bool:
    _add_tex(formulas.from_math(node), walk)
    return True


def _take_script(node: Element, walk: _Walk) -> bool:
    _add_tex(formulas.from_script(node), walk)
    return True


def _take_image(node: Element, walk: _Walk) -> bool:
    _add_tex(formulas.from_image(node), walk)
    return True


def _take_code(node: Element, walk: _Walk) -> bool:
    text = code_text(node)
    if text.strip():
        walk.add("code", text, node, language=language_of(node))
    return True


def _take_table(node: Element, walk: _Walk) -> bool:
    text = markdown_table(node, one_line)
    if text:
        walk.add("table", text, node, sum(len(a.text) for a in node.find_all("a")))
    return bool(text)


def _take_inline_code(node: Element, walk: _Walk) -> bool:
    """Read <code> that stands for itself over several lines as a block."""
    text = node.text
    if text.count("\n") < 2 or node.find("p") is not None or len(code_text(node).split("\n")) < 3:
        return False
    return _take_code(node, walk)


WHOLE = {
    **dict.fromkeys(CODE_TAGS, _take_code), **dict.fromkeys(INLINE_CODE, _take_inline_code),
    "math": _take_math,
    "script": _take_script, "img": _take_image, "table": _take_table,
}  # fmt: skip
"""What is read in one piece where its reader says so."""


def one_line(node: Element) -> str:
    """Return the text of a cell with its formulas, on one line."""
    found = outline(node)
    return " ".join(" ".join(block.text.split()) for block in found.blocks)


def _paragraphs(whole: str) -> list[str]:
    """Collapse blanks; <br> is a line break, two of them end a paragraph."""
    if BREAK not in whole:
        text = " ".join(whole.split())
        return [text] if text else []
    lines = [" ".join(line.split()) for line in whole.split(BREAK)]
    paragraphs = "\n".join(lines).split("\n\n")
    return [text for part in paragraphs if (text := part.strip("\n"))]
