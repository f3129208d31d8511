"""The verdict of the heuristics, the outlier tests and the language on one candidate."""

from __future__ import annotations

import dataclasses
import re

from trivium.curate.candidates import Candidate
from trivium.curate.quality.code import code_score, judge_code
from trivium.curate.quality.language import UNKNOWN, detect
from trivium.curate.quality.limits import HeuristicLimits
from trivium.curate.quality.outliers import CharModel, judge_compression
from trivium.curate.quality.prose import BOOK_FILTERS, judge_prose
from trivium.curate.quality.published import judge_page
from trivium.curate.quality.stats import prose_of

MIN_LANGUAGE_CHARS = 200
"""Shorter prose is taken for what its source says: identification errs on a few technical words."""
ENGLISH = "en"
FORMULA = re.compile(r"\$\$.{1,4000}?\$\$|\$[^$\n]{1,400}\$|`[^`\n]{1,400}`", re.DOTALL)
"""Formulas and code within prose: C4 takes their braces for a page of source code."""
MARKS = re.compile(r"(?<=\])\([^()\s]*\)|^-{3,}$|[*_|`>~\[\]]", re.MULTILINE)
"""Signs and addresses of Markdown: each would count as a word without a letter."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judge:
    """All that the heuristics need; goes to every worker."""

    limits: HeuristicLimits
    chars: CharModel | None
    """None: no clean reference text was there to set a bound."""
    languages: tuple[str, ...]
    min_language_score: float
    published: bool = False
    """Web pages are judged by `quality.published`, not by `limits`."""

    def judge(self, candidate: Candidate) -> Candidate:
        """Return the candidate with the first objection to it, its language and, for code, its score."""
        if candidate.reason or candidate.kind == "facts":
            return candidate
        if candidate.kind == "code":
            reason = judge_code(candidate.text, self.limits)
            score = 0.0 if reason else code_score(candidate.text)
            return dataclasses.replace(candidate, reason=reason or "", step="heuristics", score=score)
        language = self._language(candidate)
        step, reason = self._judge_prose(candidate, language)
        if reason:
            return dataclasses.replace(candidate, reason=reason, step=step)
        if self.languages and language and language not in self.languages:
            return dataclasses.replace(
                candidate, reason=f"language_{language}", step="language", language=language
            )
        return dataclasses.replace(candidate, language=language or candidate.language)

    def _judge_prose(self, candidate: Candidate, language: str) -> tuple[str, str | None]:
        text = candidate.text
        english = language in ("", ENGLISH)
        if candidate.kind == "books":
            limits = dataclasses.replace(self.limits, min_words=self.limits.min_words_books)
            step, reason = "heuristics", judge_prose(text, limits, BOOK_FILTERS)
        elif self.published:
            step, reason = "published", judge_published(text, self.limits, english)
        else:
            step, reason = "heuristics", judge_prose(text, self.limits)
        if reason:
            return step, reason
        odd = self.chars.judge(text) if self.chars and english else None
        return "outliers", judge_compression(text) or odd

    def _language(self, candidate: Candidate) -> str:
        """Return what the text is surely written in, else what its source says of it."""
        prose = prose_of(candidate.text)
        if len(prose) < MIN_LANGUAGE_CHARS:
            return candidate.language
        language, score = detect(prose)
        sure = language != UNKNOWN and score >= self.min_language_score
        return language if sure else candidate.language


def judge_published(text: str, limits: HeuristicLimits, english: bool) -> str | None:
    """Return the papers' first objection to a page, or that to wrongly decoded text.

    Only prose is judged, and C4's choice of lines decides nothing but the verdict: the page is kept whole,
    with its headings, formulas, code and tables.
    """
    prose = MARKS.sub("", FORMULA.sub("", prose_of(text)))
    return judge_prose(text, limits, ("bad_characters",)) or judge_page(prose, english, signs=False).reason
