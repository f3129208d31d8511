"""Which tokens are trained on when: row r of step s is a pure function of (seed, s, r).

So a run resumes from one integer, and the number of processes may change without changing a single row. An
epoch over a stream is a permutation of its documents drawn from (seed, stream, epoch), packed into rows; the
rows of all streams are then interleaved evenly, so that every step sees nearly the same mixture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from trivium.errors import DataError
from trivium.train import packing
from trivium.train.hashing import draws, stable_seed, uniforms
from trivium.train.tokens import TokenSource


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """Documents of one source that are trained on together, and how many of their tokens."""

    name: str
    source: str
    """Name of the token source."""
    documents: np.ndarray
    """Indices into the source; an index that appears twice is trained on twice an epoch."""
    tokens: int
    """Targets to train on; documents repeat, epoch after epoch, until there are as many."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row: spans of documents, each with its source."""

    sources: np.ndarray
    """Index into `Order.sources` for every piece."""
    documents: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """All rows of a training run, in order; rows of one step lie side by side."""

    sources: tuple[TokenSource, ...]
    rows_per_step: int
    first_piece: np.ndarray
    """(rows + 1,) offsets into the piece arrays."""
    piece_source: np.ndarray
    piece_document: np.ndarray
    piece_offset: np.ndarray
    piece_length: np.ndarray
    row_targets: np.ndarray
    """Trainable tokens of every row."""
    epochs: Mapping[str, float]
    """Epochs over every stream."""

    @property
    def num_rows(self) -> int:
        """Rows of the whole run."""
        return len(self.first_piece) - 1

    @property
    def num_steps(self) -> int:
        """Steps of the whole run; the last one may have fewer rows."""
        return -(-self.num_rows // self.rows_per_step)

    def step_targets(self, step: int) -> int:
        """Trainable tokens of a step, over all ranks."""
        return int(self.row_targets[step * self.rows_per_step : (step + 1) * self.rows_per_step].sum())

    def row(self, step: int, index: int) -> Row | None:
        """Row `index` of step `step`, or None where the last step has no such row."""
        number = step * self.rows_per_step + index
        if number >= self.num_rows:
            return None
        span = slice(self.first_piece[number], self.first_piece[number + 1])
        return Row(
            self.piece_source[span],
            self.piece_document[span],
            self.piece_offset[span],
            self.piece_length[span],
        )


def make_order(
    sources: Sequence[TokenSource],
    streams: Sequence[Stream],
    *,
    row_tokens: int,
    rows_per_step: int,
    seed: int,
    curriculum: float = 0.0,
) -> Order:
    """Lay out a whole run.

    Args:
        sources: The token sources that the streams name.
        streams: What to train on.
        row_tokens: Inputs that a row holds.
        rows_per_step: Rows of one optimizer step, over all ranks.
        seed: Seeds every permutation.
        curriculum: 0 shuffles documents; 1 sorts each epoch from easy to hard; between, a blend of both.

    Raises:
        DataError: A stream wants tokens and has no document to take them from.
    """
    index = {source.name: number for number, source in enumerate(sources)}
    keys, rows, epochs = [], [], {}
    for stream in streams:
        source = sources[index[stream.source]]
        taken, epochs[stream.name] = _take(stream, source, row_tokens, seed, curriculum)
        where = np.full(len(taken), index[stream.source])
        jitter = uniforms(stable_seed(seed, "interleave", stream.name), len(taken))
        keys.append((np.arange(len(taken)) + jitter) / max(len(taken), 1))
        rows += [(number, pieces) for number, pieces in zip(where, taken, strict=True)]
    order = np.argsort(np.concatenate(keys), kind="stable") if keys else np.zeros(0, np.int64)
    return _join(sources, [rows[i] for i in order], rows_per_step, epochs)


def _take(
    stream: Stream, source: TokenSource, row_tokens: int, seed: int, curriculum: float
) -> tuple[list[packing.Pieces], float]:
    """Rows of a stream, epoch after epoch, until their targets come closest to the wanted number."""
    per_document = source.num_targets()[stream.documents]
    unique = int(per_document.sum())
    if stream.tokens > 0 and unique == 0:
        raise DataError(f"stream {stream.name}: got no token to train on; expected some, lower its share.")
    wanted, taken, epoch = stream.tokens, list[packing.Pieces](), 0
    while wanted > 0:
        pieces = _epoch(stream, source, row_tokens, stable_seed(seed, stream.name, epoch), curriculum)
        grouped = packing.pack(pieces, row_tokens, stable_seed(seed, stream.name, epoch, "rows"))
        targets = _targets(pieces, source)
        sizes = np.array([int(targets[row].sum()) for row in grouped])
        count = _closest(np.cumsum(sizes), wanted)
        taken += [
            packing.Pieces(pieces.document[row], pieces.offset[row], pieces.length[row])
            for row in grouped[:count]
        ]
        done = int(sizes[:count].sum())
        wanted -= done
        epoch += 1
        if count < len(grouped):
            break
    return taken, (stream.tokens - wanted) / max(unique, 1)


def _epoch(
    stream: Stream, source: TokenSource, row_tokens: int, seed: int, curriculum: float
) -> packing.Pieces:
    count = len(stream.documents)
    random = np.argsort(draws(seed, count), kind="stable")
    if curriculum > 0:
        place = np.empty(count)
        place[random] = np.arange(count)
        by_difficulty = np.lexsort((place, source.difficulty[stream.documents]))
        hard = np.empty(count)
        hard[by_difficulty] = np.arange(count)
        random = np.argsort(curriculum * hard + (1 - curriculum) * place, kind="stable")
    documents = stream.documents[random]
    return packing.cut(documents, source.lengths[documents], row_tokens)


def _targets(pieces: packing.Pieces, source: TokenSource) -> np.ndarray:
    """Trainable tokens of every piece."""
    if source.reply is None:
        return pieces.length
    summed = source.reply_before
    first = source.starts[pieces.document] + pieces.offset + 1
    return summed[first + pieces.length] - summed[first]


def _closest(cumulated: np.ndarray, wanted: int) -> int:
    """How many leading rows come closest to `wanted` targets; at least one."""
    count = int(np.searchsorted(cumulated, wanted))
    if count == len(cumulated):
        return count
    before = int(cumulated[count - 1]) if count else 0
    return count + 1 if not count or cumulated[count] - wanted <= wanted - before else count


def _join(
    sources: Sequence[TokenSource],
    rows: Sequence[tuple[int, packing.Pieces]],
    rows_per_step: int,
    epochs: Mapping[str, float],
) -> Order:
    counts = [len(pieces) for _, pieces in rows]
    empty = np.zeros(0, np.int64)
    return Order(
        sources=tuple(sources),
        rows_per_step=rows_per_step,
        first_piece=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
        piece_source=np.repeat([number for number, _ in rows], counts) if rows else empty,
        piece_document=np.concatenate([empty, *(pieces.document for _, pieces in rows)]),
        piece_offset=np.concatenate([empty, *(pieces.offset for _, pieces in rows)]),
        piece_length=np.concatenate([empty, *(pieces.length for _, pieces in rows)]),
        row_targets=np.array([_targets(pieces, sources[n]).sum() for n, pieces in rows], dtype=np.int64),
        epochs=dict(epochs),
    )
