"""The tables of a run in DuckDB: loaded when first looked at, then filtered, searched and sorted in memory.

A table up to `LOADED_BYTES` is copied into memory with a lower-case text of each row beside it, so a
search is one scan; of one above `INDEXED_BYTES` the words are indexed in the background, and a search reads
the words. A table above `LOADED_BYTES` is scanned where it lies.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError
from trivium.store.run import SCRATCH, Run
from trivium.view.words import PIECE_ROWS, Found, Words

if TYPE_CHECKING:
    import duckdb

LOADED_BYTES = 2**30
"""1 GiB, uncompressed."""
INDEXED_BYTES = 2**26
"""64 MiB, uncompressed: a scan of less takes about 50 ms."""
KEPT_BYTES = 3 * 2**29
"""Tables stay loaded while they add up to less than this."""
MEMORY_LIMIT = "4GB"
"""DuckDB's; what does not fit is spilled to a folder of its own under the system's temporary one."""
KEPT_SEARCHES = 8
"""Searches whose hits are remembered, over all tables."""


@dataclass(frozen=True)
class Place:
    """A Parquet table of a run, known by its name and found in no other way."""

    name: str
    """Folder and table, e.g. `01-curate/passages`."""
    stage: str
    path: Path
    rows: int


@dataclass(frozen=True)
class Column:
    """A column as the pages use it."""

    name: str
    kind: str
    """text | number | flag | list (of texts) | nested (JSON text) | ids (token ids, JSON text)."""
    distinct: int = 0
    """Values, about."""
    low: float | None = None
    high: float | None = None

    @property
    def quoted(self) -> str:
        """The name as an SQL identifier."""
        return quoted(self.name)


@dataclass
class Loaded:
    """A table that DuckDB knows."""

    place: Place
    sql: str
    """Its name there."""
    columns: list[Column]
    stamp: tuple[int, int]
    row: str
    """The expression of a row's number."""
    searchable: str
    """The expression that a search reads."""
    num_bytes: int
    """In memory, about; 0 for a view."""
    words: Words | None = None
    """The index of a large table."""

    def column(self, name: str) -> Column:
        """Return a column by name.

        Raises:
            DataError: There is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        known = ", ".join(column.name for column in self.columns)
        raise DataError(f"{self.place.name}: got no column {name[:40]!r}; expected one of {known}.")


def quoted(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def list_tables(run: Run) -> list[Place]:
    """Return every table of the finished stages, removed rows included, in stage order."""
    found = []
    for stage, folder in run.finished().items():
        paths = [p for p in sorted(folder.rglob("*.parquet")) if SCRATCH not in p.relative_to(folder).parts]
        for path in paths:
            name = f"{folder.name}/{path.relative_to(folder).with_suffix('')}"
            rows = num_rows(path)
            if rows is not None:
                found.append(Place(name, stage, path, rows))
    return found


def num_rows(path: Path) -> int | None:
    """Return a table's rows from its footer, None for a file that cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return None


class Tables:
    """All tables of one run; every method may be called from several threads."""

    def __init__(self, run: Run) -> None:
        """Open a database in memory that may read the run folder and nothing else."""
        import duckdb

        self.run = run
        self.spill = tempfile.TemporaryDirectory(prefix="trivium-view-")
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "temp_directory": self.spill.name,
                "memory_limit": MEMORY_LIMIT,
                "threads": os.cpu_count() or 1,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self._shut_in()
        self.loaded: OrderedDict[str, Loaded] = OrderedDict()
        self.searches: OrderedDict[tuple[str, tuple[str, ...]], str] = OrderedDict()
        self.threads: list[threading.Thread] = []
        self.count = 0
        self.lock = threading.RLock()

    def _shut_in(self) -> None:
        folder = str(self.run.path.resolve()).replace("'", "''")
        self.connection.execute(f"SET allowed_directories = ['{folder}/']")
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET lock_configuration = true")

    def close(self) -> None:
        """Let go of the memory and of what was spilled."""
        for table in self.loaded.values():
            _stop(table)
        for thread in self.threads:
            thread.join()
        self.connection.close()
        del self.connection  # DuckDB counts one that is alive when the interpreter ends as leaked
        self.spill.cleanup()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for one request."""
        return self.connection.cursor()

    def places(self) -> list[Place]:
        """Return the tables there are now."""
        return list_tables(self.run)

    def open(self, name: str) -> Loaded:
        """Return a table by name, loading it when it is new or has changed.

        Raises:
            DataError: The run has no such table.
        """
        place = next((place for place in self.places() if place.name == name), None)
        if place is None:
            raise DataError(f"table: got {name[:80]!r}; expected one that a finished stage wrote.")
        status = place.path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        with self.lock:
            known = self.loaded.get(name)
            if known is not None and known.stamp == stamp:
                self.loaded.move_to_end(name)
                return known
            if known is not None:
                self._forget(name)
            self.count += 1
            table = load(self.cursor(), place, f"table_{self.count}", stamp)
            self.loaded[name] = table
            self._index(table)
            while len(self.loaded) > 1 and sum(t.num_bytes for t in self.loaded.values()) > KEPT_BYTES:
                self._forget(next(iter(self.loaded)))
            return table

    def _index(self, table: Loaded) -> None:
        if table.num_bytes < INDEXED_BYTES:
            return
        table.words = Words()
        thread = threading.Thread(target=table.words.read, args=(self._batches(table),), daemon=True)
        self.threads = [old for old in self.threads if old.is_alive()] + [thread]
        thread.start()

    def _batches(self, table: Loaded) -> Iterator[tuple[int, Any]]:
        with contextlib.closing(self.cursor()) as cursor:
            reader = cursor.sql(f"SELECT rowid, {table.searchable} FROM {table.sql}").to_arrow_reader(
                PIECE_ROWS
            )
            for batch in reader:
                yield batch.column(0)[0].as_py(), batch.column(1)

    def hits(self, table: Loaded, terms: tuple[str, ...]) -> str:
        """Return the name of a table of the row numbers in which every term occurs, whatever its case."""
        key = (table.sql, terms)
        with self.lock:
            if key in self.searches:
                self.searches.move_to_end(key)
                return self.searches[key]
            self.count += 1
            name = f"hits_{self.count}"
            found = table.words.find([term.lower() for term in terms]) if table.words else None
            self._search(name, table, [term.lower() for term in terms], found)
            self.searches[key] = name
            while len(self.searches) > KEPT_SEARCHES:
                self._drop_search(next(iter(self.searches)))
            return name

    def _search(self, name: str, table: Loaded, terms: list[str], found: Found | None) -> None:
        import pyarrow as pa

        holds = " AND ".join("contains(t, ?)" for _ in terms)
        with contextlib.closing(self.cursor()) as cursor:
            if found is None:
                texts = f"SELECT {table.row} AS r, {table.searchable} AS t FROM {table.sql}"
                cursor.execute(f"CREATE TABLE {name} AS SELECT r FROM ({texts}) WHERE {holds}", terms)
                return
            cursor.register("found", pa.table({"r": found.rows}))
            if found.sure:
                cursor.execute(f"CREATE TABLE {name} AS SELECT r FROM found")
            else:
                texts = f"SELECT {table.row} AS r, {table.searchable} AS t FROM {table.sql}"
                few = f"SELECT r, t FROM ({texts}) WHERE r IN (SELECT r FROM found)"
                cursor.execute(
                    f"CREATE TABLE {name} AS WITH few AS MATERIALIZED ({few}) "
                    f"SELECT r FROM few WHERE {holds} ORDER BY r",
                    terms,
                )
            cursor.unregister("found")

    def _forget(self, name: str) -> None:
        gone = self.loaded.pop(name)
        _stop(gone)
        for key in [key for key in self.searches if key[0] == gone.sql]:
            self._drop_search(key)
        kind = "TABLE" if gone.row == "rowid" else "VIEW"
        self.cursor().execute(f"DROP {kind} {gone.sql}")

    def _drop_search(self, key: tuple[str, tuple[str, ...]]) -> None:
        self.cursor().execute(f"DROP TABLE {self.searches.pop(key)}")


def _stop(table: Loaded) -> None:
    if table.words is not None:
        table.words.stopped.set()


def load(cursor: duckdb.DuckDBPyConnection, place: Place, sql: str, stamp: tuple[int, int]) -> Loaded:
    """Copy a Parquet file into a table, or make a view of one that is too large."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(place.path)
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    path = "'" + str(place.path.resolve()).replace("'", "''") + "'"
    fits = size <= LOADED_BYTES
    source = f"read_parquet({path})" if fits else f"read_parquet({path}, file_row_number = true)"
    described = cursor.execute(f"DESCRIBE SELECT * FROM read_parquet({path})").fetchall()
    shapes = [(name, kind_of(name, type_)) for name, type_, *_ in described]
    chosen = [f"{_expression(name, kind, type_)} AS {quoted(name)}" for (name, kind), (_, type_, *_) in
              zip(shapes, described, strict=True)]  # fmt: skip
    text = _search_text(shapes)
    if fits:
        inner = f"SELECT {', '.join(chosen)} FROM {source}"
        cursor.execute(f'CREATE TABLE {sql} AS SELECT *, lower({text}) AS "__text" FROM ({inner})')
        row, searchable = "rowid", '"__text"'
    else:
        cursor.execute(f"CREATE VIEW {sql} AS SELECT {', '.join(chosen)}, file_row_number FROM {source}")
        row, searchable = "file_row_number", f"lower({text})"
    return Loaded(place, sql, _measure(cursor, sql, shapes), stamp, row, searchable, size if fits else 0)


def glance(place: Place) -> str:
    """Return what stands after FROM to read a few columns without loading the table; rows are numbered."""
    path = str(place.path.resolve()).replace("'", "''")
    return f"read_parquet('{path}', file_row_number = true)"


def text_columns(place: Place) -> dict[str, bool]:
    """Return the columns of texts (False) and of lists of texts (True) of a table, from its schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {}
    for field in pq.read_schema(place.path):
        many = pa.types.is_list(field.type)
        if pa.types.is_string(field.type.value_type if many else field.type):
            found[field.name] = many
    return found


def kind_of(name: str, type_: str) -> str:
    """Return the kind of a column from DuckDB's name of its type."""
    if type_ == "VARCHAR[]":
        return "list"
    if type_.endswith("INTEGER[]") and name.endswith("ids"):
        return "ids"
    if type_.endswith("]") or type_.startswith(("STRUCT", "MAP")):
        return "nested"
    if type_ == "BOOLEAN":
        return "flag"
    numbers = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
    return "number" if type_.removeprefix("U").startswith(numbers) else "text"


def _expression(name: str, kind: str, type_: str) -> str:
    column = quoted(name)
    if kind in ("nested", "ids"):
        return f"CAST(to_json({column}) AS VARCHAR)"
    if type_ == "BLOB":
        return (
            f"coalesce(TRY(decode({column})), '(' || octet_length({column}) || ' bytes that are no UTF-8)')"
        )
    return column if kind != "text" or type_ == "VARCHAR" else f"CAST({column} AS VARCHAR)"


def _search_text(shapes: list[tuple[str, str]]) -> str:
    texts = [quoted(name) for name, kind in shapes if kind in ("text", "nested")]
    texts += [f"array_to_string({quoted(name)}, ' ')" for name, kind in shapes if kind == "list"]
    return f"concat_ws(' ', {', '.join(texts)})" if texts else "''"


def _measure(cursor: Any, sql: str, shapes: list[tuple[str, str]]) -> list[Column]:
    """Count distinct values and find the bounds of numbers, in one scan."""
    asked, wanted = [], []
    for name, kind in shapes:
        if kind in ("text", "flag", "number"):
            asked.append(f"approx_count_distinct({quoted(name)})")
            wanted.append((name, "distinct"))
        if kind == "number":
            finite = f"FILTER (WHERE isfinite({quoted(name)}))"
            asked += [f"min({quoted(name)}) {finite}", f"max({quoted(name)}) {finite}"]
            wanted += [(name, "low"), (name, "high")]
    values = cursor.execute(f"SELECT {', '.join(asked)} FROM {sql}").fetchone() if asked else ()
    found: dict[str, dict[str, Any]] = {name: {} for name, _ in shapes}
    for (name, key), value in zip(wanted, values or (), strict=True):
        found[name][key] = value if key == "distinct" or value is None else float(value)
    return [Column(name, kind, **found[name]) for name, kind in shapes]
