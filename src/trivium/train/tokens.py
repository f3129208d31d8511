"""The token store: one flat, memory-mapped file of ids per source, with the documents' boundaries beside it.

<folder>/tokens.json                 type of the ids, and per source: documents, tokens, targets, bytes
<folder>/<source>.ids                token ids, document after document
<folder>/<source>.starts.npy         first token of every document, and one past the last (int64)
<folder>/<source>.facts.npy          (documents, 2): difficulty, UTF-8 bytes (float64)
<folder>/<source>.reply              one byte a token, 1 = the model has to say it; only for conversations
<folder>/<source>.rows.parquet       id of the training row behind every document
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trivium.errors import DataError
from trivium.store import files

MANIFEST = "tokens.json"


@dataclasses.dataclass(frozen=True, slots=True)
class TokenDocument:
    """One document as ids; a plain document ends with the end-of-text id."""

    row: str
    """Id of the training row."""
    ids: Sequence[int]
    num_bytes: int
    difficulty: float = 0.0
    reply: Sequence[bool] | None = None
    """Which tokens are targets; None means every token but the first."""


@dataclasses.dataclass(frozen=True)
class TokenSource:
    """The documents of one source, mapped from disk."""

    name: str
    ids: np.ndarray
    """Token ids of all documents, one after the other."""
    starts: np.ndarray
    """(documents + 1,) offsets into `ids`."""
    difficulty: np.ndarray
    """(documents,) float64."""
    reply: np.ndarray | None
    """0/1 for every id, or None when every token but a document's first is a target."""

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of every document."""
        return np.diff(self.starts)

    def num_targets(self) -> np.ndarray:
        """Trainable tokens of every document (int64): what one epoch over it counts."""
        if self.reply is None:
            return np.maximum(self.lengths - 1, 0)
        return self.reply_before[self.starts[1:]] - self.reply_before[self.starts[:-1]]

    @functools.cached_property
    def reply_before(self) -> np.ndarray:
        """(tokens + 1,) trainable tokens before every token of a source with a reply mask."""
        assert self.reply is not None
        return np.concatenate([[0], np.cumsum(self.reply, dtype=np.int64)])


def write_source(
    folder: Path, name: str, documents: Iterable[TokenDocument], vocab: int
) -> dict[str, int | float]:
    """Write one source of a store.

    Returns:
        Its line of the manifest: documents, tokens, targets, bytes and tokens of the longest document.
    """
    kept = list(documents)
    dtype = id_type(vocab)
    starts = np.concatenate([[0], np.cumsum([len(doc.ids) for doc in kept], dtype=np.int64)])
    ids = np.fromiter((i for doc in kept for i in doc.ids), dtype=dtype, count=int(starts[-1]))
    facts = np.array([(doc.difficulty, doc.num_bytes) for doc in kept], dtype=np.float64).reshape(-1, 2)
    reply = None
    if kept and kept[0].reply is not None:
        reply = np.fromiter((m for doc in kept for m in doc.reply or ()), dtype=np.uint8, count=len(ids))
        files.write_atomic(folder / f"{name}.reply", reply.tofile)
    files.write_atomic(folder / f"{name}.ids", ids.tofile)
    files.write_atomic(folder / f"{name}.starts.npy", _saver(starts.astype(np.int64)))
    files.write_atomic(folder / f"{name}.facts.npy", _saver(facts))
    files.write_parquet(folder / f"{name}.rows.parquet", pa.table({"id": [doc.row for doc in kept]}))
    source = TokenSource(name, ids, starts, facts[:, 0], reply)
    return {
        "documents": len(kept),
        "tokens": int(starts[-1]),
        "targets": int(source.num_targets().sum()),
        "bytes": int(facts[:, 1].sum()),
        "longest": int(source.lengths.max(initial=0)),
    }


def write_manifest(folder: Path, vocab: int, sources: dict[str, Any]) -> None:
    """Write `tokens.json`; a store without it is not complete."""
    files.write_json(folder / MANIFEST, {"dtype": np.dtype(id_type(vocab)).name, "sources": sources})


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read `tokens.json`."""
    return files.read_json(folder / MANIFEST)


def open_source(folder: Path, name: str) -> TokenSource:
    """Map one source of a store into memory, read-only.

    Raises:
        DataError: The source is not in the store or one of its files is missing or truncated.
    """
    manifest = read_manifest(folder)
    if name not in manifest["sources"]:
        raise DataError(f"{folder}: got no source {name!r}; expected one of {sorted(manifest['sources'])}.")
    tokens = manifest["sources"][name]["tokens"]
    reply = folder / f"{name}.reply"
    return TokenSource(
        name=name,
        ids=_map(folder / f"{name}.ids", np.dtype(manifest["dtype"]), tokens),
        starts=_load(folder / f"{name}.starts.npy"),
        difficulty=_load(folder / f"{name}.facts.npy")[:, 0],
        reply=_map(reply, np.dtype(np.uint8), tokens) if reply.exists() else None,
    )


def id_type(vocab: int) -> type[np.unsignedinteger[Any]]:
    """The smallest id type that holds a vocabulary."""
    return np.uint16 if vocab <= 1 << 16 else np.uint32


def _saver(array: np.ndarray) -> Any:
    def save(target: Path) -> None:
        with target.open("wb") as handle:
            np.save(handle, array)

    return save


def _load(file: Path) -> np.ndarray:
    try:
        return np.load(file)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: got {error}; expected an array, run the tokenize stage again.") from None


def _map(file: Path, dtype: np.dtype[Any], count: int) -> np.ndarray:
    found = file.stat().st_size if file.exists() else -1
    if found != count * dtype.itemsize:
        raise DataError(
            f"{file}: got {found} bytes; expected {count * dtype.itemsize}, run the tokenize stage again."
        )
    return np.memmap(file, dtype=dtype, mode="r") if count else np.zeros(0, dtype=dtype)
