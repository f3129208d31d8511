"""When to keep silent: a calibrated confidence decides, so that wrong answers go and right ones stay.

A model is asked every question several times. Its answer is the value that it names most often; the
confidence in it is fitted, on other questions than those it is used on, from how often the value came, how
often the model refused and how likely it found its words. What falls below a threshold is refused. The
Phi-4 report trains refusals in and takes what comes: that is one point, and as a curve the share of replies
that are no refusal (section 4.4, Fig. 6: 6.8 -> 3.0 % right).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trivium.records import Verdict

RIDGE = 1.0
"""Penalty of the fit's weights, on features of unit variance: it stays finite where classes separate."""
ROUNDS = 25
"""Newton steps of the fit; it has converged long before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One drawn reply."""

    text: str
    verdict: Verdict
    logprob: float
    """Mean log-probability of its tokens (natural)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a model would answer to a question, and what speaks for it."""

    item: str
    kind: str
    right: bool
    """Whether the answer is right; without an answer false."""
    answers: bool
    """Whether any reply named a value."""
    share: float
    """Of all replies, those that name the answer."""
    willing: float
    """Of all replies, those that are no refusal."""
    margin: float
    """`share` less the share of the second value."""
    logprob: float
    """Mean over the replies that name the answer."""

    @property
    def features(self) -> tuple[float, ...]:
        """What the confidence is fitted from."""
        return self.share, self.willing, self.margin, self.logprob


@dataclass(frozen=True, slots=True)
class Point:
    """What comes of a threshold, as shares of all questions; the rest is refused."""

    threshold: float
    right: float
    wrong: float


def hold(item: str, kind: str, replies: Sequence[Reply]) -> Held:
    """Return the most frequent value of a question's replies with what speaks for it; the first of equals."""
    named = [one for one in replies if one.verdict in (Verdict.RIGHT, Verdict.WRONG)]
    votes = Counter(_value(one.text) for one in named).most_common(2)
    own = [one for one in named if votes and _value(one.text) == votes[0][0]]
    second = votes[1][1] if len(votes) > 1 else 0
    count = max(1, len(replies))
    return Held(
        item=item,
        kind=kind,
        right=bool(own) and own[0].verdict == Verdict.RIGHT,
        answers=bool(own),
        share=len(own) / count,
        willing=len(named) / count,
        margin=(len(own) - second) / count,
        logprob=sum(one.logprob for one in own) / max(1, len(own)),
    )


def _value(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def fit(held: Sequence[Held]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit a logistic regression of `right` on the features: weights (constant first), means, scales."""
    x_NF = np.array([one.features for one in held], dtype=np.float64)
    mean_F, scale_F = x_NF.mean(0), x_NF.std(0) + 1e-9
    x_NF = np.column_stack([np.ones(len(held)), (x_NF - mean_F) / scale_F])
    y_N = np.array([one.right for one in held], dtype=np.float64)
    penalty_F = np.array([1e-3] + [RIDGE] * (x_NF.shape[1] - 1))
    weights_F = np.zeros(x_NF.shape[1])
    for _ in range(ROUNDS):
        p_N = 1 / (1 + np.exp(-x_NF @ weights_F))
        slope_F = x_NF.T @ (y_N - p_N) - penalty_F * weights_F
        curve_FF = (x_NF * (p_N * (1 - p_N))[:, None]).T @ x_NF + np.diag(penalty_F)
        weights_F = weights_F + np.linalg.solve(curve_FF, slope_F)
    return weights_F, mean_F, scale_F


def confidence(fitted: tuple[np.ndarray, np.ndarray, np.ndarray], held: Sequence[Held]) -> list[float]:
    """Return the fitted probability that each answer is right."""
    weights_F, mean_F, scale_F = fitted
    x_NF = (np.array([one.features for one in held], dtype=np.float64) - mean_F) / scale_F
    return [1 / (1 + math.exp(-min(50.0, max(-50.0, z)))) for z in weights_F[0] + x_NF @ weights_F[1:]]


def fold_of(item: str, folds: int) -> int:
    """Say in which part a question lies; its id alone decides."""
    return int.from_bytes(hashlib.blake2b(item.encode(), digest_size=8).digest(), "big") % folds


def cross_fitted(held: Sequence[Held], folds: int = 2) -> list[float]:
    """Return every question's confidence, fitted on the questions of the other parts."""
    found: dict[str, float] = {}
    for fold in range(folds):
        own = [one for one in held if fold_of(one.item, folds) == fold]
        others = [one for one in held if fold_of(one.item, folds) != fold]
        if own and others:
            found |= zip((one.item for one in own), confidence(fit(others), own), strict=True)
    return [found[one.item] for one in held]


def curve(held: Sequence[Held], scores: Sequence[float]) -> list[Point]:
    """Return what comes of every threshold on the scores, from nothing answered to everything."""
    points = [Point(math.inf, 0.0, 0.0)]
    right = wrong = 0
    order = sorted((i for i, one in enumerate(held) if one.answers), key=lambda i: -scores[i])
    for place, i in enumerate(order):
        right, wrong = right + held[i].right, wrong + (not held[i].right)
        if place + 1 == len(order) or scores[order[place + 1]] < scores[i]:
            points.append(Point(scores[i], right / len(held), wrong / len(held)))
    return points


def wrong_at(points: Sequence[Point], right: float) -> float:
    """Return the wrong share at a right share, between two points by mixing them; infinite above the last."""
    for before, after in zip(points, points[1:], strict=False):
        if before.right <= right <= after.right and after.right > before.right:
            part = (right - before.right) / (after.right - before.right)
            return before.wrong + part * (after.wrong - before.wrong)
    return points[0].wrong if right <= points[0].right else math.inf


def area(points: Sequence[Point]) -> float:
    """Return the mean wrong share over the right shares up to the greatest one: less is better."""
    top = points[-1].right
    steps = zip(points, points[1:], strict=False)
    whole = sum((b.right - a.right) * (a.wrong + b.wrong) / 2 for a, b in steps)
    return whole / top if top else 0.0


def threshold_keeping(held: Sequence[Held], scores: Sequence[float], kept: float) -> float:
    """Return the highest threshold that keeps this share of a development part's right answers."""
    right = sorted((s for one, s in zip(held, scores, strict=True) if one.right), reverse=True)
    return right[max(0, math.ceil(kept * len(right)) - 1)] if right else math.inf
