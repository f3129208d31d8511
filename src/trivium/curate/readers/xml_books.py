"""XML that holds books and papers (CNXML, DocBook, JATS, TEI, XHTML): read as if it were HTML.

expat walks the file without a tree; every element is renamed to the HTML element that means the same, and the
renderer of web pages does the rest, so that formulas, tables, lists and code come out alike. Entities that a
file defines are refused: a few lines of them can unfold to gigabytes.
"""

from __future__ import annotations

import html
from xml.parsers import expat

from trivium.curate.extract.html import to_markdown

MAX_DEPTH = 10_000
RENAMED = {
    "para": "p", "simpara": "p", "ab": "p", "l": "p", "lg": "blockquote", "section": "section",
    "sect1": "section",
    "sec": "section", "chapter": "section", "note": "blockquote", "example": "section", "exercise": "section",
    "problem": "section", "solution": "section", "statement": "section", "proof": "section",
    "rule": "section",
    "quote": "blockquote", "disp-quote": "blockquote", "emphasis": "em", "italic": "i", "bold": "b",
    "term": "b",
    "foreign": "i", "list": "ul", "itemizedlist": "ul", "orderedlist": "ol", "item": "li", "listitem": "li",
    "list-item": "li", "code": "code", "programlisting": "pre", "screen": "pre", "literallayout": "pre",
    "preformat": "pre", "preformatted": "pre", "informaltable": "table", "tgroup": "tbody", "row": "tr",
    "entry": "td",
    "equation": "div", "disp-formula": "div", "inline-formula": "span", "definition": "dd", "meaning": "dd",
    "figure": "figure", "caption": "figcaption", "link": "span", "xref": "span", "head": "h2", "lb": "br",
    "subtitle": "h3", "title": "h2", "label": "span", "sub": "sub", "sup": "sup", "verse": "p",
}  # fmt: skip
KEPT = frozenset(
    "p div span h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tr td th pre code b i em strong br a "
    "section "
    "article blockquote figure figcaption sub sup cite abbr hr body html main header small q".split()
)
MATHS = frozenset(
    "math mrow mi mn mo mtext ms mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable "
    "mtr mtd "
    "mlabeledtr mfenced mstyle mpadded mphantom menclose semantics annotation annotation-xml none".split()
)
SKIPPED = frozenset(
    "metadata docinfo articleinfo bookinfo front back teiheader script style media image audio video flash "
    "iframe "
    "object colspec spanspec index indexterm glossary ref-list bibliography footnote fn head-html nav".split()
)
"""Elements whose text is about the document, or is no text."""
ATTRIBUTES = frozenset(
    "display encoding alttext open close columnalign mathvariant linethickness lang class rowspan colspan "
    "role type".split()
)
VOID = frozenset(("br", "hr"))


class BrokenXml(Exception):
    """The file is no well-formed XML that we accept."""


class _Renamer:
    """Turns a stream of XML events into HTML."""

    def __init__(self) -> None:
        """Start with nothing open."""
        self.parts: list[str] = []
        self.open: list[str] = []
        self.skipping = 0
        self.sections = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        local = name.rpartition(":")[2].lower()
        if len(self.open) >= MAX_DEPTH:
            raise BrokenXml(f"nested deeper than {MAX_DEPTH:,}")
        tag = self._tag(local, attributes)
        self.open.append(tag)
        if tag == "!":
            self.skipping += 1
        if self.skipping or not tag:
            return
        given = "".join(
            f' {key}="{html.escape(value)}"' for key, value in attributes.items() if key in ATTRIBUTES
        )
        self.parts.append(f"<{tag}{given}>")

    def _tag(self, local: str, attributes: dict[str, str]) -> str:
        if local in SKIPPED or (local == "head" and self.open[-1:] == ["html"]):
            return "!"
        if local in MATHS:
            return local
        if local in ("section", "sec", "sect1", "chapter"):
            self.sections += 1
        if local == "title":
            return f"h{min(6, 1 + sum(tag == 'section' for tag in self.open))}"
        if local == "list" and attributes.get("list-type") in ("enumerated", "ordered", "order"):
            return "ol"
        if local == "code" and attributes.get("display") == "block":
            return "pre"
        renamed = RENAMED.get(local)
        return renamed if renamed else local if local in KEPT else "div" if local not in INLINE else ""

    def end(self, _name: str) -> None:
        """Close an element."""
        tag = self.open.pop()
        if tag == "!":
            self.skipping -= 1
        elif tag and not self.skipping and tag not in VOID:
            self.parts.append(f"</{tag}>")

    def text(self, data: str) -> None:
        """Take in text."""
        if not self.skipping:
            self.parts.append(html.escape(data, quote=False))


INLINE = frozenset(
    "span inline newline space cite cite-title foreign ph x tspan hi ref name persname date num".split()
)
"""Elements of other dialects that do not end a paragraph."""


def to_html(data: bytes) -> str:
    """Return an XML file as HTML.

    Raises:
        BrokenXml: It is not well formed, defines entities, or is nested too deep.
    """
    renamer = _Renamer()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = renamer.start
    parser.EndElementHandler = renamer.end
    parser.CharacterDataHandler = renamer.text
    parser.EntityDeclHandler = _refuse_entity
    parser.SkippedEntityHandler = lambda name, _parameter: renamer.text(html.unescape(f"&{name};"))
    parser.UseForeignDTD(True)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BrokenXml(str(error)) from None
    return "".join(renamer.parts)


def _refuse_entity(*_: object) -> None:
    raise BrokenXml("it defines entities")


def to_text(markup: str) -> str:
    """Return all text of an HTML fragment as Markdown; nothing is judged, since all of it is content."""
    import turbohtml

    from trivium.curate.extract.dom import outline

    document = turbohtml.parse(f"<!DOCTYPE html><html><body>{markup}</body></html>")
    root = document.find("body")
    return to_markdown(outline(root).blocks) if root is not None else ""


def xml_text(data: bytes) -> str:
    """Return the text of an XML file as Markdown.

    Raises:
        BrokenXml: It is no XML that we accept.
    """
    return to_text(to_html(data))
