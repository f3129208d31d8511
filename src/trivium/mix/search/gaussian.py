"""A Gaussian process over mixtures: a smooth function that knows how little it knows between its points.

n runs, m sources, k new mixtures. Inputs are square roots of shares, where Euclidean distance is Hellinger's.
Source: Rasmussen and Williams 2006, chapter 2.
"""

from __future__ import annotations

import dataclasses

import numpy as np

LENGTHS = (0.15, 0.25, 0.4, 0.65, 1.0, 1.6)
"""Length scales that are tried, in Hellinger distance (two mixtures are at most sqrt(2) apart)."""

NOISES = (1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Noise that is tried, as a share of the function's variance."""


@dataclasses.dataclass(frozen=True, slots=True)
class GaussianProcess:
    """A posterior."""

    inputs: np.ndarray
    """(n, m) square roots of shares."""
    length: float
    noise: float
    mean: float
    variance: float
    factor: np.ndarray
    """Cholesky factor of the correlation with noise."""
    weights: np.ndarray

    def predict(self, shares: np.ndarray) -> np.ndarray:
        """Posterior mean (k,) at shares (k, m)."""
        return self.mean + correlation(np.sqrt(shares), self.inputs, self.length) @ self.weights

    def deviation(self, shares: np.ndarray) -> np.ndarray:
        """Standard deviation (k,) of the function, without the noise of a run."""
        cross = correlation(np.sqrt(shares), self.inputs, self.length)
        solved = np.linalg.solve(self.factor, cross.T)
        return np.sqrt(np.maximum(self.variance * (1 - (solved**2).sum(0)), 1e-18))


def correlation(one: np.ndarray, other: np.ndarray, length: float) -> np.ndarray:
    """Squared-exponential correlation between rows."""
    squared = ((one[:, None] - other[None]) ** 2).sum(-1)
    return np.exp(-0.5 * squared / length**2)


def fit_process(shares: np.ndarray, values: np.ndarray) -> GaussianProcess:
    """Fit to values (n,) at shares (n, m); length and noise maximise the marginal likelihood on a grid."""
    inputs = np.sqrt(shares)
    found = [condition(inputs, values, length, noise) for length in LENGTHS for noise in NOISES]
    return max(found, key=lambda pair: pair[0])[1]


def condition(
    inputs: np.ndarray, values: np.ndarray, length: float, noise: float
) -> tuple[float, GaussianProcess]:
    """Return the log marginal likelihood, with mean and variance at their best, and the posterior."""
    count = len(values)
    factor = np.linalg.cholesky(correlation(inputs, inputs, length) + noise * np.eye(count))
    ones, solved = np.linalg.solve(factor, np.ones(count)), np.linalg.solve(factor, values)
    mean = float(ones @ solved / (ones @ ones))
    rest = solved - mean * ones
    variance = max(float(rest @ rest) / count, 1e-18)
    likelihood = -0.5 * count * np.log(variance) - float(np.log(np.diag(factor)).sum())
    weights = np.linalg.solve(factor.T, rest)
    return likelihood, GaussianProcess(inputs, length, noise, mean, variance, factor, weights)
