"""What a filtered table is made of: counts of values, and how numbers are spread."""

from __future__ import annotations

from dataclasses import dataclass

from trivium.view.asking import Ask, where
from trivium.view.tables import Column, Loaded, Tables

MOST_VALUES = 60
"""A column with more distinct values is no facet."""
SHOWN_VALUES = 14
BINS = 24
LEAST_REPEATS = 4
"""A text that occurs fewer times on average tells rows apart rather than grouping them."""


@dataclass(frozen=True)
class Value:
    """A value of a column among the rows that the other filters leave."""

    text: str
    count: int
    share: float
    """Of the largest count, in [0, 1]."""
    chosen: bool


@dataclass(frozen=True)
class Facet:
    """Values of a column, most frequent first."""

    column: str
    values: list[Value]
    more: int
    """Rows with values that are not shown."""


@dataclass(frozen=True)
class Spread:
    """A histogram over the whole table's range: all rows that the filter leaves."""

    column: str
    low: float
    high: float
    counts: list[int]
    median: float | None


def facets(tables: Tables, table: Loaded, ask: Ask) -> list[Facet]:
    """Return the facets of every column that groups rows."""
    return [_facet(tables, table, column, ask) for column in table.columns if groups(table, column)]


def groups(table: Loaded, column: Column) -> bool:
    """Whether a column's values are few enough to be chosen from."""
    if column.kind in ("list", "flag"):
        return True
    few = column.distinct <= MOST_VALUES and column.distinct * LEAST_REPEATS <= table.place.rows
    return column.kind == "text" and few and column.distinct > 1


def _facet(tables: Tables, table: Loaded, column: Column, ask: Ask) -> Facet:
    condition, values = where(tables, table, ask, but=column.name)
    value = f"unnest({column.quoted})" if column.kind == "list" else f"CAST({column.quoted} AS VARCHAR)"
    counted = tables.cursor().execute(
        f"SELECT coalesce(v, '') AS v, count(*) AS n "
        f"FROM (SELECT {value} AS v FROM {table.sql} WHERE {condition}) GROUP BY 1 ORDER BY n DESC, v",
        values,
    ).fetchall()  # fmt: skip
    chosen = {text for name, text in ask.chosen if name == column.name}
    shown = counted[:SHOWN_VALUES] + [row for row in counted[SHOWN_VALUES:] if row[0] in chosen]
    largest = max((count for _, count in counted), default=1)
    rows = [Value(text, count, count / largest, text in chosen) for text, count in shown]
    return Facet(column.name, rows, sum(count for _, count in counted) - sum(row.count for row in rows))


def spreads(tables: Tables, table: Loaded, ask: Ask) -> list[Spread]:
    """Return a histogram of every column of numbers that vary."""
    return [_spread(tables, table, column, ask) for column in table.columns if varies(column)]


def varies(column: Column) -> bool:
    """Whether a column is of numbers that differ."""
    return column.kind == "number" and column.low is not None and column.low != column.high


def _spread(tables: Tables, table: Loaded, column: Column, ask: Ask) -> Spread:
    assert column.low is not None and column.high is not None
    condition, values = where(tables, table, ask)
    name = column.quoted
    width = (column.high - column.low) / BINS
    place = f"least({BINS - 1}, CAST(floor(({name} - ?) / ?) AS INTEGER))"
    cursor = tables.cursor()
    counted = cursor.execute(
        f"SELECT {place} AS bin, count(*) FROM {table.sql} WHERE isfinite({name}) AND {condition} GROUP BY 1",
        [column.low, width, *values],
    ).fetchall()
    counts = [0] * BINS
    for bin_, count in counted:
        if bin_ is not None and 0 <= bin_ < BINS:
            counts[bin_] = count
    middle = cursor.execute(
        f"SELECT approx_quantile({name}, 0.5) FROM {table.sql} WHERE {condition}",
        values,
    ).fetchone()
    return Spread(column.name, column.low, column.high, counts, middle[0] if middle else None)
