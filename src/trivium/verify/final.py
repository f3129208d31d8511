"""Final answers as any model writes them: after a mark, in a box, as a letter, or as the last number.

`answers.final_answer` reads our own format alone. Here the marks of other formats count too, as strictly:
a reply without any of them has no final answer, except for `last_number`, whose name says what it does.
"""

from __future__ import annotations

import re

from trivium.verify.answers import MARK, final_answer

LETTERS = "ABCDEFGHIJ"

_HASHES = re.compile(r"####[ \t]*([^\n]+)")
"""GSM8K's mark (Cobbe et al. 2021)."""
_SAID = re.compile(
    r"\b(?:final answer|answer|result|correct (?:option|choice))\s*(?:is|=|:)\s*:?\s*([^\n]+)", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![\w.,])[-+]?[$\u20ac\u00a3]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?(?![\d])")
_LETTER = re.compile(rf"\(?\s*([{LETTERS}])\s*(?:[).:,]|\s|$)")
_LETTER_ALONE = re.compile(rf"\s*\(?([{LETTERS}])(?:[).:]|\s*$)")


def marked_answer(reply: str) -> str | None:
    r"""Return the last final answer that is marked as one: `Answer:`, `\boxed{}`, `####`, `the answer is`.

    Emphasis, dollar signs around an expression and a closing full stop are left out.
    """
    if MARK in reply:
        return _bare(final_answer(reply) or "")
    if (box := boxed(reply)) is not None:
        return _bare(box)
    for pattern in (_HASHES, _SAID):
        if found := pattern.findall(reply):
            return _bare(found[-1])
    return None


def last_number(reply: str) -> str | None:
    """Return the marked answer or, without one, the last number of the reply.

    >>> last_number("First 3, then 5 more: 8 apples.")
    '8'
    """
    found = marked_answer(reply)
    if found is not None:
        return found
    numbers = _NUMBER.findall(reply)
    return numbers[-1] if numbers else None


def letter(reply: str) -> str | None:
    """Return the letter of the option that a reply picks, marked or at its start; None without one."""
    found = marked_answer(reply)
    match = _LETTER.match(found) if found is not None else _LETTER_ALONE.match(reply)
    return match[1] if match else None


def boxed(text: str) -> str | None:
    r"""Return what stands in the last `\boxed{...}`, braces within it matched; None without a whole one."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed{")
    for index in range(begin - 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return text[begin:index]
    return None


def _bare(answer: str) -> str | None:
    text = answer.strip().removesuffix(".").strip("*").strip()
    if len(text) > 1 and text[0] == text[-1] == "$":
        text = text.strip("$").strip()
    text = text.replace("\\$", "$").replace("**", "")
    return text.removesuffix(".").rstrip() or None
