"""TeX to Markdown: formulas stay TeX between dollar signs, tables, lists, code, headings are Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from trivium.curate.readers import tex_tables
from trivium.curate.readers.rows import FileShard, ReadOptions, Rows, guarded, text_or_drop
from trivium.curate.readers.tex_files import assembled, document_body
from trivium.curate.readers.tex_macros import balanced, expanded
from trivium.curate.readers.tex_words import (
    ACCENTS,
    CODE,
    DROPPED,
    HEADINGS,
    LAST_ARGUMENT,
    LEFT_OUT,
    LENGTHS,
    LISTS,
    MARKS,
    MATHS,
    ONE_LINE,
    PLAIN,
    SIGNS,
    UNITS,
)
from trivium.records import Document, Drop

MAX_DEPTH = 40
TABLES = tuple(tex_tables.ARGUMENTS)
TOKEN = re.compile(
    r"\\begin\s*\{([^{}]{1,40})\}|\\verb\*?([^a-zA-Z\s*])|\\([a-zA-Z@]+)\*?[ \t]*|\\(.)|(\$\$?)|([{}~])|"
    r"(``|''|---?)",
    re.DOTALL,
)
NUMBERING = re.compile(r"\\(?:label|ollabel|tag\*?)\s*\{[^{}]*\}|\\(?:nonumber|notag)\b")
DOLLAR = re.compile(r"\\.|[{}]|\$\$?|\n[ \t]*\n", re.DOTALL)
LENGTH = re.compile(
    r"\s*=?\s*-?[\d.,]+\s*(?:true)?\s*(?:pt|em|ex|cm|mm|in|pc|bp|sp|mu|dd|cc|\\[a-zA-Z]+)"
    r"(?:\s*(?:plus|minus)\s*-?[\d.]+\s*[a-z]{2,4})*|\s*=?\s*\\[a-zA-Z]+"
)
OPTION = re.compile(r"\s*\[[^\[\]]{0,500}\]")


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
    """Return where the formula ends: outside of braces, else at the next sign; -1 if the paragraph ends."""
    depth, found = 0, -1
    for match in DOLLAR.finditer(text, at, at + 1_000):
        sign = match.group()
        if sign in "{}":
            depth += 1 if sign == "{" else -1
        elif sign[0] == "$" and text.startswith(dollars, match.start()):
            if depth <= 0:
                return match.start()
            found = match.start() if found < 0 else found
        elif sign[0] == "\n" and dollars == "$":
            return found
    while found < 0 and (end := text.find(dollars, at)) > 0:
        if text[end - 1] != "\\":
            return end
        at = end + 1
    return found


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
        inside = tex_tables.typed(inside) if name == "texttt" else inside
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
        return tex_tables.halign(body, lambda cell: _convert(cell, depth + 1)), at
    if name == "footnote":
        inside, at = _argument(text, at) if text[at : at + 1] == "{" else ("", at)
        return f" ({_convert(inside, depth + 1).strip()})", at
    if name in LAST_ARGUMENT:
        inside, at = _argument(text, _behind(text, at, LAST_ARGUMENT[name]))
        return _convert(inside, depth + 1), at
    if name == "ensuremath":
        inside, at = _argument(text, at)
        return _formula(inside, False), at
    if name in UNITS:
        return _unit(name, text, at)
    if name in ("lstinline", "mintinline"):
        return _inline_code(text, _behind(text, at, int(name == "mintinline")))
    return "", _behind_option(name, text, at)


def _unit(name: str, text: str, at: int) -> tuple[str, int]:
    """Return a number with its unit, or a fraction in running text (units, nicefrac), as a formula."""
    option = OPTION.match(text, at)
    value = option.group().strip(" []") + "\\," if option is not None and name != "nicefrac" else ""
    over, at = _argument(text, option.end() if option is not None else at)
    under, at = _argument(text, at) if name != "unit" else ("", at)
    roman = name != "nicefrac"
    over, under = (f"\\mathrm{{{part}}}" if roman else part for part in (over, under))
    return _formula(
        (value + (over if name == "unit" else f"\\nicefrac{{{over}}}{{{under}}}")).replace("$", ""), False
    ), at


def _inline_code(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] == "{":
        inside, at = _argument(text, at)
        return f"`{inside}`", at
    end = text.find(text[at : at + 1], at + 1, at + 1_000)
    return (f"`{text[at + 1 : end]}`", end + 1) if end > 0 else ("", at)


def _behind(text: str, at: int, arguments: int) -> int:
    """Return where the argument after so many others begins; options in brackets may stand between them."""
    for number in range(arguments + 1):
        while option := OPTION.match(text, at):
            at = option.end()
        if number < arguments:
            _, at = _argument(text, at) if text[at : at + 1] == "{" else ("", at + 1)
    return at


def _behind_option(name: str, text: str, at: int) -> int:
    """Return where text goes on after an unknown command: behind its length or its options."""
    if name in LENGTHS and (length := LENGTH.match(text, at)) is not None:
        return length.end()
    if text[at - 1].isspace():
        return at
    while text[at : at + 1] == "[" and (option := OPTION.match(text, at)) is not None:
        at = option.end()
    return at


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
        return _formula(_display(name, body), name != "math"), after
    make = ENVIRONMENTS.get(name)
    if make is not None:
        return make(full if full in TABLES else name, body, depth), after
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
    if name in ("numcases", "subnumcases"):
        return _cases(body.lstrip())
    if name in ("alignat", "xalignat"):
        body = re.sub(r"^\s*\{\d+\}", "", body)
    if name not in ONE_LINE and ("&" in body or "\\\\" in body):
        return f"\\begin{{aligned}}{body}\\end{{aligned}}"
    return body


def _cases(body: str) -> str:
    """Return numbered cases as plain ones: what is said of each case is text there, with formulas in it."""
    left, at = _argument(body, 0)
    rows = [line.split("&", 1) for line in re.split(r"\\\\(?:\[[^\]]{0,20}\])?", body[at:]) if line.strip()]
    lines = [f"{row[0].strip()} & \\text{{{row[1].strip()}}}" if len(row) > 1 else row[0] for row in rows]
    return f"{left} \\begin{{cases}} " + " \\\\ ".join(lines) + " \\end{cases}"


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
    for match in re.finditer(
        r"\\(?:begin|end)\{(?:compact)?(?:item|itemize|enum|enumerate|description)\}|\\item\b", body
    ):
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
    return tex_tables.table(name, body, lambda cell: _convert(cell, depth + 1))


def _tabbing(name: str, body: str, depth: int) -> str:
    return tex_tables.tabbing(body, lambda cell: _convert(cell, depth + 1))


ENVIRONMENTS: dict[str, Callable[[str, str, int], str]] = {
    **dict.fromkeys(LISTS, _list),
    **dict.fromkeys(TABLES, _table),
    "tabbing": _tabbing,
}
