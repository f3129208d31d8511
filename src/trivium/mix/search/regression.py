"""Ridge regression whose strength is chosen by its own leave-one-out errors, in closed form.

n runs, p features.
"""

from __future__ import annotations

import dataclasses

import numpy as np

STRENGTHS = (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Of the penalty, in units of the features' own spread."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ridge:
    """A fitted line."""

    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    press: float
    """Weighted mean of squared leave-one-out errors."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Values (n,) at features (n, p)."""
        return (features - self.mean) / self.scale @ self.coefficients + self.intercept


def fit_ridge(features: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Ridge:
    """Fit with the strength whose leave-one-out errors are least.

    Args:
        features: (n, p).
        targets: (n,).
        weights: (n,) of the squared errors; only their ratios count in the fit.
    """
    share = weights / weights.sum()
    mean = share @ features
    scale = np.sqrt(share @ (features - mean) ** 2)
    scale = np.where(scale > 1e-12, scale, 1.0)
    scaled = (features - mean) / scale
    intercept = float(share @ targets)
    root = np.sqrt(share)
    a, b = root[:, None] * scaled, root * (targets - intercept)
    left, values, right = np.linalg.svd(a, full_matrices=False)
    best: Ridge | None = None
    for strength in STRENGTHS:
        shrink = values**2 / (values**2 + strength / len(targets))
        residual = b - left @ (shrink * (left.T @ b))
        # The mean costs one parameter; in the weighted rows its leverage is the row's share.
        leverage = (left**2) @ shrink + share
        press = float(((residual / np.maximum(1 - leverage, 1e-6)) ** 2).sum() * weights.sum() / len(targets))
        if best is None or press < best.press:
            inverse = values / (values**2 + strength / len(targets))
            best = Ridge(mean, scale, right.T @ (inverse * (left.T @ b)), intercept, press)
    assert best is not None
    return best
