"""Heuristics for prose. Each takes the counts and the limits and returns None, or the reason to drop.

The order is that of `PROSE_FILTERS`: cheap ones first; the first to object gives the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from trivium.curate.quality.limits import HeuristicLimits
from trivium.curate.quality.stats import (
    TextStats,
    duplicate_line_fracs,
    duplicate_ngram_frac,
    measure,
    top_ngram_frac,
)

TOP_NGRAM_LIMITS = {2: 0.20, 3: 0.18, 4: 0.16}
"""Gopher, table A1: characters covered by the top n-gram."""
DUPLICATE_NGRAM_LIMITS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
"""Gopher, table A1: characters in repeated n-grams."""
PLACEHOLDER = re.compile(
    r"lorem ipsum|javascript (?:must be|is) (?:enabled|required|disabled)", re.IGNORECASE
)
"""C4 drops pages with the first phrase and lines with the second."""
MIN_LINES_SHORT = 10

ProseFilter = Callable[[TextStats, HeuristicLimits], str | None]


def bad_characters(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to wrongly decoded or binary text."""
    return "bad_characters" if stats.bad_char_frac > limits.max_bad_char_frac else None


def word_count(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to fewer or more words than a page has."""
    if len(stats.words) < limits.min_words:
        return "too_few_words"
    return "too_many_words" if len(stats.words) > limits.max_words else None


def word_length(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to a mean word length that no language has."""
    fits = limits.min_mean_word_chars <= stats.mean_word_chars <= limits.max_mean_word_chars
    return None if fits else "word_length"


def symbols(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to hash signs and ellipses."""
    return "symbols" if stats.symbol_frac > limits.max_symbol_frac else None


def bullets(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to a text that is one list."""
    return "bullets" if stats.bullet_frac > limits.max_bullet_frac else None


def ellipses(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to teasers: lines that end in an ellipsis."""
    return "ellipses" if stats.ellipsis_frac > limits.max_ellipsis_frac else None


def letters(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to words without letters."""
    return "few_letters" if stats.alpha_word_frac < limits.min_alpha_word_frac else None


def stop_words(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to a text without the commonest English words: keyword lists, tables, other languages."""
    return "few_stop_words" if stats.num_stop_words < limits.min_stop_words else None


def placeholder(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to pages that only hold a place."""
    del limits
    return "placeholder" if any(PLACEHOLDER.search(line) for line in stats.lines) else None


def unfinished_lines(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to lines without final punctuation: menus, listings, logs."""
    return "no_terminal_punctuation" if stats.terminal_frac < limits.min_terminal_frac else None


def short_lines(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to pages of very short lines."""
    many = len(stats.lines) >= MIN_LINES_SHORT
    return "short_lines" if many and stats.short_line_frac > limits.max_short_line_frac else None


def repeated_lines(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to lines that occur again."""
    lines, chars = duplicate_line_fracs(stats.lines)
    if lines > limits.max_duplicate_line_frac:
        return "duplicate_lines"
    return "duplicate_line_characters" if chars > limits.max_duplicate_line_char_frac else None


def repeated_ngrams(stats: TextStats, limits: HeuristicLimits) -> str | None:
    """Object to word n-grams that occur again and again."""
    if len(stats.words) < limits.min_words_repetition:
        return None
    for n, limit in TOP_NGRAM_LIMITS.items():
        if top_ngram_frac(stats.words, n) > limit * limits.repetition_scale:
            return f"top_{n}_gram"
    for n, limit in DUPLICATE_NGRAM_LIMITS.items():
        if duplicate_ngram_frac(stats.words, n) > limit * limits.repetition_scale:
            return f"duplicate_{n}_grams"
    return None


PROSE_FILTERS: dict[str, ProseFilter] = {
    "bad_characters": bad_characters,
    "word_count": word_count,
    "word_length": word_length,
    "symbols": symbols,
    "bullets": bullets,
    "ellipses": ellipses,
    "letters": letters,
    "stop_words": stop_words,
    "placeholder": placeholder,
    "unfinished_lines": unfinished_lines,
    "short_lines": short_lines,
    "repeated_lines": repeated_lines,
    "repeated_ngrams": repeated_ngrams,
}
"""Every prose heuristic, in order."""
BOOK_FILTERS: tuple[str, ...] = ("bad_characters", "word_count", "word_length", "letters", "repeated_lines")
"""Those that also judge books: layout rules such as final punctuation do not fit reference entries."""


def judge_prose(
    text: str, limits: HeuristicLimits, names: tuple[str, ...] = tuple(PROSE_FILTERS)
) -> str | None:
    """Return the first reason to drop a text, or None."""
    stats = measure(text)
    reasons = (PROSE_FILTERS[name](stats, limits) for name in names)
    return next((reason for reason in reasons if reason is not None), None)
