"""Clusters of duplicates, as the page of a curate run shows them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

MAX_CLUSTERS = 60
"""So many stand on the page, the largest; all are in duplicates.parquet."""
MAX_SOURCES = 5
SHOWN_CHARS = 240


def clusters(rows: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the largest clusters: whose copies they are, how many of each method, and where those stood.

    Args:
        rows: Those of duplicates.parquet; what one step kept, a later one may have found to be a copy.
        texts: Beginnings of kept documents by id; one that went for another reason has no text to show.
    """
    kept = {row["id"]: row["kept_id"] for row in rows}
    sources = {row["kept_id"]: row["kept_source"] for row in rows}
    members: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        members[_head(row["id"], kept)].append(row)
    ranked = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {
            "size": len(copies) + 1,
            **Counter({"exact": 0, "near": 0, "semantic": 0}),
            **Counter(row["method"] for row in copies),
            "similarity": min(row["similarity"] for row in copies),
            "source": sources[head],
            "sources": list(dict.fromkeys(row["source"] for row in copies))[:MAX_SOURCES],
            "text": texts.get(head, "(dropped later, for another reason)"),
        }
        for head, copies in ranked[:MAX_CLUSTERS]
    ]


def beginning(text: str) -> str:
    """Return as much of a text as is shown of it, on one line."""
    return " ".join(text.split())[:SHOWN_CHARS]


def _head(name: str, kept: Mapping[str, str]) -> str:
    while name in kept:
        name = kept[name]
    return name
