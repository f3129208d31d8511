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
    scale: float = 1.0
    """Platt's calibration: the probability is that of scale * logit + shift."""
    shift: float = 0.0

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probability of `good` for each text, shape (len(texts),)."""
        return sigmoid(self.scale * self.logits(texts) + self.shift)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the uncalibrated log-odds of `good` for each text, shape (len(texts),)."""
        return featurise(texts).dot(self.weights.astype(np.float64)) + self.bias


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x))."""
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
    logits = model.logits([texts[i] for i in held])
    scale, shift = platt(logits, labels[held])
    scores = sigmoid(scale * logits + shift)
    threshold = choose_threshold(scores, labels[held] > 0.5, min_precision)
    return QualityModel(model.weights, bias, threshold, scale, shift)


def platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return (scale, shift) under which the log-odds fit labels of 0 and 1.

    Platt 1999: logistic regression on the score with targets drawn in from 0 and 1, so that separable labels
    have a finite fit; Newton's method.
    """
    positives = float(labels.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return 1.0, 0.0
    targets = np.where(labels > 0.5, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    rows = np.stack([logits, np.ones(len(logits))], axis=1)
    fit = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    loss = _log_loss(rows @ fit, targets)
    for _ in range(100):
        said = sigmoid(rows @ fit)
        curve = (rows * (said * (1 - said))[:, None]).T @ rows + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, rows.T @ (said - targets))
        while (after := _log_loss(rows @ (fit - step), targets)) > loss and np.abs(step).max() > 1e-9:
            step = step / 2
        if loss - after < 1e-9 * len(logits):
            break
        fit, loss = fit - step, after
    return float(fit[0]), float(fit[1])


def _log_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    return float((np.logaddexp(0.0, logits) - targets * logits).sum())


def expected_calibration_error(scores: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Return the mean gap between score and share of `good`, over bins of equal width by their size."""
    places = np.minimum((scores * bins).astype(np.int64), bins - 1)
    sizes = np.bincount(places, minlength=bins)
    said = np.bincount(places, weights=scores, minlength=bins)
    was = np.bincount(places, weights=truth.astype(np.float64), minlength=bins)
    return float(np.abs(said - was).sum() / max(1, sizes.sum()))


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
        "ece": round(expected_calibration_error(scores, truth), 4),
        "threshold": model.threshold,
    }


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the chance that a good page scores above a bad one; ties count half; 0.5 with one class only."""
    good, bad = np.sort(scores[truth]), np.sort(scores[~truth])
    if not len(good) or not len(bad):
        return 0.5
    below = np.searchsorted(bad, good, side="left") + np.searchsorted(bad, good, side="right")
    return float(below.mean() / 2 / len(bad))
