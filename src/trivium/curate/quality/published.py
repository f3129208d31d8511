"""The heuristics of Gopher, C4 and FineWeb with the papers' own numbers, fast enough for a whole crawl.

`prose` judges our sources, with limits that fit docstrings and short pages. This module judges web pages as
the papers do, in the order and with the details of FineWeb's pipeline (Penedo et al. 2024, arXiv:2406.17557):
Gopher's repetition and quality rules (Rae et al. 2021, arXiv:2112.11446, appendix A.1.1 and table A1), C4's
line rules (Raffel et al. 2020, arXiv:1910.10683) without the one on final punctuation, FineWeb's own rules.

Words are runs of word characters, hyphens and apostrophes inside them included; every other sign is a token
by itself. N-grams are hashed, and most documents pass all six rules on repeated n-grams by one bound: words
in repeated 10-grams are also in repeated 5-grams.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trivium.curate.ngrams import row_hashes
from trivium.curate.quality.stats import STOP_WORDS

TOKEN = re.compile(r"\w+(?:[-'\u2019]\w+)*|[^\w\s]")
PARAGRAPHS, LINES = re.compile(r"\n{2,}"), re.compile(r"\n+")
MAX_DUPLICATE_PARAGRAPHS = MAX_DUPLICATE_LINES = 0.3
MAX_DUPLICATE_PARAGRAPH_CHARS = MAX_DUPLICATE_LINE_CHARS = 0.2
TOP_NGRAMS = ((2, 0.20), (3, 0.18), (4, 0.16))
DUPLICATE_NGRAMS = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
"""Gopher, table A1, this and the lines above."""
WORDS, WORD_CHARS = (50, 100_000), (3, 10)
MAX_SYMBOLS, MAX_BULLETS, MAX_ELLIPSES, MIN_ALPHA, MIN_STOP_WORDS = 0.1, 0.9, 0.3, 0.8, 2
"""Gopher, appendix A.1.1."""
CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
POLICY = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
MAX_WORD_CHARS, MIN_LINE_WORDS, MIN_SENTENCES = 1_000, 3, 5
"""C4."""
SENTENCE_END = re.compile(r"[.!?\u3002\uff01\uff1f][\"')\]\u201d\u2019]*(?=\s|$)")
STOPS = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f", "\uff0e")
MIN_STOPPED, MAX_SHORT, SHORT_CHARS, MAX_REPEATED_CHARS, MAX_BREAKS = 0.12, 0.67, 30, 0.01, 0.3
"""FineWeb."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A page after the rules: its text, from which C4's rules take lines, and the first objection."""

    text: str
    reason: str | None


def judge_page(text: str, english: bool = True, signs: bool = True) -> Judged:
    """Return the page without the lines that C4 drops, and the first reason to drop it, or None.

    Args:
        text: The main text of a page.
        english: Gopher's stop words must occur; they say nothing of other languages.
        signs: Every comma counts as a word where Gopher asks for words with a letter, as in FineWeb's
            pipeline; the paper counts words.
    """
    if not text.strip():
        return Judged(text, "empty")
    tokens = TOKEN.findall(text)
    reason = repetition(text, tokens) or gopher(text, tokens, english, signs)
    if reason:
        return Judged(text, reason)
    kept, reason = c4(text)
    if reason:
        return Judged(text, reason)
    return Judged(kept, fineweb(kept))


def repetition(text: str, tokens: Sequence[str]) -> str | None:
    """Object to repeated paragraphs, lines and n-grams."""
    paragraphs = PARAGRAPHS.split(text.strip())
    count, chars = duplicates(paragraphs)
    if count > MAX_DUPLICATE_PARAGRAPHS * len(paragraphs):
        return "dup_para_frac"
    if chars > MAX_DUPLICATE_PARAGRAPH_CHARS * len(text):
        return "dup_para_char_frac"
    lines = LINES.split(text)
    count, chars = duplicates(lines)
    if count > MAX_DUPLICATE_LINES * len(lines):
        return "dup_line_frac"
    if chars > MAX_DUPLICATE_LINE_CHARS * len(text):
        return "dup_line_char_frac"
    return _repeated_ngrams(tokens, len(text))


def duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """Return how many parts repeat an earlier one, and their characters."""
    if len(set(parts)) == len(parts):
        return 0, 0
    seen: set[str] = set()
    count = chars = 0
    for part in parts:
        if part in seen:
            count, chars = count + 1, chars + len(part)
        seen.add(part)
    return count, chars


def _repeated_ngrams(tokens: Sequence[str], num_chars: int) -> str | None:
    numbers: dict[str, int] = {}
    ids = np.array([numbers.setdefault(token, len(numbers)) for token in tokens], np.uint64)
    sizes = np.array([len(token) for token in tokens], np.int64)
    for n, limit in TOP_NGRAMS:
        if top_ngram_chars(ids, sizes, n, limit * num_chars) > limit * num_chars:
            return f"top_{n}_gram"
    least = min(limit for _, limit in DUPLICATE_NGRAMS)
    if _covered_chars(ids, sizes, DUPLICATE_NGRAMS[0][0]) <= least * num_chars:
        return None
    for n, limit in DUPLICATE_NGRAMS:
        if duplicate_ngram_chars(tokens, n) > limit * num_chars:
            return f"duplicated_{n}_n_grams"
    return None


def top_ngram_chars(ids: np.ndarray, sizes: np.ndarray, n: int, bound: float) -> int:
    """Return characters times occurrences of the most frequent n-gram, the first of equals.

    Args:
        ids: Number of each token.
        sizes: Characters of each token.
        n: Tokens of an n-gram, joined by one blank.
        bound: If the value cannot exceed it, 0 is returned at once.
    """
    if len(ids) < n:
        return 0
    grams = row_hashes(ids, n)
    ordered = np.sort(grams)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts = np.diff(np.append(starts, len(ordered)))
    most = int(counts.max())
    if most * (n * int(sizes.max()) + n - 1) <= bound:
        return 0
    best = np.isin(grams, ordered[starts[counts == most]])
    first = int(np.argmax(best))
    return most * (int(sizes[first : first + n].sum()) + n - 1)


def _covered_chars(ids: np.ndarray, sizes: np.ndarray, n: int) -> int:
    """Return the characters of all tokens in n-grams that occurred before."""
    if len(ids) < n:
        return 0
    grams = row_hashes(ids, n)
    order = np.argsort(grams, kind="stable")
    again = np.zeros(len(grams), bool)
    again[order[1:]] = grams[order[1:]] == grams[order[:-1]]
    if not again.any():
        return 0
    ends = np.zeros(len(ids) + 1, np.int64)
    np.add.at(ends, np.flatnonzero(again), 1)
    np.add.at(ends, np.flatnonzero(again) + n, -1)
    return int(sizes[np.cumsum(ends[:-1]) > 0].sum())


def duplicate_ngram_chars(tokens: Sequence[str], n: int) -> int:
    """Return the characters of n-grams that occurred before, no token counted twice."""
    seen: set[str] = set()
    chars = place = 0
    while place <= len(tokens) - n:
        gram = "".join(tokens[place : place + n])
        if gram in seen:
            chars += len(gram)
            place += n
        else:
            seen.add(gram)
            place += 1
    return chars


def gopher(text: str, tokens: Sequence[str], english: bool = True, signs: bool = True) -> str | None:
    """Object to pages that are too short or long, of odd words, or lists and teasers."""
    words = [token for token in tokens if token[0].isalnum() or token[0] == "_"]
    if len(words) < WORDS[0]:
        return "gopher_short_doc"
    if len(words) > WORDS[1]:
        return "gopher_long_doc"
    mean = sum(map(len, words)) / len(words)
    if mean < WORD_CHARS[0]:
        return "gopher_below_avg_threshold"
    if mean > WORD_CHARS[1]:
        return "gopher_above_avg_threshold"
    if text.count("#") > MAX_SYMBOLS * len(tokens):
        return "gopher_too_many_hashes"
    if text.count("...") + text.count("\u2026") > MAX_SYMBOLS * len(tokens):
        return "gopher_too_many_ellipsis"
    lines = text.splitlines()
    if sum(line.lstrip().startswith(("\u2022", "-")) for line in lines) > MAX_BULLETS * len(lines):
        return "gopher_too_many_bullets"
    if sum(line.rstrip().endswith(("...", "\u2026")) for line in lines) > MAX_ELLIPSES * len(lines):
        return "gopher_too_many_end_ellipsis"
    if sum(word.isalpha() or any(map(str.isalpha, word)) for word in words) < MIN_ALPHA * len(
        tokens if signs else words
    ):
        return "gopher_below_alpha_threshold"
    few = english and len(STOP_WORDS & set(words)) < MIN_STOP_WORDS
    return "gopher_enough_stop_words" if few else None


def c4(text: str) -> tuple[str, str | None]:
    """Return the lines that C4 keeps, and the reason to drop the page."""
    kept: list[str] = []
    sentences = 0
    for raw in text.splitlines():
        words = raw.split()
        if len(words) < MIN_LINE_WORDS or max(map(len, words)) > MAX_WORD_CHARS:
            continue
        line = CITATION.sub("", raw.strip()) if "[" in raw else raw.strip()
        lowered = line.lower()
        if "lorem ipsum" in lowered:
            return text, "lorem_ipsum"
        if "javascript" in lowered:
            continue
        if "{" in line:
            return text, "curly_bracket"
        if any(phrase in lowered for phrase in POLICY):
            continue
        if sentences < MIN_SENTENCES:
            sentences += _num_sentences(line)
        kept.append(line)
    return "\n".join(kept).strip(), "too_few_sentences" if sentences < MIN_SENTENCES else None


def _num_sentences(line: str) -> int:
    ends = [match.end() for match in SENTENCE_END.finditer(line)]
    return len(ends) + (not ends or ends[-1] < len(line))


def fineweb(text: str) -> str | None:
    """Object to pages of unfinished, short or repeated lines, and to lists."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return "empty"
    if sum(line.endswith(STOPS) for line in lines) < MIN_STOPPED * len(lines):
        return "line_punct_ratio"
    if sum(len(line) <= SHORT_CHARS for line in lines) > MAX_SHORT * len(lines):
        return "short_line_ratio"
    if duplicates(lines)[1] > MAX_REPEATED_CHARS * len(text.replace("\n", "")):
        return "char_dup_ratio"
    breaks = text.count("\n")
    if breaks and breaks > MAX_BREAKS * len(TOKEN.findall(text)):
        return "list_ratio"
    return None
