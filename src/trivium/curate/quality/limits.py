"""The thresholds of the heuristics, with the papers' numbers and how ours differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class HeuristicLimits:
    """Thresholds of the prose and code heuristics.

    Sources: Gopher (Rae et al. 2021, arXiv:2112.11446, appendix A.1 and table A1), C4 (Raffel et al. 2020,
    arXiv:1910.10683, section 2.2), FineWeb (Penedo et al. 2024, arXiv:2406.17557, section 3.6), StarCoder
    (Li et al. 2023, arXiv:2305.06161, section 3.2). Web pages use the papers' numbers except where a line
    says otherwise; books and code of the installation are short, so their lower bounds are smaller.
    """

    min_words: int = 50
    """Words of a web page. Gopher: 50."""
    min_words_books: int = 8
    """Words of a docstring or comment block. Ours: Gopher's 50 would drop most of them."""
    max_words: int = 100_000
    """Words of any document. Gopher: 100,000."""
    min_mean_word_chars: float = 3.0
    """Gopher: 3."""
    max_mean_word_chars: float = 10.0
    """Gopher: 10."""
    max_symbol_frac: float = 0.1
    """Hash signs and ellipses per word. Gopher: 0.1."""
    max_bullet_frac: float = 0.9
    """Lines that start with a bullet. Gopher: 0.9."""
    max_ellipsis_frac: float = 0.3
    """Lines that end in an ellipsis. Gopher: 0.3."""
    min_alpha_word_frac: float = 0.7
    """Words with a letter. Gopher: 0.8; lower, because reference prose names operators and numbers."""
    min_stop_words: int = 2
    """Different words of Gopher's list of eight. Gopher: 2."""
    max_duplicate_line_frac: float = 0.3
    """Gopher, table A1: 0.30."""
    max_duplicate_line_char_frac: float = 0.2
    """Gopher, table A1: 0.20 (FineWeb: 0.1 over whole crawls)."""
    min_words_repetition: int = 100
    """Shorter texts are not judged by repeated n-grams. Ours: one repeated name exceeds 10 % there."""
    repetition_scale: float = 1.5
    """Factor on table A1's bounds for repeated n-grams. Ours: reference pages repeat phrases by design."""
    min_terminal_frac: float = 0.12
    """Lines that end in punctuation. FineWeb: 0.12."""
    max_short_line_frac: float = 0.67
    """Lines under 30 characters. FineWeb: 0.67; judged from 10 lines on, because our pages are short."""
    max_bad_char_frac: float = 0.005
    """Replacement characters, control characters and traces of wrong decoding. Ours."""
    min_code_lines: int = 4
    """Lines of a function. Ours: shorter ones are mostly delegation."""
    max_code_mean_line: float = 100.0
    """Characters. StarCoder: 100."""
    max_code_line: int = 1_000
    """Characters. StarCoder: 1,000."""
    min_code_alnum_frac: float = 0.25
    """StarCoder: 0.25."""
    max_code_digit_frac: float = 0.2
    """Digits: tables of constants are data. Ours, after Codex's removal of generated files."""
