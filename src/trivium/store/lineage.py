"""Lineage: from any row of a run back to the bytes it came from, through the parents in its id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.errors import DataError
from trivium.store.run import Run


@dataclass
class Node:
    """One row on the way back."""

    id: str
    stage: str
    table: str
    row: dict[str, Any]
    parents: list[Node] = field(default_factory=list)


def trace(run_path: Path | str, row_id: str) -> Node:
    """Walk from a row to its sources.

    Args:
        run_path: A run folder.
        row_id: The id of a row of any table, or a unique prefix of at least 6 characters.

    Raises:
        DataError: No row, or more than one, has this id.
    """
    run = Run.open(run_path)
    found = _first(run, row_id)
    if found is None:
        raise DataError(
            f"trace {row_id}: got no row with this id in {run.path}; expected an id column value."
        )
    return _grow(run, found, {found.id})


def _grow(run: Run, node: Node, seen: set[str]) -> Node:
    for parent in _parent_ids(node.row):
        if parent in seen:
            continue
        seen.add(parent)
        child = _first(run, parent, before=node.stage)
        if child is not None:
            node.parents.append(_grow(run, child, seen))
    return node


def _parent_ids(row: dict[str, Any]) -> list[str]:
    ids = list(row.get("parents") or [])
    ids += [row[key] for key in ("document_id", "question_id") if row.get(key)]
    return ids


def _first(run: Run, row_id: str, before: str | None = None) -> Node | None:
    """Return the earliest row with the id: the place where it was made, at the latest stage `before`."""
    passed = False
    for stage, table, path in _tables(run):
        if passed and stage != before:
            return None
        node = _lookup(path, stage, table, row_id)
        if node is not None:
            return node
        passed = passed or stage == before
    return None


def _tables(run: Run) -> Iterator[tuple[str, str, Path]]:
    for stage, folder in run.finished().items():
        for path in sorted(folder.glob("*.parquet"), key=lambda path: (not _tells_origin(path), path.name)):
            yield stage, path.stem, path


ORIGIN_COLUMNS = {"parents", "document_id", "question_id", "start"}
"""A table with one of these says where its rows come from; others (a ranking, say) only mention ids."""


def _tells_origin(path: Path) -> bool:
    import pyarrow.parquet as pq

    return not ORIGIN_COLUMNS.isdisjoint(pq.read_schema(path).names)


def _lookup(path: Path, stage: str, table: str, row_id: str) -> Node | None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if "id" not in pq.read_schema(path).names:
        return None
    ids = pq.read_table(path, columns=["id"]).column("id")
    if str(ids.type) != "string":
        return None
    hits = pc.indices_nonzero(pc.starts_with(ids, row_id) if len(row_id) >= 6 else pc.equal(ids, row_id))
    if len(hits) == 0:
        return None
    distinct = set(pc.take(ids, hits).to_pylist())
    if len(distinct) > 1:
        raise DataError(
            f"trace {row_id}: got {len(distinct)} rows that start so; expected one, give more digits."
        )
    row = _row(path, hits[0].as_py())
    return Node(row["id"], stage, table, row)


def _row(path: Path, number: int) -> dict[str, Any]:
    """Read one row, and of the file no more than the row group it is in."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if number < size:
            return file.read_row_group(group).slice(number, 1).to_pylist()[0]
        number -= size
    raise DataError(
        f"{path}: got no row {number}; expected a whole table, run the stage that writes it again."
    )


def describe(node: Node, depth: int = 0) -> list[str]:
    """Return the way back as indented lines for a terminal."""
    pad = "   " * depth + ("└─ " if depth else "")
    lines = [
        f"{pad}{node.table[:-1] if node.table.endswith('s') else node.table} {node.id}  (stage {node.stage})"
    ]
    inner = "   " * (depth + 1)
    lines += [f"{inner}{text}" for text in _facts(node.row)]
    for parent in node.parents:
        lines += describe(parent, depth + 1)
    return lines


def _facts(row: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    if "source" in row and "start" in row:
        lines.append(
            f"file {row['source']}, bytes {row['start']}-{row['end']}, licence {row.get('licence') or '?'}"
        )
    for key in ("flow", "source", "kind", "skill", "method", "difficulty", "depth", "verdict"):
        if row.get(key) not in (None, "") and not (key == "source" and "start" in row):
            lines.append(f"{key}: {row[key]}")
    if row.get("meta"):
        lines.append(f"made by: {_short(_meta(row['meta']))}")
    for key in ("prompt", "solution", "text", "answer", "reply"):
        if row.get(key):
            lines.append(f"{key}: {_short(str(row[key]))}")
    for message in row.get("messages") or []:
        lines.append(f"{message['role']}: {_short(message['content'])}")
    return lines


def _meta(text: str) -> str:
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        return text
    return ", ".join(f"{key}={value}" for key, value in data.items()) if isinstance(data, dict) else text


def _short(text: str, width: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."
