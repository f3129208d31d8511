"""Candidates: documents on their way through curation, with what was found out about them so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from trivium.curate.extract.html import extract
from trivium.curate.quality.code import code_score, judge_code
from trivium.curate.quality.language import UNKNOWN, detect
from trivium.curate.quality.limits import HeuristicLimits
from trivium.curate.quality.outliers import CharModel, judge_compression
from trivium.curate.quality.prose import BOOK_FILTERS, judge_prose
from trivium.curate.quality.stats import prose_of
from trivium.curate.readers.made_web.maker import Page
from trivium.records import Document, Drop, from_table, row_id, to_table

if TYPE_CHECKING:
    import pyarrow as pa

MIN_LANGUAGE_CHARS = 200
"""Shorter prose is taken for what its source says: identification errs on a few technical words."""


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


@dataclasses.dataclass(frozen=True, slots=True)
class Judge:
    """All that the heuristics need; goes to every worker."""

    limits: HeuristicLimits
    chars: CharModel | None
    """None: no clean reference text was there to set a bound."""
    languages: tuple[str, ...]
    min_language_score: float

    def judge(self, candidate: Candidate) -> Candidate:
        """Return the candidate with the first objection to it, its language and, for code, its score."""
        if candidate.reason or candidate.kind == "facts":
            return candidate
        if candidate.kind == "code":
            reason = judge_code(candidate.text, self.limits)
            score = 0.0 if reason else code_score(candidate.text)
            return dataclasses.replace(candidate, reason=reason or "", step="heuristics", score=score)
        step, reason = self._judge_prose(candidate)
        if reason:
            return dataclasses.replace(candidate, reason=reason, step=step)
        return self._judge_language(candidate)

    def _judge_prose(self, candidate: Candidate) -> tuple[str, str | None]:
        text = candidate.text
        if candidate.kind == "books":
            limits = dataclasses.replace(self.limits, min_words=self.limits.min_words_books)
            reason = judge_prose(text, limits, BOOK_FILTERS)
        else:
            reason = judge_prose(text, self.limits)
        if reason:
            return "heuristics", reason
        return "outliers", judge_compression(text) or (self.chars.judge(text) if self.chars else None)

    def _judge_language(self, candidate: Candidate) -> Candidate:
        prose = prose_of(candidate.text)
        if not self.languages or len(prose) < MIN_LANGUAGE_CHARS:
            return candidate
        language, score = detect(prose)
        if language == UNKNOWN or score < self.min_language_score:
            return candidate
        if language not in self.languages:
            return dataclasses.replace(
                candidate, reason=f"language_{language}", step="language", language=language
            )
        return dataclasses.replace(candidate, language=language)


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
    """Return candidates as a table."""
    return to_table(Candidate, candidates)


def candidates_of(table: pa.Table) -> list[Candidate]:
    """Return the candidates of a table."""
    return from_table(Candidate, table)
