"""MathML to TeX, for formulas whose page carries no TeX: presentation elements, as browsers show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turbohtml import Element

MAX_DEPTH = 60
"""Formulas nested deeper keep their text alone."""
OPERATORS = {
    "\u2212": "-", "\u00b1": r"\pm", "\u2213": r"\mp", "\u00d7": r"\times", "\u00b7": r"\cdot",
    "\u22c5": r"\cdot",
    "\u00f7": r"\div", "\u2217": "*", "\u2218": r"\circ", "\u2264": r"\leq", "\u2265": r"\geq",
    "\u2260": r"\neq",
    "\u2248": r"\approx", "\u2261": r"\equiv", "\u221d": r"\propto", "\u223c": r"\sim",
    "\u2192": r"\rightarrow",
    "\u2190": r"\leftarrow", "\u21d2": r"\Rightarrow", "\u21d4": r"\Leftrightarrow", "\u21a6": r"\mapsto",
    "\u2208": r"\in", "\u2209": r"\notin", "\u2282": r"\subset", "\u2286": r"\subseteq", "\u222a": r"\cup",
    "\u2229": r"\cap", "\u2200": r"\forall", "\u2203": r"\exists", "\u00ac": r"\neg", "\u2227": r"\wedge",
    "\u2228": r"\vee", "\u2211": r"\sum", "\u220f": r"\prod", "\u222b": r"\int", "\u222e": r"\oint",
    "\u2202": r"\partial", "\u2207": r"\nabla", "\u221e": r"\infty", "\u2026": r"\ldots", "\u22ef": r"\cdots",
    "\u22ee": r"\vdots", "\u22f1": r"\ddots", "\u27e8": r"\langle", "\u27e9": r"\rangle", "\u2016": r"\|",
    "\u2032": "'", "\u2033": "''", "\u2295": r"\oplus", "\u2297": r"\otimes", "\u22a2": r"\vdash",
    "\u22a5": r"\perp",
    "\u2225": r"\parallel", "\u2220": r"\angle", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#",
    "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "", "\u2205": r"\emptyset", "\u226a": r"\ll",
    "\u226b": r"\gg", "\u2245": r"\cong", "\u2266": r"\leqq", "\u2216": r"\setminus", "\u210f": r"\hbar",
    "\u2113": r"\ell", "\u211d": r"\mathbb{R}", "\u2124": r"\mathbb{Z}", "\u2115": r"\mathbb{N}",
    "\u211a": r"\mathbb{Q}", "\u2102": r"\mathbb{C}", "\u00a0": r"\text{ }",
}  # fmt: skip
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma "
    "sigma tau "
    "upsilon phi chi psi omega"
).split()
LETTERS = {chr(0x3B1 + i): f"\\{name}" for i, name in enumerate(GREEK)}
LETTERS |= {chr(0x391 + i): f"\\{name.capitalize()}" for i, name in enumerate(GREEK) if name != "varsigma"}
LETTERS |= {"\u03d5": r"\phi", "\u03f5": r"\epsilon", "\u03d1": r"\vartheta", "\u03c6": r"\phi"}
FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan log ln exp lim max min sup inf det dim "
    "ker gcd "
    "deg arg Pr hom".split()
)
ACCENTS = {
    "^": "hat", "\u02c6": "hat", "~": "tilde", "\u02dc": "tilde", "\u00af": "overline",
    "\u203e": "overline", "\u2015": "overline", "_": "overline", "\u2192": "vec", "\u20d7": "vec",
    "\u02d9": "dot", ".": "dot", "\u00a8": "ddot", "\u23de": "overbrace",
}  # fmt: skip
FENCES = {"{": r"\{", "}": r"\}", "\u27e8": r"\langle", "\u27e9": r"\rangle", "": "."}
FENCED_MATRICES = (("|", "|", "vmatrix"), ("(", ")", "pmatrix"), ("[", "]", "bmatrix"))
VARIANTS = {
    "bold": "mathbf", "double-struck": "mathbb", "script": "mathcal", "fraktur": "mathfrak",
    "normal": "mathrm",
    "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip


def to_tex(math: Element) -> str:
    """Return the TeX of a <math> element."""
    tex = " ".join(_row(math, 0).split())
    for left, right, name in FENCED_MATRICES:
        tex = tex.replace(f"{left} \\begin{{matrix}}", f"\\begin{{{name}}}")
        tex = tex.replace(f"\\end{{matrix}} {right}", f"\\end{{{name}}}")
    return tex if _is_balanced(tex) else " ".join(_row(math, 0).split())


def _is_balanced(tex: str) -> bool:
    """Say whether every matrix ends under the name that it began under: a lone fence may break a pair."""
    names = ("matrix", *(name for _, _, name in FENCED_MATRICES))
    return all(tex.count(f"\\begin{{{name}}}") == tex.count(f"\\end{{{name}}}") for name in names)


def _elements(node: Element) -> list[Element]:
    from turbohtml import Element as ElementClass

    return [child for child in node.children if isinstance(child, ElementClass)]


def _row(node: Element, depth: int) -> str:
    return " ".join(filter(None, (_tex(child, depth) for child in _elements(node))))


def _tex(node: Element, depth: int) -> str:
    if depth > MAX_DEPTH:
        return node.text
    tag = node.tag.rpartition(":")[2]
    if tag in ("mi", "mn", "mo", "mtext", "ms"):
        return _leaf(node, tag)
    if tag == "semantics":
        first = _elements(node)[:1]
        return _tex(first[0], depth + 1) if first else ""
    if tag in ("annotation", "annotation-xml", "mspace", "mphantom", "maligngroup", "malignmark", "none"):
        return ""
    if tag == "mtable":
        return _table(node, depth)
    if tag == "mfenced":
        return _fenced(node, depth)
    shape = SHAPES.get(tag)
    if shape is None:
        return _row(node, depth + 1)
    parts = [_tex(child, depth + 1) for child in _elements(node)]
    return shape(node, parts) if shape in (_fraction, _over, _under) else shape(node, parts)


def _leaf(node: Element, tag: str) -> str:
    text = " ".join(node.text.split())
    if tag in ("mtext", "ms"):
        return f"\\text{{{node.text.replace(chr(0xA0), ' ')}}}" if node.text else ""
    if tag == "mo":
        return OPERATORS.get(text, LETTERS.get(text, text))
    if text in FUNCTIONS:
        return f"\\{text}"
    plain = LETTERS.get(text) or OPERATORS.get(text)
    if plain is not None:
        return plain
    variant = VARIANTS.get(node.attr("mathvariant") or "")
    if variant and not (variant == "mathrm" and tag == "mn"):
        return f"\\{variant}{{{text}}}"
    return f"\\operatorname{{{text}}}" if tag == "mi" and len(text) > 1 and text.isalpha() else text


def _braced(text: str) -> str:
    return f"{{{text}}}"


def _base(text: str) -> str:
    """A base that a script may be set on: one token, or a group in braces."""
    single = len(text) == 1 or (text.startswith("\\") and text[1:].isalpha())
    return text if single or not text else _braced(text)


def _fraction(node: Element, parts: list[str]) -> str:
    top, bottom = (parts + ["", ""])[:2]
    if (node.attr("linethickness") or "") in ("0", "0pt", "0em"):
        return f"\\genfrac{{}}{{}}{{0pt}}{{}}{{{top}}}{{{bottom}}}"
    return f"\\frac{{{top}}}{{{bottom}}}"


def _sub(_node: Element, parts: list[str]) -> str:
    return f"{_base(parts[0])}_{_braced(parts[1])}" if len(parts) > 1 else "".join(parts)


def _sup(_node: Element, parts: list[str]) -> str:
    if len(parts) > 1 and set(parts[1]) == {"'"}:
        return parts[0] + parts[1]
    return f"{_base(parts[0])}^{_braced(parts[1])}" if len(parts) > 1 else "".join(parts)


def _subsup(_node: Element, parts: list[str]) -> str:
    if len(parts) < 3:
        return "".join(parts)
    return f"{_base(parts[0])}_{_braced(parts[1])}^{_braced(parts[2])}"


def _over(node: Element, parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    mark = _elements(node)[1].text.strip()
    if mark in ACCENTS:
        return f"\\{ACCENTS[mark]}{_braced(parts[0])}"
    limits = parts[0].startswith("\\") and parts[0][1:].isalpha()
    return f"{parts[0]}^{_braced(parts[1])}" if limits else f"\\overset{_braced(parts[1])}{_braced(parts[0])}"


def _under(node: Element, parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    mark = _elements(node)[1].text.strip()
    if mark in ("_", "\u0332", "\u00af"):
        return f"\\underline{_braced(parts[0])}"
    return f"{_base(parts[0])}_{_braced(parts[1])}"


def _root(_node: Element, parts: list[str]) -> str:
    return f"\\sqrt[{parts[1]}]{_braced(parts[0])}" if len(parts) > 1 else f"\\sqrt{_braced(''.join(parts))}"


def _square_root(_node: Element, parts: list[str]) -> str:
    return f"\\sqrt{_braced(' '.join(parts))}"


def _styled(node: Element, parts: list[str]) -> str:
    return " ".join(filter(None, parts))


SHAPES = {
    "mfrac": _fraction, "msub": _sub, "msup": _sup, "msubsup": _subsup, "munderover": _subsup, "mover": _over,
    "munder": _under, "msqrt": _square_root, "mroot": _root, "mrow": _styled, "mstyle": _styled,
    "mpadded": _styled,
}  # fmt: skip


def _table(node: Element, depth: int) -> str:
    rows = []
    for row in _elements(node):
        cells = _elements(row)
        if row.tag.endswith("mlabeledtr"):
            cells = cells[1:]
        rows.append(" & ".join(_row(cell, depth + 1) for cell in cells))
    aligned = (node.attr("columnalign") or "").split()[:2] == ["right", "left"]
    name = "aligned" if aligned else "matrix"
    return f"\\begin{{{name}}} " + r" \\ ".join(rows) + f" \\end{{{name}}}"


def _fenced(node: Element, depth: int) -> str:
    inside = ", ".join(filter(None, (_tex(child, depth + 1) for child in _elements(node))))
    left, right = node.attr("open"), node.attr("close")
    opening = "(" if left is None else FENCES.get(left, left)
    closing = ")" if right is None else FENCES.get(right, right)
    return f"\\left{opening} {inside} \\right{closing}"
