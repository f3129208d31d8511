"""What `extraction.py` counts: gold segments, equations, code blocks, tables, alike for every system."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

FENCE = re.compile(r"^(`{3,})[^\n`]*\n(.*?)\n?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$\w*])\$(?![\s$])([^$\n]+?)(?<!\s)\$(?![\d$])")
TABLE = re.compile(r"(?:^\|.*\|[ \t]*$\n?){3,}", re.MULTILINE)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
SAME_TEX = (
    (re.compile(r"\\(?:left|right|displaystyle|textstyle|limits|quad)(?![a-zA-Z])|\\[,;:>!]"), ""),
    (re.compile(r"\\overset\{\\cdot\}"), r"\\dot"),
    (re.compile(r"\\overset\{\\rightarrow\}|\\overrightarrow"), r"\\vec"),
    (re.compile(r"\\hdots|\\dots\b|\\ldots"), r"\\cdots"),
    (re.compile(r"\\to\b"), r"\\rightarrow"),
    (re.compile(r"\\[lr]?vert\b|\\mid\b"), "|"),
    (re.compile(r"\\text\{\s*\}|~"), ""),
    (re.compile(r"[\s{}]|\\ "), ""),
    (re.compile(r"\.$|,$"), ""),
)
"""Spellings of TeX that print the same: applied to the gold and to every system alike."""


@dataclass
class Tally:
    """How many were there, how many are kept."""

    kept: int = 0
    total: int = 0

    def add(self, kept: bool) -> None:
        """Count one more."""
        self.kept += kept
        self.total += 1

    @property
    def share(self) -> float:
        """Return the part kept, 0 to 1."""
        return self.kept / max(1, self.total)


def f1(kept: int, missed: int, wrong: int) -> tuple[float, float, float]:
    """Return (F1, precision, recall) from counts of gold segments."""
    precision, recall = kept / max(1, kept + wrong), kept / max(1, kept + missed)
    return 2 * precision * recall / max(1e-9, precision + recall), precision, recall


def same_tex(text: str) -> str:
    """Return TeX without what does not change the print."""
    for pattern, replacement in SAME_TEX:
        text = pattern.sub(replacement, text)
    return text


def gold_equations(markdown: str) -> Iterator[str]:
    """Yield the equations of a gold Markdown text that has TeX at all; prices are none."""
    prose = LINK.sub(r"\1", FENCE.sub("", markdown))
    if not re.search(r"\$[^$]*(?:\\[a-zA-Z]|[_^])[^$]*\$", prose):
        return
    yield from DISPLAY.findall(prose)
    for found in INLINE.findall(DISPLAY.sub("", prose)):
        if re.search(r"[\\_^=]|^[a-zA-Z]$|^\w+\(", found):
            yield found


def gold_code(markdown: str) -> list[str]:
    """Return the fenced code blocks of a gold Markdown text."""
    codes = [
        code.replace("\\`", "`") for _, code in FENCE.findall(markdown)
    ]  # escapes that fences do not have
    blocks = [tidy(code).strip("\n") for code in codes]
    return [block for block in blocks if block.strip()]


def tidy(text: str) -> str:
    """Return text without blanks at line ends and without runs of empty lines."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n")))


def gold_tables(markdown: str) -> list[list[list[str]]]:
    """Return the rows of the tables of a gold Markdown text, cell by cell, as plain text."""
    prose = LINK.sub(r"\1", FENCE.sub("", markdown))
    tables = []
    for found in TABLE.findall(prose):
        rows = [
            [plain(cell) for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            for line in found.splitlines()
        ]
        tables.append([row for row in rows if not all(re.fullmatch(r":?-*:?", cell) for cell in row)])
    return tables


def plain(text: str) -> str:
    """Return a cell or line without Markdown marks and blanks."""
    return re.sub(r"[*_`\\\s|]", "", LINK.sub(r"\1", text)).replace("\u2026", "...")


def table_kept(rows: Sequence[Sequence[str]], lines: Sequence[str]) -> bool:
    """Say whether every row stands on one line of the text, its cells in order."""
    return all(any(_in_order(row, line) for line in lines) for row in rows)


def _in_order(cells: Sequence[str], line: str) -> bool:
    at = 0
    for cell in cells:
        at = line.find(cell, at)
        if at < 0:
            return False
        at += len(cell)
    return True


def count_kept(text: str, markdown: str, tallies: dict[str, Tally]) -> None:
    """Add what of a page's gold equations, code blocks and tables an extracted text keeps."""
    squeezed = same_tex(text)
    for equation in gold_equations(markdown):
        tallies["equations"].add(same_tex(equation) in squeezed)
    tidied = tidy(text)
    for block in gold_code(markdown):
        tallies["code"].add(block in tidied)
    lines = [plain(line) for line in text.splitlines()]
    for rows in gold_tables(markdown):
        tallies["tables"].add(table_kept(rows, lines))


def count_segments(text: str, wanted: Sequence[str], unwanted: Sequence[str]) -> tuple[int, int, int]:
    """Return (wanted kept, wanted missed, unwanted kept), searched literally as trafilatura does."""
    kept = sum(segment in text for segment in wanted)
    return kept, len(wanted) - kept, sum(segment in text for segment in unwanted)


Extract = Callable[[bytes], str]
