"""Laws of mixing: from a mixture to a loss, one fitted function a task.

n runs, m sources. No law is the right one (Aioli, arXiv 2411.05735, finds that none always beats stratified
sampling), so they are compared by what they say about mixtures that they were not shown.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trivium.mix.search.gaussian import fit_process
from trivium.mix.search.regression import Ridge, fit_ridge
from trivium.mix.search.space import Space

Law = Callable[[np.ndarray], np.ndarray]
"""From shares (k, m) to losses (k,)."""

FLOORS = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Irreducible losses that the log-linear law tries, as shares of the least loss seen."""

LITTLE = 0.05
"""Epochs added before the logarithm, so that a source that is left out has one."""


def fit_log_linear(space: Space, shares: np.ndarray, losses: np.ndarray) -> Law:
    """Fit loss = c + exp(a + b . shares + d . log(1 + epochs)).

    Source: Olmix, arXiv 2602.12237 (log-linear law a task), with a term for repetition. Fitted for log(loss -
    c) by ridge regression; an error there is one of the loss divided by loss - c, and is weighted so.
    """

    def features(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, np.log1p(space.epochs(rows))], axis=-1)

    def fit(least: float) -> tuple[float, Ridge]:
        above = losses - least
        return least, fit_ridge(features(shares), np.log(above), above**2)

    least, line = min((fit(part * float(losses.min())) for part in FLOORS), key=lambda pair: pair[1].press)
    return lambda rows: least + np.exp(line.predict(features(rows)))


def fit_quadratic(space: Space, shares: np.ndarray, losses: np.ndarray) -> Law:
    """Fit log loss by ridge regression on shares, their squares and log epochs."""

    def features(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, rows**2, np.log(LITTLE + space.epochs(rows))], axis=-1)

    line = fit_ridge(features(shares), np.log(losses), losses**2)
    return lambda rows: np.exp(line.predict(features(rows)))


def fit_gaussian(space: Space, shares: np.ndarray, losses: np.ndarray) -> Law:
    """Fit a Gaussian process to the losses."""
    return fit_process(shares, losses).predict


LAWS: dict[str, Callable[[Space, np.ndarray, np.ndarray], Law]] = {
    "log-linear": fit_log_linear,
    "quadratic": fit_quadratic,
    "Gaussian process": fit_gaussian,
}
"""Name -> its fit; adding a law is one function and one line."""
