"""Exact substrings: runs of words that stood before, in the same text or in another, are cut.

Lee et al. 2022 (arXiv:2107.06499) cut what repeats for 50 tokens or more, by a suffix array; a hash of every
window of 50 words finds the same runs, since a run of at least 50 repeated words is made of repeated windows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from trivium.curate.ngrams import encode

WINDOW = 50
"""Words. Lee et al.: 50 tokens."""
WORD = re.compile(r"\w+")


def repeated_spans(texts: Sequence[str], window: int = WINDOW) -> list[list[tuple[int, int]]]:
    """Return for each text the character ranges that repeat earlier words, in order, not overlapping.

    Args:
        texts: The ones to prefer first; their word hashes (8 bytes a word) are held in memory.
        window: Least number of words that must repeat in a row.
    """
    encoded = encode(texts, edges=False)
    owners, hashes = encoded.grams(window)
    _, firsts, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    again = firsts[inverse] != np.arange(len(hashes))
    counts = np.bincount(owners, minlength=len(texts))
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    spans: list[list[tuple[int, int]]] = [[] for _ in texts]
    for text in np.unique(owners[again]).tolist():
        starts = places[again & (owners == text)]
        spans[text] = _in_characters(texts[text], starts, window, encoded.starts[text : text + 2])
    return spans


def _in_characters(text: str, starts: np.ndarray, window: int, bounds: np.ndarray) -> list[tuple[int, int]]:
    words = [match.span() for match in WORD.finditer(text)]
    if len(words) != bounds[1] - bounds[0]:
        return []  # a letter whose lower case is no word: its text stays as it is
    covered = np.zeros(len(words) + 2, bool)
    for start in starts.tolist():
        covered[start + 1 : start + 1 + window] = True
    edges = np.flatnonzero(covered[1:] != covered[:-1])
    return [(words[a][0], words[b - 1][1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]
