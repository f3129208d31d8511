"""The part of `extraction.py` about TeX: what our reader keeps of LaTeXML's gold, pylatexenc beside it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from extraction_scores import Tally, plain, same_tex, table_kept

SAME_SOURCE = (
    (re.compile(r"%\s*(?:\n|$)"), ""),
    (re.compile(r"\\(?:label|tag\*?)\{[^{}]*\}"), ""),
    (
        re.compile(
            r"\\(?:nonumber|notag|hfil|hfill|nolimits|limits|scriptstyle|rm|mathrm|mathop|mathbin|mathrel|mathord|"
            r"text|mbox|hbox|operatorname)(?![a-zA-Z])"
        ),
        "",
    ),
    (re.compile(r"\\begin\{(array)\}(?:\[\w?\])?\{(?:[^{}]|\{[^{}]*\})*\}"), r"\\begin\1"),
    (re.compile(r"\\begin\{array\}\[\]"), r"\\beginarray"),
    (re.compile(r"(\\(?:begin|end)\{\w+)\*\}"), r"\1}"),
    (re.compile(r"(\\(?:begin|end)\{[bBpvV]?)small(?=matrix\})"), r"\1"),
    (re.compile(r"(\\begin\{\w+\}|\\(?:frame|mathmake|make)box)(?:\[[^\[\]]{0,30}\])+"), r"\1"),
    (re.compile(r"\\\\\[[^\[\]]{0,30}\]"), ""),
    (re.compile(r"\\(le|ge|ne)(?![a-zA-Z])"), r"\\\1q"),
    (re.compile(r"'+"), lambda match: "^" + r"\prime" * len(match.group())),
    (re.compile(r"\\gets(?![a-zA-Z])"), r"\\leftarrow"),
    (re.compile(r"&|\\\\|[$%]"), ""),
)
"""What LaTeXML writes otherwise than the author did, in the same meaning; applied to both sides."""
NAMESPACE = "{http://dlmf.nist.gov/LaTeXML}"


TWICE = re.compile(r"\\begin\{(\w+)\}(?:\[\w?\])*(.{4,}?)\\end\{\1\}\2", re.DOTALL)
"""LaTeXML repeats the body of some environments of mathtools behind them; the author wrote it once."""


def same_source(text: str) -> str:
    """Return TeX without what LaTeXML and authors write in different ways."""
    for pattern, replacement in SAME_SOURCE:
        text = pattern.sub(replacement, text)
    return same_tex(text)


def score_tex(convert: Callable[[str], str], folder: Path) -> dict[str, Tally]:
    """Return what of the equations and tables of LaTeXML's tests is kept.

    Gold equations that TeX computes (counters, lengths, boxes) or that packages make of plain text are in it
    too, so no reader that does not run TeX reaches 1.
    """
    tallies = {"tex_equations": Tally(), "tex_tables": Tally()}
    for path in sorted(folder.glob("t/*/*.tex.gz")):
        text = convert(gzip.decompress(path.read_bytes()).decode(errors="replace"))
        squeezed = same_source(text)
        lines = [plain(line) for line in text.splitlines()]
        gold = ElementTree.fromstring(
            gzip.decompress(path.with_name(path.name.replace(".tex", ".xml")).read_bytes())
        )
        for math in gold_maths(gold):
            wanted = same_source(TWICE.sub(r"\\begin{\1}\2\\end{\1}", math.get("tex") or ""))
            if wanted:
                tallies["tex_equations"].add(wanted in squeezed)
        for rows in gold_rows(gold):
            tallies["tex_tables"].add(table_kept(rows, lines))
    return tallies


def gold_maths(gold: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield the formulas; of a row of an alignment its cells, as they were written, not also their join."""
    if gold.tag == f"{NAMESPACE}MathFork" and gold.find(f"{NAMESPACE}MathBranch") is not None:
        for branch in gold.findall(f"{NAMESPACE}MathBranch"):
            yield from gold_maths(branch)
        return
    if gold.tag == f"{NAMESPACE}Math":
        yield gold
    for inner in gold:
        yield from gold_maths(inner)


def gold_rows(gold: ElementTree.Element) -> Iterator[list[list[str]]]:
    """Yield the rows of the tables that hold text alone."""
    for table in gold.iter(f"{NAMESPACE}tabular"):
        inner = {element.tag.removeprefix(NAMESPACE) for element in table.iter()} - {"tabular"}
        if inner.isdisjoint(("Math", "graphics", "picture", "verbatim", "ERROR")):
            lines = [*table.findall(f"{NAMESPACE}tr"), *table.findall(f"*/{NAMESPACE}tr")]
            rows = [
                [plain("".join(cell.itertext())) for cell in line.findall(f"{NAMESPACE}td")] for line in lines
            ]
            yield [row for row in rows if any(row)]


def ours(source: str) -> str:
    """Return our Markdown of a TeX source."""
    from trivium.curate.readers.tex import tex_text
    from trivium.curate.readers.tex_files import without_comments

    return tex_text(without_comments(source))


def with_pylatexenc() -> Callable[[str], str]:
    """Return pylatexenc's text, formulas kept as they are."""
    from pylatexenc.latex2text import LatexNodes2Text

    converter = LatexNodes2Text(math_mode="verbatim", keep_comments=False)
    return converter.latex_to_text
