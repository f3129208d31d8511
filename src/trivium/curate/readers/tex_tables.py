"""Tables of TeX as Markdown: the tabular family, tab stops, and the alignment of plain TeX."""

from __future__ import annotations

import re
from collections.abc import Callable

from trivium.curate.readers.tex_macros import balanced

Convert = Callable[[str], str]
"""TeX of a cell -> its Markdown."""
ARGUMENTS = {
    "tabular": 1, "array": 1, "longtable": 1, "supertabular": 1, "tabu": 1, "longtabu": 1, "tabularx": 2,
    "tabulary": 2, "tabular*": 2,
}  # fmt: skip
"""Environment -> groups between its begin and its first cell; options in brackets stand between them."""
MAX_COLUMNS = 200
OPTION = re.compile(r"\s*\[[^\[\]]{0,200}\]")
TO_WIDTH = re.compile(r"\s*(?:to|spread)\s*[^{}&\\]{0,30}\\?[a-z]{0,20}\s*(?=\{)")
RULE = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|endhead|endfirsthead|endfoot|endlastfoot)\b(?:\[[^\[\]]{0,20}\])?|"
    r"\\(?:c(?:line|midrule)(?:\([^)]{0,9}\))?|hhline|Xhline|Xcline|tablehead|tabletail)\{[^{}]{0,200}\}|"
    r"\\specialrule(?:\{[^{}]{0,30}\}){3}|\\noalign\{[^{}]{0,200}\}|\\Xcline\{[^{}]{0,20}\}\{[^{}]{0,20}\}"
)
SPAN = re.compile(r"\\multicolumn\s*\{(\d{1,2})\}\s*")
NESTED_RULE = re.compile(r"\|(?: --- \|)+")
STOP_SET = re.compile(r"\\[<+]|\\(?:push|pop)tabs\b")
STOP_ACCENT = re.compile(r"\\a(?=['`=])")
NESTING = r"\\(?:begin|end)\{[^{}]{1,40}\}|[{}]|"
ROW_END = re.compile(
    NESTING + r"(?P<cut>\\\\\*?(?:\s*\[[^\]]{0,30}\])?|\\(?:tabularnewline|cr|crcr)(?![a-zA-Z]))|\\.",
    re.DOTALL,
)
CELL_END = re.compile(NESTING + r"(?P<cut>&)|\\.", re.DOTALL)
STOP_END = re.compile(NESTING + r"(?P<cut>\\[>='`])|\\.", re.DOTALL)
HALIGN_END = re.compile(NESTING + r"(?P<cut>\\cr(?:cr)?(?![a-zA-Z]))|\\.", re.DOTALL)


def table(name: str, body: str, convert: Convert) -> str:
    """Return a table of the tabular family."""
    shape, body = _shape_and_cells(name, body)
    around = _columns(shape)
    rows = []
    for line in _split(RULE.sub("", body), ROW_END):
        cells = _split(line, CELL_END)
        shown = [_put(around[at], cell) if at < len(around) else cell for at, cell in enumerate(cells)]
        rows.append(_row(shown, convert) if line.strip() else [])
    return _spell(rows)


def _columns(shape: str, depth: int = 0) -> list[tuple[str, str]]:
    """Return what a table's preamble puts before and behind the cells of every column."""
    columns: list[tuple[str, str]] = []
    before, at = "", 0
    while at < len(shape) and len(columns) < MAX_COLUMNS:
        sign, at = shape[at], at + 1
        if sign in "@!><":
            inside, at = _group(shape, at)
            if sign == ">" or not columns:
                before += inside
            else:
                columns[-1] = (columns[-1][0], columns[-1][1] + inside)
        elif sign == "*" and depth < 3:
            times, at = _group(shape, at)
            inside, at = _group(shape, at)
            columns += _columns(inside, depth + 1) * min(MAX_COLUMNS, int(times) if times.isdigit() else 1)
        elif sign.isalpha():
            while shape[at : at + 1] in ("{", "["):
                _, at = _group(shape, at) if shape[at] == "{" else ("", shape.find("]", at) + 1 or len(shape))
            columns.append((before, ""))
            before = ""
    return columns


def _group(shape: str, at: int) -> tuple[str, int]:
    """Return the group or the sign that comes next in a preamble, and where it ends."""
    while shape[at : at + 1].isspace():
        at += 1
    end = balanced(shape, at) if shape[at : at + 1] == "{" else -1
    return (shape[at + 1 : end - 1], end) if end > 0 else (shape[at : at + 1], at + 1)


def _put(around: tuple[str, str], cell: str) -> str:
    if SPAN.search(cell) or around == ("", ""):
        return cell
    if "\\tt" in around[0]:
        cell = typed(cell)
    apart = " " if around[0][-1:].isalpha() else ""
    return around[0] + apart + cell.strip() + around[1]


def tabbing(body: str, convert: Convert) -> str:
    r"""Return lines with tab stops as rows; a line that ends in \kill only sets the stops."""
    lines = [line.split("\\kill")[-1] for line in _split(body, ROW_END)]
    cells = [
        [STOP_SET.sub("", STOP_ACCENT.sub(r"\\", cell)) for cell in _split(line, STOP_END)] for line in lines
    ]
    return _spell([_row(parts, convert) for parts in cells])


def halign(body: str, convert: Convert) -> str:
    """Return a table of plain TeX: the first row says what stands around each cell."""
    template, *lines = _split(RULE.sub("", body), HALIGN_END)
    around = _split(template, CELL_END)
    repeat = around.index("") if "" in around else len(around)
    around = [shape for shape in around if shape]
    rows = []
    for line in lines:
        cells = [cell.strip() for cell in _split(line, CELL_END)]
        shown = [_shape_of(around, repeat, at).replace("#", cell) for at, cell in enumerate(cells)]
        rows.append(_row(shown, convert) if line.strip() else [])
    return _spell(rows)


def typed(text: str) -> str:
    """Return text whose dashes stay apart, as they do in typewriter type."""
    return re.sub("-(?=-)", "-{}", text)


def _shape_of(around: list[str], repeat: int, at: int) -> str:
    """Return what stands around the cell of a column; from `repeat` on the columns come again and again."""
    if at < len(around):
        return around[at]
    return around[repeat + (at - repeat) % (len(around) - repeat)] if repeat < len(around) else "#"


def _shape_and_cells(name: str, body: str) -> tuple[str, str]:
    """Return the table's preamble, and what stands behind the arguments of the environment."""
    if name in ("tabu", "longtabu") and (width := TO_WIDTH.match(body)) is not None:
        body = body[width.end() :]
    shape = ""
    for _ in range(ARGUMENTS[name]):
        while option := OPTION.match(body):
            body = body[option.end() :]
        body = body.lstrip()
        end = balanced(body, 0) if body[:1] == "{" else 0
        shape, body = body[1 : max(1, end - 1)], body[max(0, end) :]
    return shape, body


def _row(parts: list[str], convert: Convert) -> list[str]:
    return [cell for part in parts for cell in _cells(part, convert)]


def _cells(part: str, convert: Convert) -> list[str]:
    """Return the cell, and empty ones beside it where it spans columns; a table inside becomes its words."""
    span = SPAN.search(part)
    wide = 1
    if span is not None:
        wide = min(50, int(span.group(1)))
        shape = balanced(part, span.end()) if part[span.end() : span.end() + 1] == "{" else span.end() + 1
        part = part[: span.start()] + part[max(shape, span.end()) :]
    text = " ".join(_convert_flat(part, convert).split())
    return [text, *[""] * (wide - 1)]


def _convert_flat(part: str, convert: Convert) -> str:
    text = convert(part)
    if "\\begin{" in part and "| --- |" in text:
        lines = [line.strip(" |").replace(" | ", " ") for line in NESTED_RULE.sub("", text).split("\n")]
        text = " ".join(line for line in lines if line)
    return text.replace("|", "\\|")


def _spell(rows: list[list[str]]) -> str:
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    if not rows:
        return ""
    spelled = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in rows]
    return "\n\n" + "\n".join([spelled[0], "|" + " --- |" * width, *spelled[1:]]) + "\n\n"


def _split(text: str, ends: re.Pattern[str]) -> list[str]:
    """Cut text where `ends` matches outside of braces and of environments."""
    parts: list[str] = []
    at = depth = 0
    for match in ends.finditer(text):
        sign = match.group()
        if sign == "{" or sign.startswith("\\begin"):
            depth += 1
        elif sign == "}" or sign.startswith("\\end"):
            depth -= 1
        elif depth == 0 and match.lastgroup == "cut":
            parts.append(text[at : match.start()])
            at = match.end()
    return [*parts, text[at:]]
