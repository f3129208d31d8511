"""Formulas as TeX, whatever carries them: MathML, KaTeX, MathJax, scripts, images, attributes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trivium.curate.extract.mathml import to_tex

if TYPE_CHECKING:
    from turbohtml import Element

ATTRIBUTES = (
    "data-math",
    "data-tex",
    "data-latex",
    "data-equation",
    "data-formula",
    "data-asciimath",
    "data-katex",
)
RENDERED = re.compile(
    r"\b(?:MathJax(?:_\w+)?|MJX\w*|mjx-\w+|katex-html|MathJax_Preview|mwe-math-fallback\S*)\b"
)
"""What only shows a formula whose source stands beside it."""
TEX_MARK = re.compile(r"\\[a-zA-Z]+|[_^]\{|\\[()\[\]]|^\$.*\$$", re.DOTALL)
IMAGE_CLASS = re.compile(r"\b(?:tex|latex|math|equation|mwe-math\S*)\b", re.IGNORECASE)
IMAGE_SOURCE = re.compile(r"latex\.php|/render/(?:svg|math)|codecogs|mathtex|/math/", re.IGNORECASE)
DISPLAY = re.compile(r"display|block", re.IGNORECASE)
ASCII_MATHS = re.compile(r"asciimath", re.IGNORECASE)


def spell(tex: str, display: bool) -> str:
    """Return TeX between dollar signs; delimiters that it already has are taken off first."""
    tex = tex.strip()
    for left, right in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")):
        if tex.startswith(left) and tex.endswith(right) and len(tex) > len(left) + len(right):
            tex = tex[len(left) : -len(right)].strip()
            break
    if tex.startswith("{\\displaystyle") and tex.endswith("}"):
        tex = tex[len("{\\displaystyle") : -1].strip()
    if not tex:
        return ""
    return f"$${tex}$$" if display else f"${tex}$"


def from_math(node: Element, display: bool = False) -> str:
    """Return a <math> element: the TeX it carries as an annotation or alttext, else its own translation."""
    display = display or node.attr("display") == "block" or node.attr("mode") == "display"
    for note in node.find_all("annotation"):
        if "tex" in (note.attr("encoding") or "").lower() and note.text.strip():
            return spell(note.text, display)
    return spell(node.attr("alttext") or to_tex(node), display)


def from_named(node: Element, names: str) -> str | None:
    """Return the formula of an element whose class name says that it shows one.

    Returns:
        The formula; "" where the element only repeats what another carries; None where it is no formula.
    """
    for attribute in ATTRIBUTES:
        source = node.attr(attribute)
        if source and source.strip():
            return _ascii(source) if "ascii" in attribute else spell(source, bool(DISPLAY.search(names)))
    math = node.find("math") if len(node.children) < 100 else None
    if math is not None and _is_alone(node, math):
        return from_math(math, "katex-display" in names or node.attr("display") == "true")
    return "" if RENDERED.search(names) else None


def _is_alone(node: Element, math: Element) -> bool:
    """Say whether an element shows the formula of its <math> and no other: a wrapper, not a paragraph."""
    return (
        node.tag in ("span", "mjx-container", "mjx-assistive-mml", "div")
        and len(node.find_all("math")) == 1
        and (node.tag != "div" or len(node.text) <= 4 * len(math.text) + 20)
    )


def from_script(node: Element) -> str:
    """Return the formula of a `<script type="math/...">`; "" for any other script."""
    kind = node.attr("type") or ""
    if not kind.startswith("math/"):
        return ""
    if "asciimath" in kind:
        return _ascii(node.text)
    if "mml" in kind:
        from turbohtml import parse_fragment

        found = parse_fragment(node.text).find("math")
        return from_math(found) if found is not None else ""
    return spell(node.text, "display" in kind)


def from_image(node: Element) -> str:
    """Return the formula that an image shows, from its alternative text; "" for a picture."""
    alternative = (node.attr("alt") or "").strip()
    if not alternative or len(alternative) > 2_000:
        return ""
    named = IMAGE_CLASS.search(node.attr("class") or "") or IMAGE_SOURCE.search(node.attr("src") or "")
    if named or (TEX_MARK.search(alternative) and "\\" in alternative and not alternative.startswith("http")):
        return spell(alternative, "\\begin{" in alternative or "display" in (node.attr("class") or ""))
    return ""


def _ascii(source: str) -> str:
    """Return AsciiMath between its own delimiters."""
    return f"`{source.strip().strip('`')}`"
