"""What is asked of a table: a search, chosen values, ranges, an order, a page. Values never become SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trivium.errors import DataError
from trivium.view.query import Query
from trivium.view.tables import Column, Loaded, Tables

ROWS_A_PAGE = 50
CELL_CHARACTERS = 240
"""Longest text of a cell in the table; a row's own page shows all of it."""
LONGEST_SEARCH = 200
MOST_TAKEN = 100_000
"""Rows that leave as JSON lines in one piece."""


@dataclass(frozen=True)
class Ask:
    """One filter over one table."""

    terms: tuple[str, ...] = ()
    """Every one must occur somewhere in a row's texts, whatever its case."""
    chosen: tuple[tuple[str, str], ...] = ()
    """(column, value): of values of one column any may hold, columns hold together."""
    least: tuple[tuple[str, float], ...] = ()
    most: tuple[tuple[str, float], ...] = ()
    sort: str = ""
    down: bool = False
    page: int = 1

    @property
    def filtered(self) -> bool:
        """Whether anything narrows the table."""
        return bool(self.terms) or self.narrowed

    @property
    def narrowed(self) -> bool:
        """Whether anything but a search does."""
        return bool(self.chosen or self.least or self.most)


def read_ask(query: Query) -> Ask:
    """Read a filter from an address."""
    text = query.get("q").strip()
    if len(text) > LONGEST_SEARCH:
        raise DataError(f"search: got {len(text)} characters; expected at most {LONGEST_SEARCH}.")
    quoted = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else ""
    return Ask(
        terms=(quoted,) if quoted else tuple(text.split()),
        chosen=tuple(query.starting("is.")),
        least=_bounds(query, "min."),
        most=_bounds(query, "max."),
        sort=query.get("sort"),
        down=query.get("down") == "1",
        page=query.whole("page", 1, least=1),
    )


def _bounds(query: Query, prefix: str) -> tuple[tuple[str, float], ...]:
    return tuple((name, query.number(prefix + name, 0.0)) for name, text in query.starting(prefix) if text)


def where(tables: Tables, table: Loaded, ask: Ask, *, but: str = "") -> tuple[str, list[Any]]:
    """Return the condition of a filter and its values; choices in the column `but` are left out."""
    parts: list[str] = ["true"]
    values: list[Any] = []
    if ask.terms:
        parts.append(f"{table.row} IN (SELECT r FROM {tables.hits(table, ask.terms)})")
    for name in dict.fromkeys(name for name, _ in ask.chosen):
        if name != but:
            wanted = [value for key, value in ask.chosen if key == name]
            parts.append("(" + " OR ".join([_is(table.column(name))] * len(wanted)) + ")")
            values += wanted
    for bounds, sign in ((ask.least, ">="), (ask.most, "<=")):
        for name, bound in bounds:
            parts.append(f"{_number(table, name)} {sign} ?")
            values.append(bound)
    return " AND ".join(parts), values


def _is(column: Column) -> str:
    if column.kind == "list":
        return f"list_contains({column.quoted}, ?)"
    return f"coalesce(CAST({column.quoted} AS VARCHAR), '') = ?" if column.kind != "text" else (
        f"coalesce({column.quoted}, '') = ?"
    )  # fmt: skip


def _number(table: Loaded, name: str) -> str:
    column = table.column(name)
    if column.kind != "number":
        raise DataError(f"{table.place.name}: got a range of {name!r}; expected a column of numbers.")
    return column.quoted


@dataclass(frozen=True)
class Found:
    """A page of rows."""

    total: int
    rows: list[dict[str, Any]]
    """Cells by column, cut; `__row` is the row's number in its file."""
    pages: int


def find(tables: Tables, table: Loaded, ask: Ask) -> Found:
    """Return how many rows a filter leaves, and one page of them."""
    if ask.terms and not ask.narrowed and not ask.sort:
        return _searched(tables, table, ask)
    condition, values = where(tables, table, ask)
    cursor = tables.cursor()
    total = table.place.rows
    if ask.filtered:
        total = _count(cursor, f"{table.sql} WHERE {condition}", values)
    pages, first = _pages(total, ask)
    order = _order(table, ask)
    numbers = cursor.execute(
        f"SELECT {table.row} FROM {table.sql} WHERE {condition} {order} LIMIT {ROWS_A_PAGE} OFFSET {first}",
        values,
    ).fetchall()
    return Found(total, _rows(cursor, table, [number for (number,) in numbers]), pages)


def all_rows(tables: Tables, table: Loaded, ask: Ask) -> list[dict[str, Any]]:
    """Return whole rows of everything that a filter leaves, in its order.

    Raises:
        DataError: There are more than `MOST_TAKEN`.
    """
    condition, values = where(tables, table, ask)
    names = [column.name for column in table.columns]
    chosen = ", ".join(column.quoted for column in table.columns)
    order = _order(table, ask) or f"ORDER BY {table.row}"
    found = tables.cursor().execute(
        f"SELECT {chosen} FROM {table.sql} WHERE {condition} {order} LIMIT {MOST_TAKEN + 1}", values
    ).fetchall()  # fmt: skip
    if len(found) > MOST_TAKEN:
        raise DataError(
            f"{table.place.name}: got more than {MOST_TAKEN:,} rows to take away; expected fewer, narrow the "
            f"filter or read {table.place.path.name}, which is a plain Parquet file."
        )
    return [dict(zip(names, row, strict=True)) for row in found]


def _searched(tables: Tables, table: Loaded, ask: Ask) -> Found:
    """Return what a search alone leaves: its hits need not be looked up in the table to be counted."""
    cursor, hits = tables.cursor(), tables.hits(table, ask.terms)
    total = _count(cursor, hits, [])
    pages, first = _pages(total, ask)
    numbers = cursor.execute(f"SELECT r FROM {hits} ORDER BY r LIMIT {ROWS_A_PAGE} OFFSET {first}").fetchall()
    return Found(total, _rows(cursor, table, [number for (number,) in numbers]), pages)


def _count(cursor: Any, rows: str, values: list[Any]) -> int:
    counted = cursor.execute(f"SELECT count(*) FROM {rows}", values).fetchone()
    return int(counted[0]) if counted else 0


def _pages(total: int, ask: Ask) -> tuple[int, int]:
    """Return how many pages there are, and where the one that is asked for begins."""
    pages = max(1, -(-total // ROWS_A_PAGE))
    return pages, (min(ask.page, pages) - 1) * ROWS_A_PAGE


def _order(table: Loaded, ask: Ask) -> str:
    if not ask.sort:
        return "" if table.row == "rowid" and not ask.terms else f"ORDER BY {table.row}"
    column = table.column(ask.sort)
    direction = "DESC" if ask.down else "ASC"
    return f"ORDER BY {column.quoted} {direction} NULLS LAST, {table.row}"


def _rows(cursor: Any, table: Loaded, numbers: list[int]) -> list[dict[str, Any]]:
    if not numbers:
        return []
    cells = [
        f"left({c.quoted}, {CELL_CHARACTERS + 1})" if c.kind in ("text", "nested") else c.quoted
        for c in table.columns
    ]
    marks = ", ".join(str(int(number)) for number in numbers)
    found = cursor.execute(
        f"SELECT {table.row}, {', '.join(cells)} FROM {table.sql} WHERE {table.row} IN ({marks})"
    ).fetchall()
    by_number = {row[0]: row for row in found}
    names = ["__row", *(column.name for column in table.columns)]
    return [dict(zip(names, by_number[number], strict=True)) for number in numbers]


def one_row(tables: Tables, table: Loaded, number: int) -> dict[str, Any]:
    """Return a whole row by its number.

    Raises:
        DataError: The table is shorter.
    """
    names = [column.name for column in table.columns]
    chosen = ", ".join(column.quoted for column in table.columns)
    found = tables.cursor().execute(
        f"SELECT {chosen} FROM {table.sql} WHERE {table.row} = ?", [number]
    ).fetchone()  # fmt: skip
    if found is None:
        raise DataError(f"{table.place.name}: got row {number}; expected one below {table.place.rows}.")
    return dict(zip(names, found, strict=True))
