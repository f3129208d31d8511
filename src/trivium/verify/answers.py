"""Final answers: find them, read them as numbers, compare them.

A reply's final answer is what stands after its last `Answer:`. Nothing here guesses: a reply without one is
unparsed, not wrong.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

MARK = "Answer:"

REFUSALS = (
    "I do not know",
    "I don't know",
    "I am not sure",
    "I cannot answer",
    "I can't answer",
    "I cannot know",
    "I have no record of",
    "There is no such",
    "This cannot be known",
)
"""Openings by which a refusal is recognised; refusal data is written with the same ones."""

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_NUMBER = re.compile(
    r"(?:[a-z]\w{0,9}\s*=\s*)?"  # x = 5
    r"(?P<sign>[-+]?)(?P<currency>[$\u20ac\u00a3]?)"
    rf"(?P<value>{_DIGITS}(?:\.\d+)?(?:e[-+]?\d{{1,3}})?|\.\d+)"
    rf"(?:\s*/\s*(?P<below>{_DIGITS}))?"
    r"\s*(?P<unit>%|[a-z\u00b0][a-z\u00b0 .'\-]{0,39})?",
    re.IGNORECASE,
)
MAX_NUMBER = 400
"""Longest answer, in characters, that is read as a number."""


class Quantity(NamedTuple):
    """A number with the unit written after it."""

    value: Fraction
    unit: str
    """`%`, a word in lower case without a plural s, or empty."""


def final_answer(reply: str) -> str | None:
    """Return the text after the last `Answer:` to the end of its line, or None where there is none.

    White space around it and one closing full stop are left out.
    """
    _, mark, after = reply.rpartition(MARK)
    lines = after.strip().splitlines()
    answer = lines[0].strip() if mark and lines else ""
    return answer.removesuffix(".").rstrip() or None


def is_refusal(reply: str) -> bool:
    """Whether the reply opens with one of `REFUSALS`, in any case, as whole words."""
    words = reply.strip().replace("\u2019", "'").casefold()
    return any(words.startswith(o.casefold()) and not words[len(o) : len(o) + 1].isalnum() for o in REFUSALS)


def parse_number(text: str) -> Quantity | None:
    """Read an integer, decimal, fraction or 1,000-separated number with an optional sign and unit.

    Returns:
        The exact value and the unit, or None for anything else: words, two numbers, a zero denominator.
    """
    text = text.strip().replace("\u2212", "-").rstrip(".")
    found = _NUMBER.fullmatch(text) if len(text) <= MAX_NUMBER else None
    if not found:
        return None
    below = int((found["below"] or "1").replace(",", ""))
    if below == 0:
        return None
    value = Fraction(found["value"].replace(",", "")) / below
    unit = (found["currency"] or found["unit"] or "").strip().casefold()
    return Quantity(-value if found["sign"] == "-" else value, unit.removesuffix("s"))


def same_number(answer: str, expected: str) -> bool | None:
    """Whether two answers are one number; None if `answer` cannot be read as a number.

    >>> same_number("1,000", "1000"), same_number("60%", "0.6"), same_number("many", "1")
    (True, True, None)

    Units count only where both have one. A percentage equals its bare number and its hundredth (`60%`, `60`,
    `0.6`), because questions ask for it in all three forms.

    Raises:
        ValueError: `expected` is not a number.
    """
    ours, theirs = parse_number(answer), parse_number(expected)
    if theirs is None:
        raise ValueError(f"expected answer {expected!r} is not a number")
    if ours is None:
        return None
    if "%" in (ours.unit, theirs.unit) and ours.unit != theirs.unit:
        plain, percent = (theirs, ours) if ours.unit == "%" else (ours, theirs)
        return not plain.unit and plain.value in (percent.value, percent.value / 100)
    units_agree = not ours.unit or not theirs.unit or ours.unit == theirs.unit
    return units_agree and ours.value == theirs.value


def same_text(answer: str, expected: str, *, fold_case: bool = False) -> bool:
    """Whether two texts are equal up to runs of white space and, if asked, case."""
    ours, theirs = " ".join(answer.split()), " ".join(expected.split())
    return ours.casefold() == theirs.casefold() if fold_case else ours == theirs
