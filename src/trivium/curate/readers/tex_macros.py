r"""The author's own TeX macros and environments: taken out where defined, applied where used.

In order through the text, so that a macro means what it meant at that place. Not done: conditionals,
counters, \csname, scopes of groups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

CONTROL = re.compile(r"\\(?:([A-Za-z@]+)|.)", re.DOTALL)
NAME = re.compile(r"\*?\s*(?:\{\s*\\([A-Za-z@]+)\s*\}|\\([A-Za-z@]+))")
WORD = re.compile(r"\s*\{([^{}\n]{1,60})\}")
COUNT = re.compile(r"\s*\[\s*([0-9])\s*\]")
PARAMETERS = re.compile(r"[^{}\\]{0,60}(?=\{)")
BLANKS = re.compile(r"[ \t]*\n?[ \t]*")
OPTION = re.compile(r"\s*\[((?:[^\[\]{}]|\{[^{}]*\})*)\]")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
LATEX = frozenset("newcommand renewcommand providecommand DeclareRobustCommand".split())
PLAIN = frozenset("def gdef edef xdef".split())
OPERATORS = frozenset(("DeclareMathOperator",))
PAIRED = frozenset(("DeclarePairedDelimiter", "DeclarePairedDelimiterX"))
ENVIRONMENTS = frozenset("newenvironment renewenvironment".split())
KEPT = frozenset(
    "begin end item part chapter section subsection subsubsection paragraph subparagraph title author date "
    "maketitle caption footnote textbf textit texttt emph label ref cite input include document verb left "
    "right".split()
)
"""Means what the reader knows of it, whatever the author made of its looks."""
VERBATIM = frozenset("verbatim lstlisting minted Verbatim alltt code semiverbatim".split())
MAX_EXPANSIONS = 50_000
MAX_GROWTH = 20
"""A file that macros make so many times longer (and over a megabyte) stays as it is from there on."""
MAX_NESTING = 12
LAST = re.compile(r"\\([A-Za-z@]+)[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class Macro:
    """What a name stands for."""

    body: str
    delimiters: tuple[str, ...] = ()
    """What ends each argument; empty where it is a group or a single sign."""
    prefix: str = ""
    """What must stand before the first argument."""
    default: str | None = None
    """The first argument where it is not given in brackets."""
    delimited: tuple[str, str] | None = None
    """What stands left and right of the body, in the size that a star or brackets ask for (mathtools)."""
    final: bool = False
    """The body is not looked at again: another name of something that TeX itself knows."""


def expanded(text: str) -> str:
    """Return TeX with the author's own macros applied, within limits, and taken out."""
    return _Scanner(limit=max(1_000_000, MAX_GROWTH * len(text))).scan(text, 0)


def balanced(text: str, at: int) -> int:
    """Return one past the brace that closes the one at `at`, or -1."""
    unclosed = _unclosed(text)
    if at in unclosed:
        return -1
    waiting: list[int] = []
    for match in BRACE.finditer(text, at):
        sign = match.group()
        if sign == "{":
            waiting.append(match.start())
        elif sign == "}":
            if len(waiting) < 2:
                return match.end() if waiting else -1
            waiting.pop()
    unclosed.update(waiting)
    return -1


@lru_cache(maxsize=16)
def _unclosed(text: str) -> set[int]:
    """Return where `balanced` found braces that nothing closes, so that none is looked at twice."""
    return set()


@dataclass
class _Scanner:
    """What is defined so far, and how much was expanded."""

    limit: int
    count: int = 0
    chars: int = 0
    macros: dict[str, Macro] = field(default_factory=dict)
    environments: dict[str, tuple[Macro, str]] = field(default_factory=dict)

    def scan(self, text: str, depth: int) -> str:
        """Return a piece of text with its definitions taken out and its macros applied."""
        out: list[str] = []
        at = 0
        while (match := CONTROL.search(text, at)) is not None:
            out.append(text[at : match.start()])
            piece, at = self._control(match.group(1) or "", text, match.start(), match.end(), depth)
            out.append(piece)
        out.append(text[at:])
        return "".join(out)

    def _control(self, name: str, text: str, start: int, at: int, depth: int) -> tuple[str, int]:
        """Return what stands for the command from `start` to `at`, and where to go on."""
        end = self._defined(name, text, at, depth)
        if end > at:
            return "", end
        if name in ("begin", "end"):
            return self._environment(name, text, start, at, depth)
        macro = self.macros.get(name)
        if macro is None or self.count >= MAX_EXPANSIONS or self.chars > self.limit or depth > MAX_NESTING:
            return text[start:at], at
        applied = _applied(macro, text, at)
        return (text[start:at], at) if applied is None else self._again(macro, *applied, text, depth)

    def _again(self, macro: Macro, body: str, end: int, text: str, depth: int) -> tuple[str, int]:
        self.count += 1
        self.chars += len(body)
        if macro.final:
            return self._apart(body, text, end)
        result = self.scan(body, depth + 1)
        last = LAST.search(result)
        inner = self.macros.get(last.group(1)) if last is not None and depth < MAX_NESTING else None
        applied = _applied(inner, text, end) if inner is not None else None
        if last is None or inner is None or applied is None:
            return self._apart(result, text, end)
        # The body ends in a macro whose arguments stand behind it.
        rest, end = self._again(inner, *applied, text, depth + 1)
        return result[: last.start()] + rest, end

    def _apart(self, result: str, text: str, end: int) -> tuple[str, int]:
        joined = LAST.search(result) and text[end : end + 1].isalpha()
        return result + (" " if joined else ""), end

    def _environment(self, name: str, text: str, start: int, at: int, depth: int) -> tuple[str, int]:
        word = WORD.match(text, at)
        if word is None:
            return text[start:at], at
        called = word.group(1)
        if name == "begin" and called.rstrip("*") in VERBATIM:
            end = text.find(f"\\end{{{called}}}", word.end())
            end = word.end() if end < 0 else end
            return text[start:end], end
        if called not in self.environments or self.count >= MAX_EXPANSIONS or depth > MAX_NESTING:
            return text[start : word.end()], word.end()
        opening, closing = self.environments[called]
        if name == "end":
            return self._again(opening, closing, word.end(), text, depth)
        applied = _applied(opening, text, word.end())
        return (text[start:at], at) if applied is None else self._again(opening, *applied, text, depth)

    def _defined(self, name: str, text: str, at: int, depth: int) -> int:
        """Take up the definition that the command `name` begins; return where it ends, `at` if it is none."""
        if name in LATEX:
            return self._latex(text, at, keep_old=name == "providecommand")
        if name in PLAIN:
            return self._plain(text, at, depth if name in ("edef", "xdef") else -1)
        if name == "let":
            return self._let(text, at)
        if name in OPERATORS:
            return self._operator(text, at)
        if name in PAIRED:
            return self._paired(text, at, inner=name.endswith("X"))
        return self._new_environment(text, at) if name in ENVIRONMENTS else at

    def _latex(self, text: str, at: int, keep_old: bool) -> int:
        named = NAME.match(text, at)
        if named is None:
            return at
        delimiters, default, end = _parameters(text, named.end())
        body, end = _argument(text, end)
        if end < 0:
            return at
        called = named.group(1) or named.group(2)
        if not (keep_old and called in self.macros):
            self._put(called, Macro(body, delimiters, default=default))
        return end

    def _plain(self, text: str, at: int, expand_at: int) -> int:
        named = NAME.match(text, at)
        shape = PARAMETERS.match(text, named.end()) if named is not None else None
        end = balanced(text, shape.end()) if shape is not None else -1
        if named is None or shape is None or end < 0:
            return at
        prefix, *parts = re.split(r"#\d", shape.group())
        body = text[shape.end() + 1 : end - 1]
        body = self.scan(body, expand_at + 1) if 0 <= expand_at < MAX_NESTING else body
        self._put(named.group(1) or named.group(2), Macro(body, tuple(parts), prefix.strip()))
        return end

    def _let(self, text: str, at: int) -> int:
        named = NAME.match(text, at)
        target = (
            re.compile(r"\s*=?\s*(\\(?:[A-Za-z@]+|.)|[^\s{}])").match(text, named.end()) if named else None
        )
        if named is None or target is None:
            return at
        other = target.group(1)
        known = self.macros.get(other[1:]) if other[0] == "\\" else None
        self._put(named.group(1) or named.group(2), known or Macro(other, final=True))
        return target.end()

    def _operator(self, text: str, at: int) -> int:
        star = "*" if text[at : at + 1] == "*" else ""
        named = NAME.match(text, at)
        first, end = _argument(text, named.end()) if named is not None else ("", -1)
        if named is None or end < 0:
            return at
        self._put(named.group(1) or named.group(2), Macro(f"\\operatorname{star}{{{first}}}"))
        return end

    def _paired(self, text: str, at: int, inner: bool) -> int:
        named = NAME.match(text, at)
        delimiters, _, end = _parameters(text, named.end()) if named is not None else ((), None, -1)
        left, end = _argument(text, end) if end > 0 else ("", -1)
        right, end = _argument(text, end) if end > 0 else ("", -1)
        body, end = _argument(text, end) if end > 0 and inner else ("#1", end)
        if named is None or end < 0:
            return at
        macro = Macro(body, delimiters or ("",), delimited=(left, right))
        self._put(named.group(1) or named.group(2), macro)
        return end

    def _new_environment(self, text: str, at: int) -> int:
        word = WORD.match(text, at + (text[at : at + 1] == "*"))
        if word is None:
            return at
        delimiters, default, end = _parameters(text, word.end())
        opening, end = _argument(text, end)
        closing, end = _argument(text, end) if end > 0 else ("", -1)
        if end < 0:
            return at
        called = word.group(1)
        if "\\begin{" in opening and f"\\begin{{{called}}}" not in opening:
            self.environments[called] = (Macro(opening, delimiters, default=default), closing)
        return end

    def _put(self, name: str, macro: Macro) -> None:
        itself = re.search(rf"\\{name}(?![A-Za-z@])", macro.body) and not macro.final
        if name not in KEPT and not itself:
            self.macros[name] = macro


def _parameters(text: str, at: int) -> tuple[tuple[str, ...], str | None, int]:
    """Return an empty delimiter for each argument, the default of the first, and where the body begins."""
    number = COUNT.match(text, at)
    if number is None:
        return (), None, at
    default = OPTION.match(text, number.end())
    end = default.end() if default is not None else number.end()
    return ("",) * int(number.group(1)), default.group(1) if default is not None else None, end


def _applied(macro: Macro, text: str, at: int) -> tuple[str, int] | None:
    """Return the body with its arguments, and where they end; None where they are not there."""
    body, at = _sized(macro, text, at) if macro.delimited is not None else (macro.body, at)
    if macro.prefix:
        found = text.find(macro.prefix, at, at + len(macro.prefix) + 2)
        if found < 0:
            return None
        at = found + len(macro.prefix)
    arguments: list[str] = []
    for index, delimiter in enumerate(macro.delimiters):
        option = OPTION.match(text, at) if index == 0 and macro.default is not None else None
        if option is not None:
            argument, at = option.group(1), option.end()
        elif index == 0 and macro.default is not None:
            argument = macro.default
        else:
            argument, at = _delimited(text, at, delimiter) if delimiter.strip() else _argument(text, at)
        if at < 0:
            return None
        arguments.append(argument)
    return _filled(body, arguments), at


def _sized(macro: Macro, text: str, at: int) -> tuple[str, int]:
    """Return the body between its delimiters in the size that is asked for, and where the arguments begin."""
    sizes = ("", "", "")
    option = OPTION.match(text, at)
    if text[at : at + 1] == "*":
        sizes, at = ("\\left", "\\middle", "\\right"), at + 1
    elif option is not None:
        sizes, at = (option.group(1),) * 3, option.end()
    assert macro.delimited is not None
    inside = macro.body.replace("\\delimsize", sizes[1])
    return f"{sizes[0]}{macro.delimited[0]} {inside} {sizes[2]}{macro.delimited[1]}", at


def _filled(body: str, arguments: list[str]) -> str:
    def put(match: re.Match[str]) -> str:
        number = match.group(1)
        if number == "#":
            return "#"
        return arguments[int(number) - 1] if 0 < int(number) <= len(arguments) else ""

    return re.sub(r"#([#\d])", put, body)


def _argument(text: str, at: int) -> tuple[str, int]:
    """Return the group, command or sign that comes next, and where it ends; -1 where there is none."""
    blanks = BLANKS.match(text, at)
    at = blanks.end() if blanks is not None else at
    if at >= len(text) or text[at] in "}\n":
        return "", -1
    if text[at] == "{":
        end = balanced(text, at)
        return (text[at + 1 : end - 1], end) if end > 0 else ("", -1)
    command = CONTROL.match(text, at)
    end = command.end() if command is not None else at + 1
    return text[at:end], end


def _delimited(text: str, at: int, delimiter: str) -> tuple[str, int]:
    """Return what stands before a delimiter outside of braces, without the braces around all of it."""
    end = text.find(delimiter, at, at + 5_000)
    while end >= 0 and text.count("{", at, end) > text.count("}", at, end):
        end = text.find(delimiter, end + 1, at + 5_000)
    if end < 0:
        return "", -1
    inside = text[at:end].strip()
    whole = inside[:1] == "{" and balanced(inside, 0) == len(inside)
    return inside[1:-1] if whole else inside, end + len(delimiter)
