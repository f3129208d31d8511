"""Passages: kept documents cut into spans of a few paragraphs, scored and tagged; the best become seeds.

The Phi-4 report (section 2.2) filters pages by educational value, cuts them into passages and scores each
for factual content and reasoning; it names no scorer. Ours are rates of words, squashed into [0, 1], so that
anyone can read why a passage was chosen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from trivium.records import Document, Passage, row_id

STEP = "curate.passages"
REASONING = frozenset(
    "although because but cannot depends eg finally first hence however ie if implies instead must next "
    "otherwise rather requires since so step then therefore thus unless when whenever whereas while".split()
)
"""Connectives, conditions and step words of prose."""
CODE_LOGIC = frozenset("if elif else for while try except return yield raise assert and or not in".split())
FACT_WORDS = frozenset(
    "means returns return raises defaults called named equals defined stands rfc pep iso posix".split()
)
WORD = re.compile(r"[a-z]+")
NUMBER_OR_NAME = re.compile(r"\d[\d.,]*|`[^`\n]+`|\"[\w.]+\"|\b[A-Z]{2,}\b|\b(?:is|are) (?:an?|the)\b")
STEPS = re.compile(r"^\s*(?:\d+[.)]|[Ss]tep \d+|[-*] )", re.MULTILINE)
DEFINITION = re.compile(r"\b(?:is|are) (?:a|an|the)\b|\bdefined as\b|\breturns?\b", re.IGNORECASE)
HALF_RATE = {"reasoning": 0.05, "factual": 0.05, "code": 0.10}
"""Hits per word at which a score reaches 0.5; near the medians of the installation's prose and code."""
PARAGRAPH = re.compile(r"\n[ \t]*\n+")
SEED_TAG = "seed"
NOT_WORDS = re.compile(r"\$\$.{1,4000}?\$\$|\$[^$\n]{1,400}\$|https?://\S+", re.DOTALL)
"""Formulas and addresses: their letters and numbers are no words and no facts."""


def split(text: str, min_chars: int, max_chars: int) -> Iterator[tuple[int, int]]:
    """Yield character ranges of passages: whole paragraphs, joined up to `max_chars`.

    Fenced code is never cut, a heading stays with what follows, a last piece shorter than `min_chars` joins
    the passage before it; a single longer paragraph is a passage by itself. The ranges do not overlap.
    """
    current: list[tuple[int, int]] = []
    spans: list[tuple[int, int]] = []
    for left, right in _paragraphs(text):
        if current and right - current[0][0] > max_chars:
            carried = _trailing_headings(text, current)
            if len(carried) < len(current):
                spans.append((current[0][0], current[-len(carried) - 1][1]))
                current = carried
        current.append((left, right))
    if current:
        start, end = current[0][0], current[-1][1]
        if spans and end - start < min_chars:
            start = spans.pop()[0]
        spans.append((start, end))
    yield from spans


def _trailing_headings(text: str, paragraphs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    count = 0
    for left, right in reversed(paragraphs):
        if text[left] != "#" or "\n" in text[left:right]:
            break
        count += 1
    return paragraphs[len(paragraphs) - count :]


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield ranges of paragraphs; a fenced block counts as one whatever blank lines it has."""
    start = 0
    for match in PARAGRAPH.finditer(text):
        if text.count("```", start, match.start()) % 2:
            continue
        if text[start : match.start()].strip():
            yield start, match.start()
        start = match.end()
    if text[start:].strip():
        yield start, len(text.rstrip())


def score_reasoning(text: str, kind: str) -> float:
    """Return how much a passage argues, in [0, 1]: connectives and conditions, or control flow for code."""
    text = text if kind == "code" else NOT_WORDS.sub(" ", text)
    words = WORD.findall(text.lower())
    wanted = CODE_LOGIC if kind == "code" else REASONING
    hits = sum(word in wanted for word in words)
    return _squash(hits / max(1, len(words)), HALF_RATE["code" if kind == "code" else "reasoning"])


def score_factual(text: str) -> float:
    """Return how much a passage states, in [0, 1]: numbers, names, definitions."""
    text = NOT_WORDS.sub(" ", text)
    words = WORD.findall(text.lower())
    hits = sum(word in FACT_WORDS for word in words) + len(NUMBER_OR_NAME.findall(text))
    return _squash(hits / max(1, len(words)), HALF_RATE["factual"])


def _squash(rate: float, half: float) -> float:
    return round(1.0 - math.exp(-math.log(2.0) * rate / half), 4)


def tags_of(text: str, kind: str) -> list[str]:
    """Return what a passage contains, sorted."""
    found = {
        "code": kind == "code" or "```" in text or ">>> " in text,
        "steps": len(STEPS.findall(text)) >= 3,
        "definition": kind != "code" and DEFINITION.search(text) is not None,
        "table": "| --- |" in text,
        "numbers": sum(map(str.isdigit, text)) * 50 >= len(text),
    }
    return sorted(tag for tag, present in found.items() if present)


def make_passages(document: Document, min_chars: int, max_chars: int) -> list[Passage]:
    """Cut a document and score its passages; quality is 0 until the classifier has spoken.

    Code is one passage: a function makes no sense in parts.
    """
    text = document.text
    spans = (
        [(0, len(text))] if document.kind in ("code", "facts") else list(split(text, min_chars, max_chars))
    )
    return [
        Passage(
            id=row_id(STEP, [document.id], f"{start}:{end}"),
            document_id=document.id,
            kind=document.kind,
            text=text[start:end],
            start=start,
            end=end,
            quality=0.0,
            reasoning=score_reasoning(text[start:end], document.kind),
            factual=score_factual(text[start:end]),
            tags=tags_of(text[start:end], document.kind),
        )
        for start, end in spans
    ]
