"""The trace page: from any row back to the bytes it came from, and on to where it was trained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.store import lineage
from trivium.store.lineage import Node
from trivium.view.query import Query
from trivium.view.render import page
from trivium.view.site import Site
from trivium.view.tables import Place, glance, quoted, text_columns

SHOWN_USES = 12
"""Rows that name this one, shown of each table."""
NAMING_COLUMNS = ("parents", "question_id", "document_id", "rollout_id", "item_id", "kept_id", "id")
"""Columns by which a row names another."""
TRAINED_BY = {"09-sft_data": ("sft",), "05-tokenize": ("pretrain", "midtrain")}
"""Folder whose tables hold training rows -> the stages that train on them."""


def show(site: Site, query: Query) -> str:
    """Return the page of one row, or a place to type an id."""
    row_id = query.get("id").strip()
    content: dict[str, Any] = {
        "row_id": row_id,
        "node": None,
        "uses": [],
        "trained": [],
        "offers": offers(site),
    }
    if row_id:
        node = lineage.trace(site.run.path, row_id)
        content |= {
            "row_id": node.id,
            "node": _shown(site, node, set(ids_of(node))),
            "uses": uses(site, node.id),
        }
        content["trained"] = trained(site, node.id)
    return page(site, "trace.html", "/trace", "Trace", **content)


def offers(site: Site) -> list[tuple[str, str]]:
    """Return (what it is, id) of a few rows worth following."""
    wanted = {"examples": "training row", "calls": "teacher call", "passages": "seed passage",
              "preferences": "preference pair", "judged": "judged reply"}  # fmt: skip
    found = []
    for place in site.tables.places():
        table_name = place.name.rpartition("/")[2]
        if table_name in wanted and place.rows:
            by_flow = "flow" in text_columns(place)
            chosen = "any_value(id), flow" if by_flow else "any_value(id), ''"
            grouped = "GROUP BY flow ORDER BY flow" if by_flow else ""
            rows = site.tables.cursor().execute(f"SELECT {chosen} FROM {glance(place)} {grouped}").fetchall()
            label = wanted.pop(table_name)
            found += [(f"{label} {flow}".strip(), row_id) for row_id, flow in rows]
    return found


def uses(site: Site, row_id: str) -> list[dict[str, Any]]:
    """Return the tables in which other rows name this one, with a few of them."""
    found = []
    for place in site.tables.places():
        columns = text_columns(place)
        for name in NAMING_COLUMNS:
            if name in columns:
                rows, total = _naming(site, place, name, columns, row_id)
                if total:
                    found.append({"table": place.name, "column": name, "rows": rows, "total": total})
    return found


def _naming(
    site: Site, place: Place, name: str, columns: dict[str, bool], row_id: str
) -> tuple[list[dict[str, Any]], int]:
    test = f"list_contains({quoted(name)}, ?)" if columns[name] else f"{quoted(name)} = ?"
    own = next((quoted(key) for key in ("id", "rollout_id", "item_id") if key in columns), "NULL")
    rows = site.tables.cursor().execute(
        f"SELECT file_row_number, {own}, count(*) OVER () "
        f"FROM {glance(place)} WHERE {test} LIMIT {SHOWN_USES}",
        [row_id],
    ).fetchall()  # fmt: skip
    return [{"number": row[0], "id": row[1]} for row in rows], rows[0][2] if rows else 0


def trained(site: Site, row_id: str) -> list[dict[str, Any]]:
    """Return where a training row was trained: the source it is counted under and the stages that read it."""
    finished = site.run.finished()
    found = []
    for place in site.tables.places():
        folder, _, name = place.name.partition("/")
        source = name.removeprefix("tokens/").removesuffix(".rows") if name.endswith(".rows") else ""
        if not source and not (folder.endswith("-sft_data") and name == "examples"):
            continue
        row = site.tables.cursor().execute(
            f"SELECT file_row_number FROM {glance(place)} WHERE id = ?", [row_id]
        ).fetchone()  # fmt: skip
        if row:
            stages = [stage for stage in TRAINED_BY.get(folder, ()) if stage in finished]
            tokens = _tokens(place.path, source, row[0]) if source else None
            found.append({"source": source or "the fine-tuning set", "stages": stages, "tokens": tokens,
                          "shares": _shares(site, source)})  # fmt: skip
    return found


def _tokens(rows: Path, source: str, document: int) -> int | None:
    """Return how many tokens the document has in the token store."""
    import numpy as np

    path = rows.with_name(f"{source}.starts.npy")
    if not path.exists():
        return None
    starts = np.load(path, mmap_mode="r")
    return int(starts[document + 1] - starts[document])


def _shares(site: Site, source: str) -> dict[str, float]:
    """Return stage -> times that the source was gone through in it."""
    found = {}
    for stage in ("pretrain", "midtrain"):
        stream = site.json(stage, "metrics.json", {}).get("streams", {}).get(source)
        if isinstance(stream, dict) and "epochs" in stream:
            found[stage] = float(stream["epochs"])
    return found


def ids_of(node: Node) -> Iterator[str]:
    """Yield the ids of a row and of everything that it came from."""
    yield node.id
    for parent in node.parents:
        yield from ids_of(parent)


def _shown(site: Site, node: Node, known: set[str]) -> dict[str, Any]:
    row = node.row
    named = [parent for parent in row.get("parents") or [] if parent not in {one.id for one in node.parents}]
    return {
        "id": node.id,
        "what": node.table[:-1] if node.table.endswith("s") else node.table,
        "stage": node.stage,
        "file": _file(row),
        "facts": [(key, row[key]) for key in FACTS if row.get(key) not in (None, "", [])],
        "texts": _texts(site, row),
        "parents": [_shown(site, parent, known) for parent in node.parents],
        "elsewhere": [parent for parent in named if parent in known],
        "missing": [parent for parent in named if parent not in known],
    }


FACTS = (
    "flow", "step", "source", "kind", "label", "skill", "method", "difficulty", "depth", "quality",
    "reasoning", "factual", "tags", "verdict", "reason", "finish", "prompt_tokens", "completion_tokens",
    "origin", "gap", "answer", "verifier", "meta",
)  # fmt: skip


def _file(row: dict[str, Any]) -> str:
    if "source" not in row or "start" not in row:
        return ""
    return f"{row['source']}, bytes {row['start']:,} to {row['end']:,}, licence {row.get('licence') or '?'}"


def _texts(site: Site, row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a person reads of a row: prompts, replies, texts, turns, ids as text."""
    texts = [(key, str(row[key])) for key in ("prompt", "reply", "solution", "text") if row.get(key)]
    texts += [(turn["role"], turn["content"]) for turn in row.get("messages") or []]
    for key in ("prompt_ids", "prefix_ids", "chosen_ids", "rejected_ids", "completion_ids"):
        if row.get(key):
            texts.append((key, site.text_of(list(row[key])) or json.dumps(list(row[key]))))
    return texts
