"""Constraints for longer replies: marks, numbers, lines, letters, order, markup."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from trivium.verify.constraint_kinds import Context, Kind, Params, append_word, folded, split_end, words_of

Rewrite = Callable[[str, Params, random.Random], str]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if part.strip()]


def _count(low: int, high: int) -> Callable[[random.Random, Context], Params]:
    return lambda rng, context: {"count": rng.randint(low, high)}


def _word(rng: random.Random, context: Context) -> Params:
    return {"word": rng.choice(context.words)}


def _letter(rng: random.Random, context: Context) -> Params:
    return {"letter": rng.choice("bfgkmpvwz")}


def _marks_to(mark: str, fallback: str) -> Rewrite:
    """Set the number of a mark to `count`: take all away, then add."""

    def rewrite(text: str, params: Params, rng: random.Random) -> str:
        if text.count(mark) == params["count"]:
            return text
        return text.replace(mark, fallback).rstrip() + f" so{mark}" * params["count"]

    return rewrite


def _add(piece: str) -> Rewrite:
    return lambda text, params, rng: text + piece


def _cut(pattern: str, by: str = "") -> Rewrite:
    return lambda text, params, rng: re.sub(pattern, by, text, count=1, flags=re.MULTILINE)


def _to_lines(text: str, count: int) -> str:
    words = text.split()
    size = max(1, len(words) // count)
    cuts = [words[size * n : size * (n + 1) if n < count - 1 else None] for n in range(count)]
    return "\n".join(" ".join(cut) or "so" for cut in cuts)


def _short_lines(text: str, params: Params, rng: random.Random) -> str:
    size = params["count"]
    cut = [line.split() for line in _lines(text)]
    return "\n".join(" ".join(line[at : at + size]) for line in cut for at in range(0, len(line), size))


def _short_sentences(text: str, params: Params, rng: random.Random) -> str:
    size, made = params["count"], []
    for sentence in _sentences(text):
        body, end = split_end(sentence)
        words = body.split()
        pieces = [" ".join(words[at : at + size]).rstrip(",;:") for at in range(0, len(words), size)]
        made.append(". ".join(pieces) + (end.strip() or "."))
    return " ".join(made)


def _without_long(text: str, params: Params, rng: random.Random) -> str:
    return re.sub(rf"[^\W\d_]{{{params['count'] + 1},}}", lambda found: found[0][: params["count"]], text)


def _once_each(text: str, params: Params, rng: random.Random) -> str:
    kept: dict[str, str] = {}
    for word in text.split():
        kept.setdefault(" ".join(folded(word)), word)
    return " ".join(kept.values())


def _start_lines(text: str, params: Params, rng: random.Random) -> str:
    letter = params["letter"]
    return "\n".join(
        line if line[0].lower() == letter else f"{letter.upper()}: {line}" for line in _lines(text)
    )


def _all_start(reply: str, letter: str) -> bool:
    return bool(_lines(reply)) and all(line.lstrip()[0].lower() == letter for line in _lines(reply))


def _same_ends(text: str, params: Params, rng: random.Random) -> str:
    words = folded(text)
    return append_word(text, words[0]) if words and words[0] != words[-1] else text


def _place_word(text: str, params: Params, rng: random.Random) -> str:
    words = text.split()
    words += ["so"] * (params["count"] - 1 - len(words))
    return " ".join([*words[: params["count"] - 1], params["word"], *words[params["count"] - 1 :]])


def _table(reply: str, count: int) -> bool:
    rows = [
        line.strip() for line in _lines(reply) if line.strip().startswith("|") and line.strip().endswith("|")
    ]
    rule = [row for row in rows if re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", row)]
    return len(rows) >= 3 and bool(rule) and all(row.count("|") == count + 1 for row in rows)


def _with_table(text: str, params: Params, rng: random.Random) -> str:
    def row(cell: str) -> str:
        return "|" + f" {cell} |" * params["count"]

    return f"{text}\n" + "\n".join((row("name"), row("---"), row("thing")))


def _ends_in_tag(reply: str) -> bool:
    return re.search(r"#\w+\s*$", reply) is not None


def _lettered(reply: str, count: int) -> bool:
    heads = [line[:2] for line in _lines(reply)]
    return heads == [f"{'abcdefgh'[n]})" for n in range(count)]


def _to_lettered(text: str, params: Params, rng: random.Random) -> str:
    lines = _to_lines(text, params["count"]).splitlines()
    return "\n".join(f"{'abcdefgh'[n]}) {line}" for n, line in enumerate(lines))


def _kind(
    wording: str, check: Callable[..., bool], satisfy: Rewrite, near_miss: Rewrite, rank: int, **more: object
) -> Kind:
    return Kind(wordings=(wording,), check=check, satisfy=satisfy, near_miss=near_miss, rank=rank, **more)  # type: ignore[arg-type]


PROSE_KINDS: dict[str, Kind] = {
    "exclamations": _kind(
        "Use exactly {count} exclamation marks.", lambda reply, count: reply.count("!") == count,
        _marks_to("!", "."), _add(" Oh!"), 7, sample=_count(1, 4),
    ),
    "questions": _kind(
        "Ask exactly {count} questions.", lambda reply, count: reply.count("?") == count,
        _marks_to("?", "."), _add(" Why?"), 7, sample=_count(1, 3),
    ),
    "semicolons": _kind(
        "Use exactly {count} semicolons.", lambda reply, count: reply.count(";") == count,
        _marks_to(";", ","), _add("; so"), 7, sample=_count(1, 3),
    ),
    "ellipsis_end": _kind(
        "Let the reply trail off: end with three dots.", lambda reply: reply.rstrip().endswith("..."),
        lambda text, params, rng: split_end(text)[0] + "...", _cut(r"\.\.\.\s*$", "."), 9,
    ),
    "ascii_only": _kind(
        "Use plain ASCII characters only.", lambda reply: reply.isascii() and bool(reply.strip()),
        lambda text, params, rng: text.encode("ascii", "ignore").decode(), _add(" caf\u00e9"), 1,
    ),
    "no_digits": _kind(
        "Use no digits.", lambda reply: not re.search(r"\d", reply),
        lambda text, params, rng: re.sub(r"\d", "", text), _add(" 7"), 8,
    ),
    "numbers": _kind(
        "Name at least {count} numbers in digits.",
        lambda reply, count: len(re.findall(r"\d+", reply)) >= count,
        lambda text, params, rng: text + "".join(f" {n}" for n in range(2, 2 + params["count"])),
        lambda text, params, rng: re.sub(r"\d", "", text), 3, sample=_count(1, 4),
    ),
    "no_letter": _kind(
        "Do not use the letter {letter}.", lambda reply, letter: letter not in reply.lower(),
        lambda text, params, rng: re.sub(params["letter"], "", text, flags=re.IGNORECASE),
        lambda text, params, rng: f"{text} {params['letter']}", 8, sample=_letter,
    ),
    "short_words": _kind(
        "Use no word of more than {count} letters.",
        lambda reply, count: all(len(word) <= count for word in re.findall(r"[^\W\d_]+", reply)),
        _without_long, lambda text, params, rng: append_word(text, "a" * (params["count"] + 1)), 8,
        sample=_count(5, 8),
    ),
    "lines_start": _kind(
        "Start every line with the letter {letter}.", _all_start, _start_lines,
        lambda text, params, rng: f"{text}\nyes", 7, sample=_letter,
    ),
    "line_count": _kind(
        "Write exactly {count} lines.", lambda reply, count: len(_lines(reply)) == count,
        lambda text, params, rng: _to_lines(text, params["count"]), _add("\nso"), 5, sample=_count(2, 5),
    ),
    "short_lines": _kind(
        "Let no line have more than {count} words.",
        lambda reply, count: all(len(line.split()) <= count for line in _lines(reply)), _short_lines,
        lambda text, params, rng: text + " so" * (params["count"] + 1), 5, sample=_count(5, 9),
    ),
    "short_sentences": _kind(
        "Let no sentence have more than {count} words.",
        lambda reply, count: all(len(words_of(part)) <= count for part in _sentences(reply)),
        _short_sentences,
        lambda text, params, rng: append_word(text, " ".join(["so"] * (params["count"] + 1)), " "), 4,
        sample=_count(5, 12),
    ),
    "first_line_asks": _kind(
        "Let the first line be a question.",
        lambda reply: bool(_lines(reply)) and _lines(reply)[0].rstrip().endswith("?"),
        lambda text, params, rng: f"What is it?\n{text}", _cut(r"\?$", "."), 8,
    ),
    "lines_sorted": _kind(
        "Put the lines in alphabetical order.",
        lambda reply: len(_lines(reply)) > 1 and _lines(reply) == sorted(_lines(reply), key=str.casefold),
        lambda text, params, rng: "\n".join(sorted(_lines(_to_lines(text, 3)), key=str.casefold)),
        _add("\n!"), 6,
    ),
    "unique_words": _kind(
        "Use no word twice.", lambda reply: bool(words := folded(reply)) and len(set(words)) == len(words),
        _once_each, lambda text, params, rng: append_word(text, folded(text)[0]), 2,
    ),
    "same_ends": _kind(
        "End with the word that you start with.",
        lambda reply: len(words := folded(reply)) > 1 and words[0] == words[-1],
        _same_ends, lambda text, params, rng: append_word(text, "other"), 9,
    ),
    "word_at": _kind(
        "Word number {count} must be {word}.",
        lambda reply, count, word: folded(reply)[count - 1 : count] == [word], _place_word,
        lambda text, params, rng: f"So {text}", 9,
        sample=lambda rng, context: {**_word(rng, context), **_count(2, 6)(rng, context)},
    ),
    "hashtags": _kind(
        "End with exactly {count} hashtags.",
        lambda reply, count: len(re.findall(r"#\w+", reply)) == count and _ends_in_tag(reply),
        lambda text, params, rng: " ".join([text.rstrip(), *(f"#tag{n}" for n in range(params["count"]))]),
        lambda text, params, rng: f"{text} #more", 10, sample=_count(1, 4),
    ),
    "asides": _kind(
        "Put at least {count} remarks in parentheses.",
        lambda reply, count: len(re.findall(r"\([^()]+\)", reply)) >= count,
        lambda text, params, rng: text + " (so)" * params["count"], _cut(r" ?\(so\)"), 3, sample=_count(1, 3),
    ),
    "bold_word": _kind(
        "Write the word {word} in bold, as in Markdown.", lambda reply, word: f"**{word}**" in reply.lower(),
        lambda text, params, rng: append_word(text, f"**{params['word']}**"), _cut(r"\*\*"), 3, sample=_word,
    ),
    "heading": _kind(
        "Open with a Markdown heading of level {count}.",
        lambda reply, count: re.match(rf"#{{{count}}} \S", reply.lstrip()) is not None,
        lambda text, params, rng: f"{'#' * params['count']} Title\n{text}",
        _cut(r"^#"), 11, sample=_count(1, 3),
    ),
    "code_block": _kind(
        "Put the whole reply in a Markdown code block.",
        lambda reply: re.fullmatch(r"```\w*\n((?!```).)+\n```", reply.strip(), re.DOTALL) is not None,
        lambda text, params, rng: f"```\n{text}\n```", lambda text, params, rng: text.strip()[:-3], 12,
    ),
    "table": _kind(
        "Add a Markdown table of {count} columns.",
        _table, _with_table, _cut(r"^\|.*---.*$\n?"), 6, sample=_count(2, 4),
    ),
    "rule": _kind(
        "Draw a horizontal rule of three dashes on a line of its own.",
        lambda reply: any(line.strip() == "---" for line in reply.splitlines()), _add("\n---\nSo."),
        _cut("^---$", "--"), 6,
    ),
    "tagged": _kind(
        "Wrap the reply in the tags <reply> and </reply>.",
        lambda reply: re.fullmatch(r"<reply>.+</reply>", reply.strip(), re.DOTALL) is not None,
        lambda text, params, rng: f"<reply>{text}</reply>", _cut("</reply>"), 12,
    ),
    "lettered": _kind(
        "List {count} points as a), b) and so on.",
        _lettered, _to_lettered, _cut(r"^a\)"), 5, sample=_count(2, 4),
    ),
}  # fmt: skip
"""By name."""
