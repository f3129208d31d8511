"""Did the model see the contest? Identical prompts and shared 13-grams between items and training rows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from trivium.records import Example, Question

NGRAM = 13
"""Words. Source: Phi-4 report, Appendix B, Algorithm 1."""

BLOCK = 4_096
"""Training rows compared at a time; bounds memory."""

_PROBLEM = re.compile(r"Problem: (.*?)\nSolution:", re.DOTALL)
"""The frame of `models.chat.plain_problem`."""
_WORD = re.compile(r"[a-z0-9]+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Grams:
    """Hashed 13-grams of normalised words; 64 bits, so that a chance hit among millions is below 1e-5."""

    def __init__(self) -> None:
        """Start with an empty vocabulary; words get ids in order of appearance."""
        self.words: dict[str, int] = {}

    def of(self, text: str) -> np.ndarray:
        """Return the hashes of a text's 13-grams, in order; empty for a shorter text."""
        ids = [self.words.setdefault(word, len(self.words) + 1) for word in words_of(text)]
        count = len(ids) - NGRAM + 1
        if count <= 0:
            return np.empty(0, dtype=np.uint64)
        column = np.array(ids, dtype=np.uint64)
        total = np.zeros(count, dtype=np.uint64)
        for offset in range(NGRAM):
            total = (total ^ column[offset : offset + count]) * _MULTIPLIER
            total ^= total >> np.uint64(29)
        return total


def words_of(text: str) -> list[str]:
    """Return lower-case words and numbers, punctuation gone."""
    return _WORD.findall(text.lower())


def report(items: Sequence[Question], training: Iterable[Example]) -> dict[str, Any]:
    """Compare items with every training row.

    Returns:
        Counts and shares: `identical_prompts` (an item whose normalised words are those of a training
        prompt), `items_with_shared_ngram` (at least one 13-gram stands in training), and `ngram_frac` (of
        the items' distinct 13-grams, the share that stands in training).
    """
    grams = Grams()
    item_grams = [np.unique(grams.of(item.prompt)) for item in items]
    wanted = np.unique(_joined(item_grams))
    prompts = {" ".join(words_of(item.prompt)) for item in items}
    identical: set[str] = set()
    found = np.empty(0, dtype=np.uint64)
    num_rows = 0
    for block in batched(training, BLOCK):
        num_rows += len(block)
        hits = _joined([grams.of(text) for example in block for text in texts_of(example)])
        found = np.union1d(found, hits[np.isin(hits, wanted)])
        identical |= prompts.intersection(" ".join(words_of(p)) for row in block for p in prompts_of(row))
    touched = sum(bool(np.isin(own, found).any()) for own in item_grams)
    return {
        "ngram": NGRAM,
        "items": len(items),
        "training_rows": num_rows,
        "identical_prompts": len(identical),
        "items_with_shared_ngram": touched,
        "items_with_shared_ngram_frac": round(touched / max(1, len(items)), 6),
        "ngram_frac": round(len(found) / max(1, len(wanted)), 6),
    }


def texts_of(example: Example) -> list[str]:
    """Return the texts of a training row: its plain text, or one text a message."""
    return [text for text in (example.text, *(message.content for message in example.messages)) if text]


def prompts_of(example: Example) -> list[str]:
    """Return what a training row asks: user turns, and the problems of a plain text."""
    asked = [message.content for message in example.messages if message.role == "user"]
    return asked + _PROBLEM.findall(example.text)


def batched(rows: Iterable[Example], size: int) -> Iterator[list[Example]]:
    """Cut rows into lists of at most `size`."""
    source = iter(rows)
    while block := list(itertools.islice(source, size)):
        yield block


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype=np.uint64), *arrays])
