"""A small quality classifier: logistic regression on hashed n-grams, trained on pages of known label.

Large curations train such a classifier on labels from a language model (Phi-4 report, section 2.3;
FineWeb-Edu; DCLM). Here the labels come from the maker of the pages, so precision and recall are exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trivium.curate.quality.features import COLUMNS, Sparse, featurise
from trivium.stats import wilson

PARTS = {"train": 0.6, "calibrate": 0.2, "test": 0.2}
STEPS = 60
RATE = 0.3
DECAY = 2e-4
"""L2 penalty on the mean loss."""


@dataclass(frozen=True)
class QualityModel:
    """Weights and the threshold chosen on the calibration part."""

    weights: np.ndarray
    """float32, shape (COLUMNS,)."""
    bias: float
    threshold: float

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probability of `good` for each text, shape (len(texts),)."""
        logits = featurise(texts).dot(self.weights.astype(np.float64)) + self.bias
        return 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))


def part_of(group: str) -> str:
    """Say in which part a page is, by a hash of the page whose prose it shows."""
    place = int.from_bytes(hashlib.blake2b(group.encode(), digest_size=4).digest()) / 2**32
    edge = 0.0
    for name, share in PARTS.items():
        edge += share
        if place < edge:
            return name
    return "test"


def train(
    texts: Sequence[str], good: Sequence[bool], parts: Sequence[str], min_precision: float
) -> QualityModel:
    """Fit on the train part and choose the threshold on the calibration part.

    Args:
        texts: Extracted pages.
        good: Known label of each.
        parts: `part_of` each page's group.
        min_precision: Wanted on the calibration part (FinePDFs chooses its thresholds by a precision of 0.9).
    """
    labels = np.array(good, dtype=np.float64)
    chosen = [i for i, part in enumerate(parts) if part == "train"]
    weights, bias = _fit(featurise([texts[i] for i in chosen]), labels[chosen])
    model = QualityModel(weights.astype(np.float32), bias, 0.5)
    held = [i for i, part in enumerate(parts) if part == "calibrate"]
    scores = model.score([texts[i] for i in held])
    return QualityModel(model.weights, bias, choose_threshold(scores, labels[held] > 0.5, min_precision))


def _fit(features: Sparse, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Minimise the class-balanced logistic loss by Adam over the whole batch; no randomness."""
    positives = max(1.0, labels.sum())
    balance = np.where(labels > 0.5, 0.5 / positives, 0.5 / max(1.0, len(labels) - positives))
    weights, bias = np.zeros(COLUMNS), 0.0
    first, second = np.zeros(COLUMNS + 1), np.zeros(COLUMNS + 1)
    for step in range(1, STEPS + 1):
        errors = balance * (1.0 / (1.0 + np.exp(-(features.dot(weights) + bias))) - labels)
        gradient = np.append(features.transpose_dot(errors) + DECAY * weights, errors.sum())
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        move = RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
        weights, bias = weights - move[:-1], bias - float(move[-1])
    return weights, bias


def choose_threshold(scores: np.ndarray, good: np.ndarray, min_precision: float) -> float:
    """Return the lowest threshold that reaches the precision, or the one of best F1 where none does."""
    if not len(scores) or not good.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(good[order])
    precision, recall = hits / np.arange(1, len(scores) + 1), hits / good.sum()
    ok = np.flatnonzero(precision >= min_precision)
    best = int(ok[-1]) if len(ok) else int(np.argmax(2 * precision * recall / (precision + recall + 1e-12)))
    below = scores[order[best + 1]] if best + 1 < len(scores) else 0.0
    return round(float((scores[order[best]] + below) / 2), 6)


def evaluate(model: QualityModel, texts: Sequence[str], good: Sequence[bool]) -> dict[str, Any]:
    """Return precision, recall (with 95 % intervals) and F1 at the threshold, and the area under the ROC."""
    truth = np.array(good, dtype=bool)
    scores = model.score(texts)
    said = scores >= model.threshold
    hits = int((said & truth).sum())
    precision, recall = hits / max(1, int(said.sum())), hits / max(1, int(truth.sum()))
    return {
        "pages": len(texts),
        "good_pages": int(truth.sum()),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "precision_interval": [round(edge, 4) for edge in wilson(hits, max(1, int(said.sum())))],
        "recall_interval": [round(edge, 4) for edge in wilson(hits, max(1, int(truth.sum())))],
        "f1": round(2 * precision * recall / max(1e-12, precision + recall), 4),
        "auc": round(auc(scores, truth), 4),
        "threshold": model.threshold,
    }


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the chance that a good page scores above a bad one; ties count half; 0.5 with one class only."""
    good, bad = np.sort(scores[truth]), np.sort(scores[~truth])
    if not len(good) or not len(bad):
        return 0.5
    below = np.searchsorted(bad, good, side="left") + np.searchsorted(bad, good, side="right")
    return float(below.mean() / 2 / len(bad))
