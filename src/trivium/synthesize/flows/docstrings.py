"""Instruction reversal without a teacher: the docstring is the instruction, the code is the reply.

Phi-4 report, section 2.2: reversal puts the instruction before existing code. Organic instructions beat
synthetic ones (same section), and the standard library has thousands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from trivium.records import Document, Example
from trivium.synthesize import filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.rows import Grown, chat, drop, plain, solved
from trivium.synthesize.seeds import Function, read_function

FLOW = "docstring_reversal"
WORDINGS = (
    "Write the Python function {signature}. {summary}",
    "{summary} Write this as the Python function {signature}.",
    "Here is what {signature} should do: {summary} Write it in Python.",
)
FEWEST_WORDS = 4
_SHALLOW = re.compile(r"^(?:see|like|same as|internal|helper|todo|xxx|override|deprecated)\b", re.IGNORECASE)


def reverse_docstrings(
    documents: Sequence[Document],
    *,
    most: int,
    most_chats: int,
    most_chars: int,
    given_away: Callable[[str], str],
) -> Grown:
    """Turn documented functions into instruction and source: plain rows (source code), the first also chats.

    Args:
        documents: Code documents, in order of preference.
        most: Functions to take at most.
        most_chats: How many of them become chats too.
        most_chars: Longest instruction and source together.
        given_away: Names the withheld fact that a text states, or returns an empty string.
    """
    grown = Grown()
    for document in documents:
        if grown.tried - len(grown.drops) >= most:
            break
        grown.tried += 1
        function = read_function(document)
        reason = function if isinstance(function, str) else objection(function, most_chars)
        if not reason and (fact := given_away(document.text)):
            reason = f"withheld fact: {fact}"
        if reason:
            grown.drops.append(drop(document.id, FLOW, reason, source=document.source))
            continue
        assert isinstance(function, Function)
        taken = grown.tried - len(grown.drops) - 1
        grown.examples += _rows(function, taken)[: 2 if taken < most_chats else 1]
    return grown


def objection(function: Function, most_chars: int) -> str:
    """Say what is wrong with a documented function as an exercise; empty if nothing is."""
    if len(words.plain_words(function.summary)) < FEWEST_WORDS:
        return "instruction too short"
    if _SHALLOW.match(function.summary):
        return "instruction says nothing"
    if len(function.summary) + len(function.code) > most_chars:
        return "too long"
    known = {function.short_name, *function.parameters}
    return filters.leaks_code(function.summary, function.code, known) or ""


def _rows(function: Function, number: int) -> list[Example]:
    summary = function.summary if function.summary.endswith((".", "!", "?")) else f"{function.summary}."
    prompt = WORDINGS[number % len(WORDINGS)].format(signature=function.signature, summary=summary)
    common: dict[str, Any] = {
        "parents": [function.document_id],
        "depth": 1,
        "difficulty": text_difficulty(function.code),
    }
    return [
        plain(FLOW, "code", solved(prompt, f"\n{function.code}"), **common),
        chat(FLOW, prompt, function.code, **common),
    ]
