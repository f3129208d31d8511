"""TeX to Markdown: formulas stay TeX between dollar signs, tables, lists, code, headings are Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from trivium.curate.readers.rows import FileShard, ReadOptions, Rows, guarded, text_or_drop
from trivium.curate.readers.tex_files import assembled, balanced, document_body, expanded
from trivium.records import Document, Drop

MAX_DEPTH = 40
MATHS = frozenset(
    "equation align alignat flalign gather multline eqnarray displaymath math subequations numcases xalignat "
    "subnumcases dmath IEEEeqnarray".split()
)
CODE = frozenset("verbatim lstlisting minted Verbatim alltt code semiverbatim".split())
TABLES = frozenset("tabular tabularx longtable array supertabular tabulary tabu".split())
LISTS = {"itemize": "-", "enumerate": "1.", "description": "-", "compactitem": "-", "compactenum": "1."}
LEFT_OUT = frozenset(
    "thebibliography tikzpicture pspicture picture CJK filecontents comment editorial".split()
)
PLAIN = frozenset(
    "center document figure table quote quotation abstract flushleft flushright minipage".split()
)
HEADINGS = {
    "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5, "title": 1,
    "olchapter": 1, "olsection": 2, "subparagraph": 6,
}  # fmt: skip
DROPPED = frozenset(
    "label ref eqref cite citep citet pageref index usepackage documentclass bibliography "
    "bibliographystyle vspace "
    "hspace includegraphics pagestyle thispagestyle setcounter addtocounter setlength input include "
    "hypersetup "
    "caption* phantom vphantom hphantom newtheorem theoremstyle date author ollabel olref olfileid color "
    "newenvironment renewenvironment nocite autoref cref Cref citeauthor gloss tagged".split()
)
"""Commands that say nothing in running text, with their arguments."""
MARKS = {"emph": "*", "textit": "*", "textbf": "**", "texttt": "`", "textsl": "*", "it": "", "bf": ""}
SIGNS = {
    "ldots": "...", "dots": "...", "textellipsis": "...", "LaTeX": "LaTeX", "TeX": "TeX",
    "textbackslash": "\\",
    "S": "\u00a7", "copyright": "\u00a9", "pounds": "\u00a3", "ss": "\u00df", "ae": "\u00e6", "AE": "\u00c6",
    "o": "\u00f8",
    "O": "\u00d8", "aa": "\u00e5", "AA": "\u00c5", "l": "\u0142", "L": "\u0141", "i": "i",
    "textasciitilde": "~", "par": "\n\n",
    "newline": "\n", "quad": " ", "qquad": " ", "textendash": "\u2013", "textemdash": "\u2014",
    "P": "\u00b6", "dag": "\u2020",
}  # fmt: skip
ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "c": "\u0327",
"v": "\u030c",
           "=": "\u0304", "u": "\u0306", "H": "\u030b", ".": "\u0307", "r": "\u030a"}  # fmt: skip
TOKEN = re.compile(
    r"\\begin\s*\{([^{}]{1,40})\}|\\verb\*?([^a-zA-Z\s*])|\\([a-zA-Z@]+)\*?[ \t]*|\\(.)|(\$\$?)|([{}~])|"
    r"(``|''|---?)",
    re.DOTALL,
)
NUMBERING = re.compile(r"\\(?:label|ollabel|tag\*?)\s*\{[^{}]*\}|\\(?:nonumber|notag)\b")
OPTION = re.compile(r"\s*\[[^\[\]]{0,500}\]")
RULE = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|endhead|endfirsthead|endfoot|endlastfoot)\b|\\c(?:line|midrule)(?:\([^)]*\))?\{[^{}]*\}"
)
SPAN = re.compile(r"\\multicolumn\s*\{(\d{1,2})\}\s*")


def tex_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield the row of a TeX file with all that it inputs; offsets are those of the main file."""
    yield guarded(lambda: _from_tex(shard, options), shard.path, 0)


def _from_tex(shard: FileShard, options: ReadOptions) -> Document | Drop:
    source = assembled(shard.path, shard.root)
    return text_or_drop(shard.path, "books", tex_text(source), 0, len(source), options)


def tex_text(source: str) -> str:
    """Return TeX without comments as Markdown."""
    body = document_body(expanded(source))
    text = _convert(body, 0)
    text = re.sub(r"[ \t]+\n", "\n", re.sub(r"[ \t]{2,}(?!.*```)", " ", text)) if "```" not in text else text
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _convert(text: str, depth: int) -> str:
    """Return a piece of TeX as Markdown; environments are taken whole, so nesting costs a call each."""
    if depth > MAX_DEPTH:
        return text
    out: list[str] = []
    at = 0
    while (match := TOKEN.search(text, at)) is not None:
        out.append(text[at : match.start()])
        piece, at = _token(match, text, depth)
        out.append(piece)
    out.append(text[at:])
    return "".join(out)


def _token(match: re.Match[str], text: str, depth: int) -> tuple[str, int]:
    """Return the Markdown of what begins here, and where to go on."""
    environment, verb, command, sign, dollars, brace, quotes = match.groups()
    if environment:
        return _environment(environment.rstrip("*"), environment, text, match.end(), depth)
    if verb:
        end = text.find(verb, match.end())
        return (f"`{text[match.end() : end]}`", end + 1) if end >= 0 else ("", match.end())
    if command:
        return _command(command, text, match.end(), depth)
    if sign:
        return _sign(sign, text, match.end())
    if dollars:
        end = _closing_dollar(text, match.end(), dollars)
        return (
            (_formula(text[match.end() : end], dollars == "$$"), end + len(dollars))
            if end >= 0
            else ("", match.end())
        )
    if brace:
        return (" " if brace == "~" else "", match.end())
    return {"``": '"', "''": '"', "--": "\u2013", "---": "\u2014"}[quotes], match.end()


def _closing_dollar(text: str, at: int, dollars: str) -> int:
    while (end := text.find(dollars, at)) > 0 and text[end - 1] == "\\":
        at = end + 1
    return end


def _formula(tex: str, display: bool) -> str:
    tex = " ".join(NUMBERING.sub("", tex).split())
    if not tex:
        return ""
    return f"\n\n$${tex}$$\n\n" if display else f"${tex}$"


def _sign(sign: str, text: str, at: int) -> tuple[str, int]:
    if sign in "([":
        end = text.find("\\)" if sign == "(" else "\\]", at)
        return (_formula(text[at:end], sign == "["), end + 2) if end >= 0 else ("", at)
    if sign in ACCENTS:
        return _accent(sign, text, at)
    return ("\n" if sign == "\\" else " " if sign in " ,;:\n" else sign if sign in "%&#_{}$" else ""), at


def _accent(sign: str, text: str, at: int) -> tuple[str, int]:
    import unicodedata

    letter = re.compile(r"\s*\{?\\?([a-zA-Z])\}?").match(text, at)
    if letter is None:
        return "", at
    return unicodedata.normalize("NFC", letter.group(1) + ACCENTS[sign]), letter.end()


def _command(name: str, text: str, at: int, depth: int) -> tuple[str, int]:
    if name in HEADINGS:
        title, at = _last_argument(text, at)
        return f"\n\n{'#' * HEADINGS[name]} {' '.join(_convert(title, depth + 1).split())}\n\n", at
    if name in MARKS:
        if text[at : at + 1] != "{":
            return "", at
        inside, at = _argument(text, at)
        inner = " ".join(_convert(inside, depth + 1).split())
        return (f"{MARKS[name]}{inner}{MARKS[name]}" if inner else ""), at
    if name in SIGNS:
        return SIGNS[name], at
    if name in DROPPED:
        while option := OPTION.match(text, at):
            at = option.end()
        while text[at : at + 1] == "{":
            _, at = _argument(text, at)
        return "", at
    if name == "item":
        return "\n- ", at
    if name == "halign" and (start := text.find("{", at, at + 80)) >= 0:
        body, at = _argument(text, start)
        return _halign(body, depth), at
    if name == "footnote":
        inside, at = _argument(text, at) if text[at : at + 1] == "{" else ("", at)
        return f" ({_convert(inside, depth + 1).strip()})", at
    if name == "href":
        _, at = _argument(text, at)
    return "", at


def _argument(text: str, at: int) -> tuple[str, int]:
    """Return the group that begins at `at` without its braces, and where it ends."""
    if text[at : at + 1] != "{":
        return "", at
    end = balanced(text, at)
    return (text[at + 1 : end - 1], end) if end > 0 else ("", at + 1)


def _last_argument(text: str, at: int) -> tuple[str, int]:
    """Return the last of the groups that follow each other: the title after a section's short names."""
    option = OPTION.match(text, at)
    at = option.end() if option else at
    inside = ""
    while text[at : at + 1] == "{":
        inside, at = _argument(text, at)
    return inside, at


def _environment(name: str, full: str, text: str, at: int, depth: int) -> tuple[str, int]:
    begin, close = f"\\begin{{{full}}}", f"\\end{{{full}}}"
    end = _closing(text, at, begin, close) if name not in CODE else text.find(close, at)
    if end < 0:
        return "", at
    body, after = text[at:end], end + len(close)
    if name in CODE:
        return _code(name, body), after
    if name in MATHS:
        return _formula(_display(name, body), True), after
    make = ENVIRONMENTS.get(name)
    if make is not None:
        return make(name, body, depth), after
    if name in LEFT_OUT:
        return "", after
    option = OPTION.match(body)
    inner = _convert(body[option.end() :] if option else body, depth + 1).strip()
    if name in PLAIN:
        return f"\n\n{inner}\n\n", after
    title = f" ({_convert(option.group().strip(' []' + chr(10)), depth + 1)})" if option else ""
    return f"\n\n**{name.capitalize()}{title}.** {inner}\n\n", after


def _closing(text: str, at: int, begin: str, close: str) -> int:
    """Return where the environment ends that is open at `at`, others of its name inside of it counted."""
    depth = 1
    while True:
        end = text.find(close, at)
        if end < 0:
            return -1
        inner = text.find(begin, at, end)
        if inner >= 0:
            depth, at = depth + 1, inner + len(begin)
            continue
        depth, at = depth - 1, end + len(close)
        if depth == 0:
            return end


def _code(name: str, body: str) -> str:
    language = ""
    if name == "minted":
        found = re.match(r"(?:\[[^\]]{0,200}\])?\{([\w+#-]{1,20})\}", body)
        language, body = (found.group(1), body[found.end() :]) if found else ("", body)
    elif name == "lstlisting":
        found = re.match(r"\[([^\]]{0,300})\]", body)
        named = re.search(r"language=\{?(\w+)", found.group(1)) if found else None
        language, body = named.group(1).lower() if named else "", body[found.end() :] if found else body
    lines = [line.rstrip() for line in body.strip("\n").split("\n")]
    return "\n\n```" + language + "\n" + "\n".join(lines) + "\n```\n\n"


def _display(name: str, body: str) -> str:
    body = (
        re.sub(r"\\(?:begin|end)\{(?:equation|align|gather|multline)\*?\}", "", body)
        if name == "subequations"
        else body
    )
    if name in ("alignat", "xalignat"):
        body = re.sub(r"^\s*\{\d+\}", "", body)
    if "&" in body or "\\\\" in body:
        return f"\\begin{{aligned}}{body}\\end{{aligned}}"
    return body


def _list(name: str, body: str, depth: int) -> str:
    option = OPTION.match(body)
    body = body[option.end() :] if option else body
    lines = []
    for number, item in enumerate(_items(body), 1):
        mark = f"{number}." if LISTS[name] == "1." else "-"
        label = OPTION.match(item)
        named = f"**{_convert(label.group().strip(' []'), depth + 1)}** " if label else ""
        inner = _convert(item[label.end() :] if label else item, depth + 1).strip()
        lines.append(f"{mark} {named}" + inner.replace("\n", "\n  "))
    return "\n\n" + "\n".join(lines) + "\n\n"


def _items(body: str) -> list[str]:
    """Cut a list at the items that are its own and not of a list inside."""
    cuts: list[int] = []
    depth = 0
    for match in re.finditer(r"\\(?:begin|end)\{(?:itemize|enumerate|description)\}|\\item\b", body):
        if match.group().startswith("\\item") and match.group() == "\\item":
            if depth == 0:
                cuts.append(match.end())
        else:
            depth += 1 if match.group().startswith("\\begin") else -1
    if not cuts:
        return []
    ends = [cut - len("\\item") for cut in cuts[1:]] + [len(body)]
    return [body[start:end] for start, end in zip(cuts, ends, strict=True)]


def _table(name: str, body: str, depth: int) -> str:
    while body.lstrip()[:1] in ("{", "[") and (body.lstrip()[:1] == "{" or OPTION.match(body)):
        body = body.lstrip()
        option = OPTION.match(body)
        end = option.end() if option else balanced(body, 0)
        if end <= 0:
            break
        body = body[end:]
    lines = [_split(line, CELL_END) for line in _split(RULE.sub("", body), ROW_END)]
    return _spell([[cell for part in parts for cell in _cells(part, depth)] for parts in lines])


def _halign(body: str, depth: int) -> str:
    """Return a table of plain TeX: the first row says what stands around each cell."""
    template, *lines = _split(RULE.sub("", body), HALIGN_END)
    around = _split(template, CELL_END)
    rows = []
    for line in lines:
        cells = _split(line.replace("\\noalign{}", ""), CELL_END)
        shown = [shape.replace("#", cell) for shape, cell in zip(around, cells, strict=False)] + cells[
            len(around) :
        ]
        rows.append([cell for part in shown for cell in _cells(part, depth)] if line.strip() else [])
    return _spell(rows)


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


NESTING = r"\\(?:begin|end)\{[^{}]{1,40}\}|[{}]|"
ROW_END = re.compile(NESTING + r"(?P<cut>\\\\\*?(?:\s*\[[^\]]{0,30}\])?|\\tabularnewline\b)|\\.", re.DOTALL)
CELL_END = re.compile(NESTING + r"(?P<cut>&)|\\.", re.DOTALL)
HALIGN_END = re.compile(NESTING + r"(?P<cut>\\cr(?:cr)?(?![a-zA-Z]))|\\.", re.DOTALL)


def _cells(part: str, depth: int) -> list[str]:
    """Return the cell, and empty ones beside it where it spans columns."""
    span = SPAN.search(part)
    wide = 1
    if span is not None:
        wide = min(50, int(span.group(1)))
        _, after = _argument(part, span.end())
        inside, _ = _argument(part, after)
        part = inside
    text = " ".join(_convert(part, depth + 1).split()).replace("|", "\\|")
    return [text, *[""] * (wide - 1)]


ENVIRONMENTS: dict[str, Callable[[str, str, int], str]] = {
    **dict.fromkeys(LISTS, _list),
    **dict.fromkeys(TABLES, _table),
}
