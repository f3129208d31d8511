"""Annotate, train, calibrate, apply, audit: one pass from texts to scores, for any label of yes or no.

The Phi-4 report (section 2.3) filters web dumps by small classifiers that learn from a language model's
annotations. Here the labels are given or asked for; a linear classifier on hashed n-grams learns them, is
calibrated and gets its threshold on texts it did not learn from, and is measured on others again. Texts of
one group (a site, a book) are all in one of these parts. Scores are kept apart from texts, and the threshold
is applied later by whoever reads them.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trivium.curate.quality import classifier
from trivium.curate.quality.annotate import Annotation, agreement
from trivium.curate.quality.classifier import PARTS, QualityModel
from trivium.errors import DataError

LEAST = 5
"""Labelled texts of either kind that every part needs."""
AUDIT_ROWS, AUDIT_CHARS = 12, 600
"""Texts on either side of the threshold that a person is shown, and characters of each."""


@dataclass(frozen=True)
class Learned:
    """The classifier, all scores, and how good they are."""

    model: QualityModel
    scores: np.ndarray
    """float64, shape (texts,): probability of the label, calibrated."""
    report: dict[str, Any]


def learn(
    texts: Sequence[str], groups: Sequence[str], labels: Sequence[bool | None], min_precision: float
) -> Learned:
    """Train on the labelled texts, score all.

    Args:
        texts: Any texts.
        groups: What each comes from; texts of one group never lie in two parts.
        labels: None where unknown.
        min_precision: Wanted on the calibration part, in (0, 1].

    Raises:
        DataError: A part lacks labelled texts of one kind.
    """
    known = [i for i, label in enumerate(labels) if label is not None]
    parts = [classifier.part_of(groups[i]) for i in known]
    good = [bool(labels[i]) for i in known]
    _refuse_too_few(parts, good)
    model = classifier.train([texts[i] for i in known], good, parts, min_precision)
    report = {}
    for part in ("calibrate", "test"):
        chosen = [place for place, name in enumerate(parts) if name == part]
        report[part] = classifier.evaluate(
            model, [texts[known[p]] for p in chosen], [good[p] for p in chosen]
        )
    scores = model.score(texts)
    return Learned(
        model,
        scores,
        {
            **report["test"],
            "calibration": report["calibrate"],
            "labelled": len(known),
            "texts": len(texts),
            "above_threshold": int((scores >= model.threshold).sum()),
        },
    )


def _refuse_too_few(parts: Sequence[str], good: Sequence[bool]) -> None:
    for part in PARTS:
        inside = [label for label, name in zip(good, parts, strict=True) if name == part]
        yes, no = sum(inside), len(inside) - sum(inside)
        if min(yes, no) < LEAST:
            raise DataError(
                f"classify: got {yes} texts with the label and {no} without it in the {part} part; expected "
                f"at least {LEAST} of each, label more texts or more groups (parts are cut between groups)."
            )


def given_and_asked(
    given: Sequence[bool | None], asked: Sequence[Annotation]
) -> tuple[list[bool | None], dict[str, float | int]]:
    """Return the annotator's labels for all rows it judged, and how they agree with the given ones.

    The given labels are then only a yardstick: what is learned is what the annotator said.
    """
    labels: list[bool | None] = [None] * len(given)
    said, known = [], []
    for annotation in asked:
        labels[annotation.row] = annotation.label
        truth = given[annotation.row]
        if annotation.label is not None and truth is not None:
            said.append(annotation.label)
            known.append(truth)
    unclear = sum(annotation.label is None for annotation in asked)
    return labels, {**agreement(said, known), "asked": len(asked), "unclear": unclear}


def audit_page(texts: Sequence[str], ids: Sequence[str], learned: Learned) -> str:
    """Return an HTML page with the texts next to the threshold and at both ends, for a person to judge."""
    order = np.argsort(learned.scores, kind="stable")
    at = int(np.searchsorted(learned.scores[order], learned.model.threshold))
    sides = {
        "just kept": order[at : at + AUDIT_ROWS],
        "just left out": order[max(0, at - AUDIT_ROWS) : at][::-1],
        "highest": order[::-1][:AUDIT_ROWS],
        "lowest": order[:AUDIT_ROWS],
    }
    parts = [
        "<!doctype html><meta charset=utf-8><title>Audit</title><style>body{font:15px/1.5 system-ui;"
        "max-width:60rem;margin:2rem auto}pre{white-space:pre-wrap;background:#f4f4f4;padding:.6rem}</style>",
        f"<h1>Audit</h1><p>Threshold {learned.model.threshold:.4f}; {len(texts):,} texts.</p>",
    ]
    for name, rows in sides.items():
        parts.append(f"<h2>{name}</h2>")
        for row in rows.tolist():
            head = f"{html.escape(ids[row])} {learned.scores[row]:.4f}"
            parts.append(f"<h3>{head}</h3><pre>{html.escape(texts[row][:AUDIT_CHARS])}</pre>")
    return "\n".join(parts) + "\n"
