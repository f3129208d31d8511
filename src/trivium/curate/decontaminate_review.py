"""The page on which a person reviews a decontamination: each finding with its item, shared words marked."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.curate.decontaminate import LABELS, REPHRASED, Finding
from trivium.curate.decontaminate_index import Index
from trivium.curate.decontaminate_spans import shared_ranges

MAX_SHOWN = 200
"""Findings of each label on the page, those of the highest ratio first."""
CONTEXT = 300
"""Characters shown around what is shared."""
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;table-layout:fixed}td{border:1px solid #ccc;padding:.5rem;"
    "vertical-align:top;white-space:pre-wrap;overflow-wrap:anywhere}mark{background:#ffd54a}"
    "small{color:#555}h3{margin:1.5rem 0 .3rem}"
)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A row with what was found of it and what was done."""

    id: str
    source: str
    text: str
    finding: Finding
    done: str
    """kept | dropped | cut."""


def page(index: Index, rows: Sequence[Reviewed]) -> str:
    """Return a self-contained HTML page; rows without a finding are only counted."""
    counts = Counter(row.finding.label for row in rows)
    parts = [f"<!doctype html><meta charset=utf-8><title>Decontamination</title><style>{STYLE}</style>"]
    parts.append(f"<h1>Decontamination</h1><p>{len(rows):,} rows against {len(index.items):,} items, ")
    parts.append(f"{len(index.long.hashes):,} 13-grams ({index.allowed_13grams:,} more are allowed).</p><ul>")
    parts += [f"<li>{label}: {counts[label]:,}</li>" for label in LABELS]
    parts.append("</ul>")
    for label in LABELS[1:]:
        found = sorted((r for r in rows if r.finding.label == label), key=lambda r: (-r.finding.ratio, r.id))
        if found:
            parts.append(f"<h2>{label}: {min(len(found), MAX_SHOWN)} of {len(found)}</h2>")
            parts += [_one(index, row) for row in found[:MAX_SHOWN]]
    return "\n".join(parts) + "\n"


def _one(index: Index, row: Reviewed) -> str:
    finding = row.finding
    item = next(item for item in index.items if item.id == finding.item_id)
    ratio = f", {'similarity' if finding.label == REPHRASED else 'ratio'} {finding.ratio}"
    head = f"{html.escape(row.id)} <small>{html.escape(row.source)}, {row.done}{ratio * bool(finding.ratio)}"
    return (
        f"<h3>{head}</small></h3><table><tr><td>{_marked(index, row)}</td><td>"
        f"<small>{html.escape(item.id)}</small>\n{html.escape(item.text or item.prompt)}</td></tr></table>"
    )


def _marked(index: Index, row: Reviewed) -> str:
    text, ranges = row.text, shared_ranges(index, row.text, row.finding.item_id)
    if row.finding.label == REPHRASED:
        start = max(0, text.find(row.finding.gram))
        ranges = [(start, start + len(row.finding.gram))]
    if not ranges:
        return html.escape(text[: 2 * CONTEXT])
    left, right = max(0, ranges[0][0] - CONTEXT), min(len(text), ranges[-1][1] + CONTEXT)
    parts, place = ["\u2026" if left else ""], left
    for a, b in ranges:
        parts.append(f"{html.escape(text[place:a])}<mark>{html.escape(text[a:b])}</mark>")
        place = b
    return "".join([*parts, html.escape(text[place:right]), "\u2026" if right < len(text) else ""])
