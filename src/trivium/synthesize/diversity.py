"""Diversity alarms: does a prompt write the same thing over and over?

A flow can pass every filter row by row and still have collapsed. Three numbers a run shows next to its yield:
the share of the commonest opening, the share of distinct 3-grams, and the entropy of the words in bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from trivium.synthesize import words

OPENING = 8
"""Words of an opening."""
MOST_OPENING = 0.05
"""Share of one opening from which a prompt has collapsed; counted from `LEAST_ROWS` rows on. Such template
collapse is what set otherwise equal synthetic sets apart in FinePhrase (arXiv:2604.13977)."""
LEAST_DISTINCT = 0.3
LEAST_ROWS = 40


def measure(texts: Sequence[str]) -> dict[str, float]:
    """Return rows, share of the commonest opening, share of distinct 3-grams, entropy of words in bits."""
    split = [words.plain_words(text) for text in texts]
    openings = Counter(tuple(text[:OPENING]) for text in split)
    grams = [gram for text in split for gram in words.ngrams(text, 3)]
    counts = Counter(word for text in split for word in text)
    total = counts.total()
    entropy = -sum(n / total * math.log2(n / total) for n in counts.values()) if total else 0.0
    return {
        "rows": len(texts),
        "opening": round(max(openings.values(), default=0) / max(len(texts), 1), 4),
        "distinct_3": round(len(set(grams)) / max(len(grams), 1), 4),
        "entropy": round(entropy, 3),
    }


def alarms(texts: Sequence[str]) -> list[str]:
    """Say in sentences what points to a collapse; nothing below `LEAST_ROWS` rows."""
    found = measure(texts)
    if found["rows"] < LEAST_ROWS:
        return []
    told = []
    if found["opening"] > MOST_OPENING:
        told.append(f"{found['opening']:.0%} of the rows open with the same {OPENING} words")
    if found["distinct_3"] < LEAST_DISTINCT:
        told.append(f"only {found['distinct_3']:.0%} of the 3-grams are distinct")
    return told
