"""What the runs say: one score a mixture, and which law foretells it best.

n runs, m sources, T tasks, g distinct mixtures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trivium.mix.search.gaussian import GaussianProcess, fit_process
from trivium.mix.search.laws import LAWS, Law
from trivium.mix.search.space import Space

TRUSTED_RHO = 0.5
"""Least leave-one-out rank correlation at which a law is used at all."""

SURE = 2.0
"""A gain counts when it is larger than so many times the noise floor."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What is minimised: the weighted mean over tasks of loss over loss under the prior; 1 is the prior.

    A ratio, so that a task with many bits a byte does not drown one with few; bounded, so that a task that is
    nearly solved does not either.
    """

    name: str
    tasks: tuple[str, ...]
    weights: tuple[float, ...]
    """Sum to one."""
    reference: tuple[float, ...]
    """Mean loss of each task under the prior."""

    @property
    def factors(self) -> np.ndarray:
        """(T,) what one unit of each task's loss adds to the score."""
        return np.asarray(self.weights) / np.asarray(self.reference)

    def score(self, losses: np.ndarray) -> np.ndarray:
        """Scores (...,) of losses (..., T)."""
        return losses @ self.factors


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LawResult:
    """How well a law foretells mixtures that it was not shown."""

    name: str
    rho: float
    """Leave-one-out rank correlation of the score."""
    task_rho: tuple[float, ...]
    predicted: np.ndarray
    """(g,) leave-one-out scores."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Runs, their noise, and the laws fitted to them."""

    space: Space
    objective: Objective
    mixtures: np.ndarray
    """(g, m) distinct shares, in the order of their first run."""
    measured: np.ndarray
    """(g,) mean score of each."""
    results: tuple[LawResult, ...]
    """Best first."""
    noise: float
    """Standard deviation of the score over seeds at one mixture; 0 where none was repeated."""
    fits: dict[str, list[Law]]
    process: GaussianProcess
    """Of the score, for what is not known yet."""

    @property
    def best(self) -> LawResult:
        """The law with the highest leave-one-out rank correlation."""
        return self.results[0]

    @property
    def trusted(self) -> bool:
        """Whether that law ranks unseen mixtures well enough to be followed."""
        return self.best.rho >= TRUSTED_RHO

    def value(self, shares: np.ndarray) -> np.ndarray:
        """Score (k,) that the best law expects of mixtures (k, m)."""
        return self.value_by(self.best.name, shares)

    def value_by(self, law: str, shares: np.ndarray) -> np.ndarray:
        """Score (k,) that a law expects."""
        losses = np.stack([task(shares) for task in self.fits[law]], axis=-1)
        return self.objective.score(losses)

    def deviation(self, shares: np.ndarray) -> np.ndarray:
        """How unsure the score (k,) is: the process's deviation, and how far the laws are apart."""
        apart = np.stack([self.value_by(name, shares) for name in self.fits]).std(axis=0)
        return np.sqrt(self.process.deviation(shares) ** 2 + apart**2)


def study(space: Space, objective: Objective, shares: np.ndarray, losses: np.ndarray) -> Study:
    """Compare the laws on runs with shares (n, m) and losses (n, T), and fit all of them."""
    mixtures, group = distinct(shares)
    scores = objective.score(losses)
    measured = np.array([scores[group == g].mean() for g in range(len(mixtures))])
    results = [_leave_out(space, objective, name, shares, losses, group) for name in LAWS]
    return Study(
        space=space,
        objective=objective,
        mixtures=mixtures,
        measured=measured,
        results=tuple(sorted(results, key=lambda result: -result.rho)),
        noise=noise_floor(scores, group),
        fits={name: fit_tasks(space, name, shares, losses) for name in LAWS},
        process=fit_process(shares, scores),
    )


def distinct(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in order of appearance, and the number (n,) of each run's row."""
    _, first, group = np.unique(shares.round(6), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return shares[first[order]], np.argsort(order)[group.ravel()]


def noise_floor(scores: np.ndarray, group: np.ndarray) -> float:
    """Pooled standard deviation of runs that share a mixture and differ in their seed."""
    squares, freedom = 0.0, 0
    for g in np.unique(group):
        same = scores[group == g]
        squares += float(((same - same.mean()) ** 2).sum())
        freedom += len(same) - 1
    return float(np.sqrt(squares / freedom)) if freedom else 0.0


def fit_tasks(space: Space, law: str, shares: np.ndarray, losses: np.ndarray) -> list[Law]:
    """Fit a law to every task."""
    return [LAWS[law](space, shares, losses[:, task]) for task in range(losses.shape[1])]


def _leave_out(
    space: Space, objective: Objective, law: str, shares: np.ndarray, losses: np.ndarray, group: np.ndarray
) -> LawResult:
    """Predict every mixture from the others; all its seeds are left out together."""
    count, tasks = int(group.max()) + 1, losses.shape[1]
    predicted, measured = np.empty((count, tasks)), np.empty((count, tasks))
    for g in range(count):
        kept, row = group != g, shares[group == g][:1]
        fits = fit_tasks(space, law, shares[kept], losses[kept])
        predicted[g] = [float(fit(row)[0]) for fit in fits]
        measured[g] = losses[group == g].mean(axis=0)
    scores = objective.score(predicted)
    return LawResult(
        name=law,
        rho=spearman(scores, objective.score(measured)),
        task_rho=tuple(spearman(predicted[:, t], measured[:, t]) for t in range(tasks)),
        predicted=scores,
    )


def spearman(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """Rank correlation with ties at their mean rank; 0 where one side is constant."""
    a, b = _ranks(np.asarray(one)), _ranks(np.asarray(other))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place.ravel()]
