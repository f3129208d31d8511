"""The words of a large table and the rows they stand in, so that a search reads words and not texts.

A text holds a term without white space exactly where one of its words does, so the answer is that of a scan.
Words are kept by pieces of 65,536 rows, for which two bytes number a row.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PIECE_ROWS = 2**16
MOST_WORDS = 2**28
"""Words of a table, repetitions counted; more would fill half a gigabyte, and such a table is scanned."""
FREQUENT = 8
"""A term in more than one word of so many stands early in most texts: a scan finds it sooner than we do.
As it does when what we have found must be looked through, and is more than one row of so many."""


@dataclass(frozen=True)
class Piece:
    """The words of some rows in sequence. W distinct words, N words."""

    first: int
    """Number of the first row."""
    num_rows: int
    words: bytes
    """Distinct words in UTF-8, a line each (W lines)."""
    lines: np.ndarray
    """Where each line ends (W,)."""
    starts: np.ndarray
    """Where the rows of each word begin (W + 1,)."""
    rows: np.ndarray
    """Rows of the words, word by word, counted from `first` (N,), uint16."""

    @property
    def num_bytes(self) -> int:
        """In memory."""
        return len(self.words) + int(self.lines.nbytes + self.starts.nbytes + self.rows.nbytes)


def make_piece(first: int, texts: pa.Array) -> Piece:
    """Index some rows.

    Args:
        first: Number of the first.
        texts: One text a row, at most `PIECE_ROWS`; words end at ASCII white space.
    """
    import numpy as np
    import pyarrow.compute as pc

    split = pc.ascii_split_whitespace(texts)
    counted = pc.dictionary_encode(split.flatten())
    words = counted.indices.to_numpy().astype(np.int64)
    lengths = pc.fill_null(pc.list_value_length(split), 0).to_numpy()
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    keys = np.sort(words * PIECE_ROWS + rows)
    starts = np.concatenate([[0], np.cumsum(np.bincount(words, minlength=len(counted.dictionary)))])
    lines = np.cumsum(pc.binary_length(counted.dictionary).to_numpy().astype(np.int64) + 1)
    blob = "".join(f"{word}\n" for word in counted.dictionary.to_pylist()).encode()
    return Piece(first, len(texts), blob, lines, starts, (keys % PIECE_ROWS).astype(np.uint16))


def lines_with(piece: Piece, term: str) -> np.ndarray:
    """Return which words hold a term that has no line end, ascending."""
    import numpy as np

    wanted = term.encode()
    between = np.fromiter(map(len, piece.words.split(wanted)), dtype=np.int64)
    places = np.cumsum(between[:-1] + len(wanted)) - len(wanted)
    return np.unique(np.searchsorted(piece.lines, places, side="right"))


def holds(piece: Piece, term: str) -> np.ndarray | None:
    """Return which rows hold a term (num_rows,); None where too many words do."""
    import numpy as np

    found = lines_with(piece, term)
    starts, lengths = piece.starts[found], piece.starts[found + 1] - piece.starts[found]
    total = int(lengths.sum())
    if total * FREQUENT > len(piece.rows):
        return None
    before = np.cumsum(lengths) - lengths
    mask = np.zeros(piece.num_rows, dtype=bool)
    mask[piece.rows[np.arange(total) + np.repeat(starts - before, lengths)]] = True
    return mask


@dataclass(frozen=True)
class Found:
    """What the index says of a search."""

    rows: np.ndarray
    """Numbers of rows, ascending: all that hold every term, and perhaps others."""
    sure: bool
    """Whether there are no others: no term is a phrase, and none was left out for being frequent."""


class Words:
    """The index of one table: grows in a thread, answers once it is whole."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.pieces: list[Piece] = []
        self.ready = threading.Event()
        self.stopped = threading.Event()

    @property
    def num_bytes(self) -> int:
        """In memory."""
        return sum(piece.num_bytes for piece in self.pieces)

    def read(self, batches: Iterable[tuple[int, Any]]) -> None:
        """Index (number of the first row, texts) until the end, or until `stopped` is set."""
        count = 0
        for first, texts in batches:
            if self.stopped.is_set():
                return
            self.pieces.append(make_piece(first, texts))
            count += len(self.pieces[-1].rows)
            if count > MOST_WORDS:
                self.pieces = []
                return
        self.ready.set()

    def find(self, terms: Sequence[str]) -> Found | None:
        """Return the rows that hold every term; None where a scan is sooner, or we are not ready.

        Args:
            terms: Lower case. One with white space (a phrase) is looked for by its words.
        """
        import numpy as np

        wanted = [word for term in terms for word in term.split() if len(word.encode()) > 1]
        if not self.ready.is_set() or not wanted:
            return None
        found, sure = [], wanted == list(terms)
        for piece in self.pieces:
            masks = [holds(piece, word) for word in wanted]
            known = [mask for mask in masks if mask is not None]
            if not known:
                return None
            sure = sure and len(known) == len(masks)
            found.append(np.flatnonzero(np.logical_and.reduce(known)) + piece.first)
        rows = np.concatenate(found)
        if sure or len(rows) * FREQUENT < sum(piece.num_rows for piece in self.pieces):
            return Found(rows, sure or len(rows) == 0)
        return None
