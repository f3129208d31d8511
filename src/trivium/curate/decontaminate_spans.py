"""Cutting a leak out of a document: the paragraphs that carry an item go, the rest of the document stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trivium.curate.decontaminate import CLEAN, PARTIAL, Finding, Row, Rules, check
from trivium.curate.decontaminate_index import SHORT, Index
from trivium.curate.ngrams import encode

WORD = re.compile(r"\w+")
BREAK = re.compile(r"\n[ \t]*\n\s*")
ROUNDS = 8
"""Items that are cut out of one document; a document with more is dropped."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What is left of a document, and what was cut out of it."""

    text: str
    """Empty where too little would be left, or a leak remains."""
    cut: tuple[tuple[int, int], ...]
    """Character ranges of the original text, in order."""


def shared_ranges(index: Index, text: str, item_id: str) -> list[tuple[int, int]]:
    """Return the character ranges of a text whose words stand in 7-grams of an item, joined and in order.

    A text whose lower case has other words than itself (a handful of letters grow) is one whole range.
    """
    encoded = encode([text])
    _, grams, places = encoded.hits(SHORT, index.short)
    hit, items = index.items_of(grams)
    owner = next(number for number, item in enumerate(index.items) if item.id == item_id)
    tokens = np.zeros(len(encoded.flat), bool)
    for place in places[np.unique(hit[items == owner])].tolist():
        tokens[place : place + SHORT] = True
    words = [match.span() for match in WORD.finditer(text)]
    lead = int(not text or not WORD.match(text[0]))
    trail = int(bool(text) and not WORD.match(text[-1]))
    if len(encoded.flat) != lead + len(words) + trail:
        return [(0, len(text))]
    tokens = tokens[lead : lead + len(words)]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], tokens, [False]]).astype(np.int8)))
    return [(words[a][0], words[b - 1][1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def paragraphs_around(text: str, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Widen ranges to whole paragraphs and join them."""
    starts = [0, *(match.end() for match in BREAK.finditer(text))]
    bounds = list(zip(starts, [*starts[1:], len(text)], strict=True))
    touched = [(a, b) for a, b in bounds if any(left < b and right > a for left, right in ranges)]
    joined: list[tuple[int, int]] = []
    for a, b in touched:
        if joined and joined[-1][1] == a:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def mend(index: Index, text: str, finding: Finding, rules: Rules, min_left: float) -> Mended:
    """Cut the paragraphs of one leak after another until the rest is clean.

    Args:
        index: The items.
        text: A contaminated document.
        finding: What `check` said of it.
        rules: Of Algorithm 1; nothing counts as ubiquitous here, since the other rows are not known.
        min_left: Least part of the characters that must be left.
    """
    alone = Rules(rules.partial_ratio, rules.contaminated_ratio, 0)
    gone = np.zeros(len(text), bool)
    offsets = np.arange(len(text))
    left = text
    for _ in range(ROUNDS):
        for a, b in paragraphs_around(left, shared_ranges(index, left, finding.item_id)):
            gone[offsets[a:b]] = True
        offsets = np.flatnonzero(~gone)
        left = "".join(text[i] for i in offsets.tolist())
        cut = _ranges(gone)
        if len(left.strip()) < min_left * len(text):
            return Mended("", cut)
        finding = check(index, [Row(left)], alone).findings[0]
        if finding.label in (CLEAN, PARTIAL):
            return Mended(left.rstrip(), cut)
    return Mended("", cut)


def _ranges(gone: np.ndarray) -> tuple[tuple[int, int], ...]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8))).tolist()
    return tuple(zip(edges[::2], edges[1::2], strict=True))
