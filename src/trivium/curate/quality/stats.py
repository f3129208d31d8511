"""Counts over a text, made once and read by every heuristic."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

STOP_WORDS = frozenset("the be to of and that have with".split())
"""Gopher's list (Rae et al. 2021, arXiv:2112.11446, appendix A.1.1)."""
FENCED = re.compile(r"^```.*?^```[^\n]*$", re.MULTILINE | re.DOTALL)
NOT_PROSE = re.compile(r"^(?:[ \t]*(?:>>>|\.\.\.) .*|#{1,6} .*|\|[ |:-]+\|)$", re.MULTILINE)
BULLETS = ("-", "*", "\u2022", "o ")
TERMINALS = (".", "!", "?", '"', "'", ":", ")", "`")


@dataclass(frozen=True, slots=True)
class TextStats:
    """What the heuristics need to know about the prose of a text (see `prose_of`)."""

    num_chars: int
    words: list[str]
    lines: list[str]
    """Lines that are not blank."""
    num_stop_words: int
    """Different Gopher stop words that occur."""
    mean_word_chars: float
    alpha_word_frac: float
    symbol_frac: float
    """Hash signs and ellipses per word."""
    bullet_frac: float
    ellipsis_frac: float
    terminal_frac: float
    """Lines that end in punctuation."""
    short_line_frac: float
    """Lines under 30 characters."""
    bad_char_frac: float
    """Replacement and control characters, and typical two-letter traces of wrongly decoded UTF-8."""


MOJIBAKE = re.compile(
    "[\u00c2\u00c3\u00e2\u00c5\u00d0]"
    "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2122]"
    "|[\ufffd\x00-\x08\x0e-\x1f\x7f-\x9f]"
)
"""What Windows-1252 shows for a lead byte of UTF-8, followed by what it shows for a trailing byte."""


def prose_of(text: str) -> str:
    """Return a text without fenced code, interpreter sessions, headings and table rules."""
    return NOT_PROSE.sub("", FENCED.sub("", text))


def measure(text: str) -> TextStats:
    """Count; an empty text gives zeros."""
    prose = prose_of(text)
    words = prose.split()
    lines = [line.strip() for line in prose.split("\n") if line.strip()]
    num_words, num_lines = max(1, len(words)), max(1, len(lines))
    lower = {word.strip(".,;:()\"'").lower() for word in words}
    return TextStats(
        num_chars=len(prose.strip()),
        words=words,
        lines=lines,
        num_stop_words=len(STOP_WORDS & lower),
        mean_word_chars=sum(map(len, words)) / num_words,
        alpha_word_frac=sum(1 for word in words if any(map(str.isalpha, word))) / num_words,
        symbol_frac=(prose.count("#") + prose.count("...") + prose.count("\u2026")) / num_words,
        bullet_frac=sum(1 for line in lines if line.startswith(BULLETS)) / num_lines,
        ellipsis_frac=sum(1 for line in lines if line.endswith(("...", "\u2026"))) / num_lines,
        terminal_frac=sum(1 for line in lines if line.endswith(TERMINALS)) / num_lines,
        short_line_frac=sum(1 for line in lines if len(line) < 30) / num_lines,
        bad_char_frac=sum(map(len, MOJIBAKE.findall(prose))) / max(1, len(prose)),
    )


def duplicate_line_fracs(lines: list[str]) -> tuple[float, float]:
    """Return (lines that repeat an earlier line / lines, their characters / all characters)."""
    counts = Counter(lines)
    repeated = [line for line, count in counts.items() for _ in range(count - 1)]
    return len(repeated) / max(1, len(lines)), sum(map(len, repeated)) / max(1, sum(map(len, lines)))


def top_ngram_frac(words: list[str], n: int) -> float:
    """Return the part of the characters that the most frequent word n-gram covers (Gopher, table A1)."""
    grams = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    if not grams:
        return 0.0
    gram, count = min(grams.items(), key=lambda item: (-item[1], item[0]))
    return sum(map(len, gram)) * count / max(1, sum(map(len, words))) if count > 1 else 0.0


def duplicate_ngram_frac(words: list[str], n: int) -> float:
    """Return the part of the characters in word n-grams that occurred before, no word counted twice."""
    seen: set[tuple[str, ...]] = set()
    repeated, place = 0, 0
    while place <= len(words) - n:
        gram = tuple(words[place : place + n])
        if gram in seen:
            repeated += sum(map(len, gram))
            place += n
        else:
            seen.add(gram)
            place += 1
    return repeated / max(1, sum(map(len, words)))
