"""Hashed features of a text: character 3- and 5-grams and words with their pairs, as a sparse matrix."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BITS = 16
"""Each of the two groups has 2^16 columns."""
COLUMNS = 2 << BITS
MAX_CHARS = 2_000
"""Characters of a text that are looked at."""
CHAR_GRAMS = (3, 5)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sparse:
    """Rows of features in compressed form: row i has columns[starts[i]:starts[i + 1]]."""

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def dot(self, weights: np.ndarray) -> np.ndarray:
        """Return the product with a vector, shape (rows,)."""
        products = np.concatenate([self.values * weights[self.columns], [0.0]])
        sums = np.add.reduceat(products, self.starts[:-1]) if len(self.starts) > 1 else np.zeros(0)
        return np.where(np.diff(self.starts) > 0, sums, 0.0)

    def transpose_dot(self, errors: np.ndarray) -> np.ndarray:
        """Return the product of the transpose with a vector, shape (COLUMNS,)."""
        repeated = np.repeat(errors, np.diff(self.starts))
        return np.bincount(self.columns, weights=self.values * repeated, minlength=COLUMNS)


def featurise(texts: Sequence[str]) -> Sparse:
    """Turn texts into rows; each group of a row has length one, counts enter as 1 + log(count)."""
    rows = [_row(text[:MAX_CHARS].lower()) for text in texts]
    sizes = [len(columns) for columns, _ in rows]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    columns = np.concatenate([c for c, _ in rows]) if rows else np.zeros(0, np.int64)
    values = np.concatenate([v for _, v in rows]) if rows else np.zeros(0)
    return Sparse(starts, columns, values)


def _row(text: str) -> tuple[np.ndarray, np.ndarray]:
    chars = _weigh(np.concatenate([_char_grams(text, n) for n in CHAR_GRAMS]))
    words = _weigh(_word_grams(text))
    columns = np.concatenate([chars[0], words[0] + (1 << BITS)])
    return columns, np.concatenate([chars[1], words[1]])


def _char_grams(text: str, n: int) -> np.ndarray:
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < n:
        return np.zeros(0, np.int64)
    mixed = np.full(len(codes) - n + 1, n, np.uint64)
    for offset in range(n):
        mixed = (mixed ^ codes[offset : len(codes) - n + 1 + offset]) * _MULTIPLIER
    return (mixed >> np.uint64(64 - BITS)).astype(np.int64)


def _word_grams(text: str) -> np.ndarray:
    single = np.array([zlib.crc32(word.encode()) for word in text.split()], dtype=np.uint64)
    pairs = (single[:-1] * _MULTIPLIER) ^ single[1:]
    both = np.concatenate([single, pairs]) * _MULTIPLIER
    return (both >> np.uint64(64 - BITS)).astype(np.int64)


def _weigh(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    columns, counts = np.unique(hashes, return_counts=True)
    values = 1.0 + np.log(counts)
    norm = float(np.sqrt((values**2).sum()))
    return columns, values / norm if norm else values
