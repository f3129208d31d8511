"""Hashed features of a text: character 3- and 5-grams and words with their pairs, as a sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trivium.curate.ngrams import blocks, code_points, encode, row_hashes

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
    parts = [_block(block) for block in blocks([text[:MAX_CHARS] for text in texts])]
    sizes = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.starts) for part in parts)])
    return Sparse(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([np.zeros(0, np.int64), *(part.columns for part in parts)]),
        np.concatenate([np.zeros(0), *(part.values for part in parts)]),
    )


def _block(texts: Sequence[str]) -> Sparse:
    keys = np.concatenate([*(_char_grams(texts, n) for n in CHAR_GRAMS), *_word_grams(texts)])
    cells, counts = np.unique(keys, return_counts=True)
    values = 1.0 + np.log(counts)
    groups = cells >> BITS
    lengths = np.sqrt(np.bincount(groups, weights=values**2, minlength=2 * len(texts)))
    starts = np.searchsorted(cells, np.arange(len(texts) + 1) * COLUMNS)
    return Sparse(starts, cells % COLUMNS, values / lengths[groups])


def _char_grams(texts: Sequence[str], n: int) -> np.ndarray:
    """Return row * COLUMNS + column of every run of n characters within a text."""
    lowered = [text.lower() for text in texts]
    codes = code_points("\0".join(lowered) + "\0" * n).astype(np.uint64)
    ends = np.cumsum([len(text) + 1 for text in lowered]) - 1
    starts = ends - [len(text) for text in lowered]
    hashes = row_hashes(codes, n)[: ends[-1]]
    rows = np.repeat(np.arange(len(texts)), np.diff(np.append(starts, ends[-1])))
    inside = np.arange(len(rows)) + n <= ends[rows]
    return _columns(hashes[inside]) + rows[inside] * COLUMNS


def _word_grams(texts: Sequence[str]) -> list[np.ndarray]:
    """Return row * COLUMNS + column of every word and of every pair of neighbours."""
    encoded = encode(texts, edges=False)
    found = [encoded.grams(n) for n in (1, 2)]
    return [_columns(hashes) + (1 << BITS) + rows * COLUMNS for rows, hashes in found]


def _columns(hashes: np.ndarray) -> np.ndarray:
    return ((hashes * _MULTIPLIER) >> np.uint64(64 - BITS)).astype(np.int64)
