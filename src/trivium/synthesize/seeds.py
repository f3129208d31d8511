"""Seeds as the flows take them: functions with their parts, and short stretches of prose."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trivium.records import Document, Passage
from trivium.synthesize import words

_MARKUP = re.compile(r"[*_`|#<>{}\\=]|::|--|\.\.\.|>>>")


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A documented function of the corpus, taken apart."""

    document_id: str
    module: str
    name: str
    """Qualified name inside its module."""
    signature: str
    """`name(parameters)` as written, without annotations' line breaks."""
    parameters: tuple[str, ...]
    summary: str
    """First paragraph of the docstring, on one line."""
    code: str
    """Source without the docstring; parses."""

    @property
    def short_name(self) -> str:
        """Name without the class."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """What one flow grows one sample from, with where it comes from."""

    id: str
    text: str
    """Prose, a function's source, a question or a request."""
    answer: str = ""
    """The known answer of a question, alternatives apart by ` | `; empty where there is none."""
    solution: str = ""
    """The worked solution of a question, a step a line, or the task that a function solves; may be empty."""
    name: str = ""
    """Qualified name of a function inside its module, where it is known."""
    source: str = ""
    """File it was read from."""
    licence: str = ""
    depth: int = 0
    """Generation depth of the seed itself: 0 for organic text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A paragraph or a few sentences of a passage, on one line."""

    passage_id: str
    text: str


def read_function(document: Document) -> Function | str:
    """Take a code document apart; return why not if it is no documented function with a body."""
    meta = json.loads(document.meta or "{}")
    return take_apart(document.text, document.id, document.source, str(meta.get("name", "")))


def take_apart(text: str, row: str, source: str, name: str = "") -> Function | str:
    """Do what `read_function` does for a text with its row's id, source and, if known, qualified name."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return "does not parse"
    node = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(node, ast.FunctionDef):
        return "not a function"
    docstring = ast.get_docstring(node)
    if not docstring:
        return "no docstring"
    code = _without_docstring(text, node)
    if code is None:
        return "nothing but a docstring"
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return Function(
        document_id=row,
        module=module_of(source),
        name=name or node.name,
        signature=f"{node.name}({ast.unparse(arguments)})",
        parameters=tuple(a.arg for a in every if a.arg not in ("self", "cls")),
        summary=first_paragraph(docstring),
        code=code,
    )


def module_of(source: str) -> str:
    """Return the dotted module of `python:json/decoder.py`."""
    path = source.partition(":")[2] or source
    return path.removeprefix("Lib/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def first_paragraph(docstring: str) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(inspect.cleandoc(docstring).split("\n\n")[0].split())


def stretches(passages: Iterable[Passage], chars: tuple[int, int]) -> list[Stretch]:
    """Return the prose paragraphs of a fitting length, passage by passage in order, each text once."""
    low, high = chars
    found: dict[str, Stretch] = {}
    for passage in passages:
        if passage.kind in ("books", "web"):
            for text in prose_paragraphs(passage.text):
                if low <= len(text) <= high:
                    found.setdefault(text, Stretch(passage_id=passage.id, text=text))
    return list(found.values())


def prose_paragraphs(text: str) -> list[str]:
    """Return the paragraphs that are plain sentences (no markup, code, list or heading), each on one line."""
    outside = re.sub(r"```.*?(?:```|\Z)", "\n\n", text, flags=re.DOTALL)
    flat = [" ".join(block.split()) for block in re.split(r"\n[ \t]*\n", outside)]
    return [block for block in flat if is_prose(block)]


def is_prose(text: str) -> bool:
    """Say whether a line of text is whole sentences in plain words."""
    if not re.match(r"[A-Z\"]", text) or not re.search(r"[.?!]\"?$", text):
        return False
    letters = sum(character.isalpha() or character.isspace() for character in text)
    return (
        letters >= 0.88 * len(text) and len(_MARKUP.findall(text)) <= 1 and len(words.plain_words(text)) >= 8
    )


def plainest_first(rows: Iterable[Stretch]) -> list[Stretch]:
    """Put stretches with few names and numbers first, since a small teacher bends those first."""
    return sorted(rows, key=lambda row: min(len(words.names(row.text)) + len(words.numbers(row.text)), 4))


def best_first(passages: Sequence[Passage]) -> list[Passage]:
    """Order passages: seeds first, then by quality; ties by id."""
    return sorted(passages, key=lambda row: ("seed" not in row.tags, -row.quality, row.id))


def _without_docstring(text: str, node: ast.FunctionDef) -> str | None:
    first = node.body[0]
    if len(node.body) < 2 or first.end_lineno is None:
        return None
    lines = text.splitlines()
    kept = lines[: first.lineno - 1] + lines[first.end_lineno :]
    code = "\n".join(kept).rstrip()
    code = re.sub(r"\n(?:[ \t]*\n)+", "\n", code, count=1) if kept else code
    try:
        ast.parse(code)
    except SyntaxError:
        return None
    return code
