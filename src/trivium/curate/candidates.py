"""Candidates: documents on their way through curation, with what was found out about them so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from trivium.curate.extract.html import extract
from trivium.curate.readers.made_web.maker import Page
from trivium.records import Document, Drop, from_table, row_id, to_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A document with its origin and the verdict of the heuristics."""

    id: str
    kind: str
    text: str
    source: str
    start: int
    end: int
    licence: str
    language: str
    label: str = ""
    meta: str = ""
    parents: list[str] = dataclasses.field(default_factory=list)
    """For a made page: the prose documents that it shows."""
    group: str = ""
    """For a made page: the good page whose prose it shows or that it was drawn beside."""
    reason: str = ""
    """Why a heuristic dropped it; empty while it is kept."""
    step: str = ""
    score: float = 0.0
    """Code: `code_score`; prose: probability of the quality classifier, once known."""


def from_document(document: Document) -> Candidate:
    """Start the way of a document."""
    return Candidate(**{f.name: getattr(document, f.name) for f in dataclasses.fields(Document)})


def to_document(candidate: Candidate) -> Document:
    """End the way of a kept candidate."""
    return Document(**{f.name: getattr(candidate, f.name) for f in dataclasses.fields(Document)})


def from_page(page: Page) -> Candidate:
    """Extract a made page; one without main text gets the reason."""
    extraction = extract(page.html)
    return Candidate(
        id=row_id("curate.extract", [page.id], extraction.text),
        kind="web",
        text=extraction.text,
        source=page.url,
        start=0,
        end=len(page.html),
        licence="PSF-2.0",
        language="",
        label=page.label,
        parents=page.parents,
        group=page.group,
        reason=extraction.reason or "",
        step="extract",
    )


def drop_of(candidate: Candidate, step: str = "", reason: str = "", detail: str = "") -> Drop:
    """Record why a candidate was dropped."""
    return Drop(
        id=candidate.id,
        step=f"curate.{step or candidate.step}",
        reason=reason or candidate.reason,
        detail=detail,
        source=candidate.source,
    )


def candidates_table(candidates: Iterable[Candidate]) -> pa.Table:
    """Return candidates as a table, with the bytes of each text as `size`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = to_table(Candidate, candidates)
    return table.append_column("size", pc.cast(pc.binary_length(table["text"]), pa.int64()))


def candidates_of(table: pa.Table) -> list[Candidate]:
    """Return the candidates of a table."""
    return from_table(Candidate, table)
