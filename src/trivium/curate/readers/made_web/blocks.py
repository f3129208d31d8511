"""The parts of a text (headings, paragraphs, lists, code, tables) and their form as HTML and as Markdown.

The Markdown form is the truth against which extraction is measured; it is made from the blocks, never from
HTML.
"""

from __future__ import annotations

import html
import random
import re
from dataclasses import dataclass

BULLET = re.compile(r"^\s{0,4}(?:[*o-]|\d{1,2}[.)])\s+")
FIELD = re.compile(r"^\s{0,4}[:@]\w+[^:\n]{0,40}:")
RULER = re.compile(r"^([=\-~*^+\"'#])\1{3,}\s*$")
CODE_LINE = re.compile(
    r"^\s*(>>>|\.\.\. |import \w|from \w+ import|def \w+\(|class \w+|@\w+|\w[\w.]*\(.*\)$|\w+ = |"
    r"(for|while|if|with|try|except)\b.*:$|return\b|\$ )"
)
COLUMNS = re.compile(r"\S(?: {2,})\S")


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a text. A table keeps its cells in `rows`; a list its items."""

    kind: str
    """heading | paragraph | list | code | table."""
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    level: int = 2


def parse_blocks(text: str) -> list[Block]:
    """Split prose as written in docstrings into blocks; nothing but blanks and rulers is lost."""
    blocks: list[Block] = []
    for chunk in re.split(r"\n[ \t]*\n", text):
        lines = [line.rstrip() for line in chunk.split("\n") if line.strip()]
        if lines:
            blocks += _parse_chunk(lines)
    return blocks


def _parse_chunk(lines: list[str]) -> list[Block]:
    lines = lines[1:] if RULER.match(lines[0]) and len(lines) > 1 else lines
    if len(lines) >= 2 and RULER.match(lines[1]) and len(lines[0]) < 90:
        rest = _parse_chunk(lines[2:]) if lines[2:] else []
        return [Block("heading", " ".join(lines[0].split())), *rest]
    if _is_code(lines):
        return [Block("code", _dedent(lines))]
    table = _table(lines)
    if table:
        return [Block("table", rows=table)]
    items = _items(lines)
    if items:
        return [Block("list", rows=tuple((item,) for item in items))]
    text = " ".join(" ".join(line for line in lines if not RULER.match(line)).split())
    return [Block("paragraph", text)] if text else []


def _is_code(lines: list[str]) -> bool:
    hits = sum(1 for line in lines if CODE_LINE.match(line))
    prompt = any(line.lstrip().startswith(">>> ") for line in lines)
    return (prompt or hits * 2 >= len(lines)) and not _items(lines)


def _dedent(lines: list[str]) -> str:
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    return "\n".join(line[indent:] for line in lines)


def _table(lines: list[str]) -> tuple[tuple[str, ...], ...]:
    """Read aligned columns: three or more lines that all split at two blanks into as many cells."""
    if len(lines) < 3:
        return ()
    rows = [
        tuple(re.split(r" {2,}|\t+", line.strip())) for line in lines if not re.match(r"^[\s+=|-]+$", line)
    ]
    same = len({len(row) for row in rows}) == 1 and all(COLUMNS.search(line.strip()) for line in lines[:1])
    return tuple(rows) if len(rows) >= 3 and same and 2 <= len(rows[0]) <= 5 else ()


def _items(lines: list[str]) -> list[str]:
    """Read a list: bullets and numbers lose their mark, `:param x:` and the like keep it."""
    mark = next((m for m in (BULLET, FIELD) if m.match(lines[0])), None)
    if mark is None:
        return []
    items: list[str] = []
    for line in lines:
        if mark.match(line):
            items.append(line if mark is FIELD else mark.sub("", line))
        else:
            items[-1] += " " + line.strip()
    return [" ".join(item.split()) for item in items]


def to_markdown(blocks: list[Block]) -> str:
    """Return the blocks as the Markdown that a perfect extractor would give."""
    return "\n\n".join(_markdown(block) for block in blocks)


def _markdown(block: Block) -> str:
    if block.kind == "heading":
        return f"{'#' * block.level} {block.text}"
    if block.kind == "code":
        return f"```\n{block.text}\n```"
    if block.kind == "list":
        return "\n".join(f"- {row[0]}" for row in block.rows)
    if block.kind == "table":
        head, *body = [f"| {' | '.join(row)} |" for row in block.rows]
        return "\n".join([head, "|" + " --- |" * len(block.rows[0]), *body])
    return block.text


def to_html(blocks: list[Block], chance: random.Random, *, divs: bool = False) -> list[str]:
    """Return every block as HTML.

    Args:
        blocks: Parts of a text.
        chance: Decides between equally valid forms of markup (inline tags, highlighted code).
        divs: Write paragraphs as div elements, as single-page applications do.
    """
    return [_html(block, chance, divs) for block in blocks]


def _html(block: Block, chance: random.Random, divs: bool) -> str:
    if block.kind == "heading":
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if block.kind == "code":
        return _code(block.text, chance)
    if block.kind == "list":
        return "<ul>" + "".join(f"<li>{_inline(row[0], chance)}</li>\n" for row in block.rows) + "</ul>"
    if block.kind == "table":
        return _html_table(block)
    tag = "div" if divs else "p"
    return f"<{tag}>{_inline(block.text, chance)}</{tag}>"


def _html_table(block: Block) -> str:
    head, *body = block.rows
    first = "<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"
    rest = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in body
    )
    return f"<table><thead>{first}</thead><tbody>{rest}</tbody></table>"


def _code(text: str, chance: random.Random) -> str:
    """Write a code block plain, with highlighter spans, or with a column of line numbers."""
    escaped = html.escape(text, quote=False)
    style = chance.randrange(3)
    if style == 0:
        return f"<pre><code>{escaped}</code></pre>"
    coloured = re.sub(
        r"\b(def|class|return|import|from|for|if|in|while)\b", r'<span class="k">\1</span>', escaped
    )
    if style == 1:
        return f'<div class="highlight"><pre>{coloured}\n</pre></div>'
    numbers = "\n".join(str(number + 1) for number in range(text.count("\n") + 1))
    return (
        f'<table class="highlighttable"><tr><td class="linenos"><pre>{numbers}</pre></td>'
        f'<td class="code"><div class="highlight"><pre>{coloured}</pre></div></td></tr></table>'
    )


def _inline(text: str, chance: random.Random) -> str:
    """Escape a paragraph and put a few real inline tags into it; its text does not change."""
    words = [html.escape(word, quote=False) for word in text.split(" ")]
    for _ in range(len(words) // 25):
        place = chance.randrange(len(words))
        tag = chance.choice(("b", "em", "code", "a", "span"))
        attribute = f' href="/ref/{place}.html"' if tag == "a" else ""
        words[place] = f"<{tag}{attribute}>{words[place]}</{tag}>"
    return " ".join(words)
