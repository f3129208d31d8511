"""Words and word n-grams of many texts as 64-bit hashes, without a Python object a word.

A word is hashed as a polynomial over its characters, an n-gram as a polynomial over its words; prefix sums
modulo 2^64 give every one of them in a few array operations (Karp and Rabin 1987). The multipliers are odd,
so a prefix sum is moved to the origin by a multiplication with an inverse power.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

NOT_WORD = re.compile(r"\W+")
BLOCK_CHARS = 1 << 17
"""Characters that are hashed together: their prefix sums fit a core's cache."""
_CHAR = 0x9E3779B97F4A7C15
_WORD = 0xD1342543DE82EF95
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(31)
_EMPTY = np.uint64(0x94D049BB133111EB)
"""What the empty token at an edge of a text hashes to."""


def split_words(text: str) -> list[str]:
    """Lower-case and split at runs of other signs; an empty first or last token is kept.

    Source: the worked example of the Phi-4 report, appendix B.1, comes out as printed (15 shared 7-grams,
    ratio 15/38) with exactly this rule; without the last empty token it would be 15/37.
    """
    return NOT_WORD.split(text.lower())


@dataclass(frozen=True)
class Encoded:
    """Hashes of the words of texts, one after the other; text i is flat[starts[i]:starts[i + 1]]."""

    flat: np.ndarray
    """uint64, one a token of `split_words`."""
    starts: np.ndarray
    """int64, one more than texts."""
    numeric: np.ndarray
    """bool, one a token: it begins with a digit."""

    def grams(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (text index, hash) of every n-gram that lies within one text, in order.

        Two different n-grams share a hash with probability 2^-64.
        """
        mixed = self._hashes(n)
        texts = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))[: len(mixed)]
        inside = np.arange(n, len(mixed) + n) <= self.starts[texts + 1]
        return texts[inside], mixed[inside]

    def hits(self, n: int, known: HashSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (text index, place in `known`, first token in its text) of the known n-grams."""
        places, found = known.find(self._hashes(n))
        texts = np.searchsorted(self.starts, places, side="right") - 1
        inside = places + n <= self.starts[texts + 1]
        texts, places = texts[inside], places[inside]
        return texts, found[inside], places - self.starts[texts]

    def num_distinct(self, text: int, n: int) -> int:
        """Return how many different n-grams a text has."""
        end = max(int(self.starts[text]), int(self.starts[text + 1]) - n + 1)
        return len(np.unique(self._hashes(n, int(self.starts[text]), end)))

    def _hashes(self, n: int, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Hash the runs of n tokens that start at begin to end, those across the edges of texts too."""
        end = len(self.flat) - n + 1 if end is None else end
        if end <= begin:
            return np.zeros(0, np.uint64)
        _, inverses = _powers(_WORD, len(self.flat))
        return _mix((self._sums[begin + n : end + n] - self._sums[begin:end]) * inverses[begin:end])

    @functools.cached_property
    def _sums(self) -> np.ndarray:
        return _prefix_sums(self.flat * _powers(_WORD, len(self.flat))[0])


def encode(texts: Sequence[str], prefix: int = 0, edges: bool = True) -> Encoded:
    """Return the words of texts as hashes.

    Args:
        texts: Any texts; one of many millions of characters takes 40 bytes a character while it is hashed.
        prefix: Characters of a word that count, all when 0; numbers always count whole.
        edges: Keep the empty tokens of texts that begin or end with other signs, as `split_words` does.
    """
    parts = [_encode(block, prefix, edges) for block in blocks(texts)]
    if len(parts) == 1:
        return parts[0]
    sizes = [np.diff(part.starts) for part in parts]
    return Encoded(
        np.concatenate([np.zeros(0, np.uint64), *(part.flat for part in parts)]),
        np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *sizes]))]).astype(np.int64),
        np.concatenate([np.zeros(0, bool), *(part.numeric for part in parts)]),
    )


def blocks(texts: Sequence[str], chars: int = BLOCK_CHARS) -> Iterator[Sequence[str]]:
    """Yield runs of texts of about so many characters together."""
    start, size = 0, 0
    for place, text in enumerate(texts):
        size += len(text) + 1
        if size >= chars:
            yield texts[start : place + 1]
            start, size = place + 1, 0
    if start < len(texts):
        yield texts[start:]


def _encode(texts: Sequence[str], prefix: int, edges: bool) -> Encoded:
    lowered = [text.lower() for text in texts]
    lengths = np.fromiter(map(len, lowered), np.int64, len(lowered))
    codes = code_points("\0" + "\0".join(lowered) + "\0")
    is_word = _word_table()[codes]
    turns = np.flatnonzero(is_word[1:] != is_word[:-1]) + 1
    begins, ends = turns[::2], turns[1::2]
    digits = (codes[begins] >= 48) & (codes[begins] <= 57)
    if prefix:
        ends = np.where(digits, ends, np.minimum(ends, begins + prefix))
    powers, inverses = _powers(_CHAR, len(codes))
    sums = _prefix_sums(codes * powers)
    hashes = _mix((sums[ends] - sums[begins]) * inverses[begins])
    return _join(hashes, digits, begins, lengths, is_word, edges)


def _join(
    hashes: np.ndarray, digits: np.ndarray, begins: np.ndarray, lengths: np.ndarray, is_word: np.ndarray,
    edges: bool,
) -> Encoded:  # fmt: skip
    """Assign words to texts, and put the empty tokens at the edges of texts between them."""
    offsets = np.cumsum(lengths + 1) - lengths
    firsts = np.searchsorted(begins, np.append(offsets, len(is_word)))
    words = np.diff(firsts)
    leads = (edges & ~is_word[offsets]).astype(np.int64)
    trails = (edges & ~is_word[offsets + lengths - 1] & (lengths > 0)).astype(np.int64)
    sizes = words + leads + trails
    starts = np.concatenate([[0], np.cumsum(sizes)])
    places = np.arange(len(hashes)) + np.repeat(starts[:-1] + leads - firsts[:-1], words)
    flat = np.full(int(starts[-1]), _EMPTY)
    flat[places] = hashes
    numeric = np.zeros(int(starts[-1]), bool)
    numeric[places] = digits
    return Encoded(flat, starts, numeric)


def code_points(text: str) -> np.ndarray:
    """Return the code points of a text: uint8 where all are ASCII, else uint32."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _prefix_sums(values: np.ndarray) -> np.ndarray:
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=sums[1:])
    return sums


def _mix(hashes: np.ndarray) -> np.ndarray:
    hashes ^= hashes >> _SHIFT
    hashes *= _MIX
    hashes ^= hashes >> _SHIFT
    return hashes


def _powers(base: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return base^i and its inverse modulo 2^64 for i < count."""
    size = max(BLOCK_CHARS + (BLOCK_CHARS >> 3), 1 << (count - 1).bit_length())
    powers, inverses = _power_tables(base, size)
    return powers[:count], inverses[:count]


@functools.lru_cache(maxsize=4)
def _power_tables(base: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    tables = []
    for factor in (base, pow(base, -1, 1 << 64)):
        table = np.full(size, factor, np.uint64)
        table[0] = 1
        tables.append(np.multiply.accumulate(table))
    return tables[0], tables[1]


@functools.cache
def _word_table() -> np.ndarray:
    """Say for every code point whether it is a word character, as `re` does."""
    return np.fromiter((chr(c).isalnum() or c == 95 for c in range(0x110000)), bool, 0x110000)


def distinct(texts: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct (text, hash) pairs, sorted by text and then by hash."""
    order = np.lexsort((hashes, texts))
    texts, hashes = texts[order], hashes[order]
    first = np.ones(len(texts), dtype=bool)
    first[1:] = (texts[1:] != texts[:-1]) | (hashes[1:] != hashes[:-1])
    return texts[first], hashes[first]


def row_hashes(values: np.ndarray, n: int) -> np.ndarray:
    """Return a hash of every run of n values.

    Args:
        values: uint64, such as numbers of words; at least n of them.
        n: Length of a run.
    """
    mixed = np.full(len(values) - n + 1, n, np.uint64)
    for offset in range(n):
        mixed = (mixed ^ values[offset : offset + len(mixed)]) * np.uint64(_CHAR)
        mixed ^= mixed >> _SHIFT
    return mixed


class HashSet:
    """Finds hashes in a sorted array; a table of bits turns almost all others away without a search."""

    def __init__(self, hashes: np.ndarray) -> None:
        """Index distinct hashes.

        Args:
            hashes: uint64, sorted, distinct.
        """
        self.hashes = hashes
        bits = max(10, int(16 * len(hashes)).bit_length())
        self._shift = np.uint64(64 - min(bits, 27))
        self._seen = np.zeros(1 << min(bits, 27), bool)
        self._seen[(hashes >> self._shift).astype(np.int64)] = True

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (places in `hashes` that are in the set, their places in the set)."""
        maybe = np.flatnonzero(self._seen[(hashes >> self._shift).view(np.int64)])
        found = find(self.hashes, hashes[maybe])
        return maybe[found >= 0], found[found >= 0]


def find(sorted_hashes: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Return the place of each hash in a sorted array, or -1."""
    if not len(sorted_hashes):
        return np.full(len(hashes), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(sorted_hashes, hashes), len(sorted_hashes) - 1)
    return np.where(sorted_hashes[places] == hashes, places, -1)
