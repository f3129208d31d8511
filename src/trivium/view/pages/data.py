"""The data page: any table of a finished stage, filtered, searched, sorted, with what it is made of."""

from __future__ import annotations

import json
from typing import Any

from trivium.errors import DataError
from trivium.view.asking import CELL_CHARACTERS, Ask, all_rows, find, one_row, read_ask
from trivium.view.facets import facets, spreads, varies
from trivium.view.query import Query
from trivium.view.render import page, part
from trivium.view.site import Site
from trivium.view.tables import Loaded, Place

MOST_IDS = 96
"""Token ids of a cell that are turned into text."""


def show(site: Site, query: Query) -> str:
    """Return the page, its rows (`part=rows`) or what they are made of (`part=facets`)."""
    places = site.tables.places()
    if not query.get("table"):
        return page(site, "data_start.html", "/data", "Data", stages=by_stage(site, places))
    table = site.tables.open(query.get("table"))
    ask = read_ask(query)
    if query.get("part") == "rows":
        return part("data_rows.html", **rows(site, table, ask, query))
    if query.get("part") == "facets":
        return part("data_facets.html", **made_of(site, table, ask, query))
    content = rows(site, table, ask, query)
    later = query.with_(part="facets")
    return page(
        site,
        "data.html",
        "/data",
        "Data",
        places=places,
        later=later,
        ranges=ranges(table, query),
        bounded=bool(ask.least or ask.most),
        **content,
    )


def by_stage(site: Site, places: list[Place]) -> list[dict[str, Any]]:
    """Return every stage with its tables and why it removed rows."""
    stages: dict[str, dict[str, Any]] = {}
    for place in places:
        entry = stages.setdefault(place.stage, {"name": place.stage, "tables": [], "drops": None})
        if place.name.endswith("/dropped/drops"):
            entry["drops"] = place
            entry["reasons"] = reasons(site, place)
        else:
            entry["tables"].append(place)
    return list(stages.values())


def reasons(site: Site, place: Place) -> list[dict[str, Any]]:
    """Return step, reason and count of a stage's removed rows, most frequent first."""
    table = site.tables.open(place.name)
    found = site.tables.cursor().execute(
        f"SELECT step, reason, count(*) AS n FROM {table.sql} GROUP BY 1, 2 ORDER BY n DESC, 1, 2"
    ).fetchall()  # fmt: skip
    most = found[0][2] if found else 1
    return [{"step": step, "reason": reason, "count": n, "share": n / most} for step, reason, n in found]


def rows(site: Site, table: Loaded, ask: Ask, query: Query) -> dict[str, Any]:
    """Return what the table of rows shows."""
    found = find(site.tables, table, ask)
    current = min(ask.page, found.pages)
    return {
        "table": table,
        "ask": ask,
        "query": query,
        "found": found,
        "page": current,
        "lines": [
            {"number": row["__row"], "cells": [_cell(site, one, row[one.name]) for one in table.columns]}
            for row in found.rows
        ],
        "orders": [_order(column.name, ask, query) for column in table.columns],
        "chosen": [(name, value, query.toggled(f"is.{name}", value)) for name, value in ask.chosen],
    }  # fmt: skip


def _cell(site: Site, column: Any, value: Any) -> dict[str, Any]:
    kind = "id" if column.kind == "text" and is_id(column.name) else column.kind
    if value is None:
        return {"kind": kind, "text": "-", "long": False}
    if column.kind == "ids":
        value = ids_text(site, value)
    elif column.kind == "list":
        value = ", ".join(value)
    elif column.kind == "nested":
        value = nested_text(value)
    if isinstance(value, str):
        cut = value if len(value) <= CELL_CHARACTERS else value[:CELL_CHARACTERS] + "..."
        return {"kind": kind, "text": cut, "long": len(cut) > 60}
    return {"kind": kind, "text": value, "long": False}


def is_id(name: str) -> bool:
    """Whether a column holds ids of rows."""
    return name == "id" or name.endswith("_id")


def ids_text(site: Site, value: str) -> str:
    """Return token ids as text where a tokenizer is at hand, else as they are."""
    ids = json.loads(value)
    text = site.text_of(ids[:MOST_IDS])
    if text is None:
        return " ".join(map(str, ids[:MOST_IDS]))
    return text + ("..." if len(ids) > MOST_IDS else "")


def nested_text(value: str) -> str:
    """Return messages as turns; any other nested value, or one that was cut, as it is."""
    try:
        items = json.loads(value)
    except json.JSONDecodeError:
        return value
    if isinstance(items, list) and items and all(is_message(item) for item in items):
        return " | ".join(f"{item['role']}: {item['content']}" for item in items)
    return "" if items == [] else value


def is_message(item: Any) -> bool:
    """Whether a value is a turn of a conversation."""
    return isinstance(item, dict) and set(item) == {"role", "content"}


def _order(name: str, ask: Ask, query: Query) -> dict[str, str]:
    """Return a column's heading: the address that sorts by it, and how it is sorted now."""
    if ask.sort != name:
        return {"name": name, "href": query.with_(sort=name, down=None, page=None), "now": "none"}
    if not ask.down:
        return {"name": name, "href": query.with_(sort=name, down="1", page=None), "now": "ascending"}
    return {"name": name, "href": query.with_(sort=None, down=None, page=None), "now": "descending"}


def ranges(table: Loaded, query: Query) -> list[dict[str, Any]]:
    """Return the bounds a person may set, one pair a column of numbers."""
    return [
        {
            "name": column.name,
            "low": column.low,
            "high": column.high,
            "least": query.get(f"min.{column.name}"),
            "most": query.get(f"max.{column.name}"),
        }
        for column in table.columns
        if varies(column)
    ]


def made_of(site: Site, table: Loaded, ask: Ask, query: Query) -> dict[str, Any]:
    """Return the facets, each value with the address that chooses it, and the spreads."""
    shown = [
        (facet, [(value, query.toggled(f"is.{facet.column}", value.text)) for value in facet.values])
        for facet in facets(site.tables, table, ask)
    ]
    return {"facets": shown, "spreads": spreads(site.tables, table, ask)}


def take(site: Site, query: Query) -> str:
    """Return every row that a filter leaves as JSON lines, the columns as they are in the file."""
    table = site.tables.open(query.get("table"))
    nested = [column.name for column in table.columns if column.kind in ("nested", "ids")]
    lines = []
    for row in all_rows(site.tables, table, read_ask(query)):
        row |= {name: json.loads(row[name]) for name in nested if row[name] is not None}
        lines.append(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    return "".join(lines)


def show_row(site: Site, query: Query) -> str:
    """Return one whole row."""
    table = site.tables.open(query.get("table"))
    number = query.whole("n", -1, least=-1)
    if number < 0:
        raise DataError("row: got no number; expected one from the data page.")
    row = one_row(site.tables, table, number)
    fields = [_field(site, column, row[column.name]) for column in table.columns]
    return page(
        site, "row.html", "/data", f"Row {number:,} of {table.place.name}", fields=fields, table=table,
        number_=number, own=row.get("id"),
    )  # fmt: skip


def _field(site: Site, column: Any, value: Any) -> dict[str, Any]:
    field = {"name": column.name, "kind": column.kind, "value": value, "text": "", "turns": [], "links": []}
    if value is None:
        return field
    if column.kind == "ids":
        field["text"] = site.text_of(json.loads(value)) or ""
    elif column.kind == "nested":
        items = json.loads(value)
        if isinstance(items, list) and items and all(is_message(item) for item in items):
            field["turns"] = items
        else:
            field["value"] = json.dumps(items, indent=1, ensure_ascii=False)
    elif column.kind == "list" and column.name == "parents":
        field["links"] = value
    elif column.kind == "text" and is_id(column.name) and value:
        field["links"] = [value]
    return field
