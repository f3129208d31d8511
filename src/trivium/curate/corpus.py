"""Documents that lie in the files of shards, and the light facts about them that are held in memory.

The main process of the curate stage decides by facts alone, about a hundred bytes a document. Texts are read
by the workers, which are sent places in files; where the main process needs texts, it reads a few at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.curate.candidates import candidates_table
from trivium.store.files import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

FACTS = ("id", "kind", "source", "label", "group", "reason", "step")
"""What is known of a candidate beside its size, its score and its place."""
TEXTS_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of Parquet files in an order of their own: what a worker is sent in place of documents."""

    files: tuple[Path, ...]
    file: np.ndarray
    """int32, place in `files` of each row."""
    row: np.ndarray
    """int32, place in its file of each row."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.row)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the rows, in order."""
        import pyarrow as pa

        parts, places = [], []
        for number, path in enumerate(self.files):
            places.append(np.flatnonzero(self.file == number))
            parts.append(read_parquet(path, columns).take(pa.array(self.row[places[-1]])))
        return pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(places))))


def texts_of(rows: Rows) -> list[str]:
    """Read the texts of rows."""
    return rows.table(["text"])["text"].to_pylist()


@dataclass(frozen=True)
class Corpus:
    """All documents of a step, numbered from 0; a selection of them is an array of numbers."""

    files: tuple[Path, ...]
    facts: pa.Table
    """Text columns by name; all but `id` dictionary-encoded."""
    file: np.ndarray
    row: np.ndarray
    size: np.ndarray
    """int64, bytes of each text."""
    score: np.ndarray
    """float64; see `Candidate.score`."""

    @classmethod
    def of(cls, files: Sequence[Path]) -> Corpus:
        """Read the facts of every row of files that hold candidates, not the texts."""
        import pyarrow as pa

        names = [*FACTS, "size", "score"]
        tables = [_encoded(read_parquet(path, names)) for path in files]
        empty = _encoded(candidates_table([]).select(names))
        facts = pa.concat_tables([empty, *tables]).unify_dictionaries().combine_chunks()
        counts = [table.num_rows for table in tables]
        return cls(
            tuple(files),
            facts.select(FACTS),
            np.repeat(np.arange(len(files), dtype=np.int32), counts),
            np.concatenate([np.arange(count, dtype=np.int32) for count in [0, *counts]]),
            facts["size"].to_numpy(),
            facts["score"].to_numpy(),
        )

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.row)

    def by(self, name: str, function: Callable[[str], Any]) -> np.ndarray:
        """Return a function of one fact for every document; it is called once for each different value."""
        if not len(self):
            return np.zeros(0, bool)
        column = self.facts[name].chunk(0)
        values = np.array([function(value) for value in column.dictionary.to_pylist()])
        return values[column.indices.to_numpy()]

    def strings(self, name: str, chosen: np.ndarray) -> pa.Array:
        """Return one fact of the chosen documents as an Arrow array of strings."""
        import pyarrow as pa

        found = self.facts[name].take(pa.array(chosen)).combine_chunks()
        return found if pa.types.is_string(found.type) else found.cast(pa.string())

    def rows(self, chosen: np.ndarray) -> Rows:
        """Return where the chosen documents lie."""
        used, file = np.unique(self.file[chosen], return_inverse=True)
        return Rows(tuple(self.files[i] for i in used), file.astype(np.int32), self.row[chosen])

    def shards(self, chosen: np.ndarray, size: int) -> list[Rows]:
        """Cut the chosen documents into shards of so many."""
        return [self.rows(chosen[i : i + size]) for i in range(0, len(chosen), size)]

    def texts(self, chosen: np.ndarray) -> Iterator[str]:
        """Yield the texts of the chosen documents; few are in memory at once."""
        for rows in self.shards(chosen, TEXTS_AT_ONCE):
            yield from texts_of(rows)

    def moved(self, chosen: np.ndarray, files: Sequence[Path]) -> Corpus:
        """Return the corpus with the chosen documents in other files, which hold just these, in order."""
        new = Corpus.of(files)
        file, row, size = self.file.copy(), self.row.copy(), self.size.copy()
        file[chosen], row[chosen], size[chosen] = new.file + len(self.files), new.row, new.size
        return replace(self, files=(*self.files, *new.files), file=file, row=row, size=size)


def thinned(chosen: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the chosen documents, evenly spread; all, if they are not more."""
    return chosen[:: max(1, -(-len(chosen) // most))]


def _encoded(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and field.name != "id":
            table = table.set_column(place, field.name, table[field.name].dictionary_encode())
    return table
