"""What a model knows, read before it answers: a chance of being right fitted from its hidden states.

Whether a single question was answered rightly four times of four is partly luck, and refusals taught by luck
are learnt as a habit: right answers go with the wrong ones. What the states say of all questions alike is
what the model can tell apart itself, so it is this that decides which refusals are taught.

Source: P(IK), "I know", of Kadavath et al. 2022 (arXiv 2207.05221), here a ridge regression, not a head.
Shapes: N questions, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

DEPTH = 2 / 3
"""Of the blocks; the last ones turn to the words of the reply."""
PENALTY = 16.0
"""Ridge, for each of H features of unit variance."""
FOLDS = 10
BATCH = 32


def confidence(
    folder: str | Path, prompts: Sequence[Sequence[int]], right_fracs: Sequence[float], seed: int
) -> list[float]:
    """Return for each question the chance of a right reply that the other questions' states suggest.

    Args:
        folder: Hugging Face folder of the model that was asked.
        prompts: Ids after which it replied.
        right_fracs: Share of its replies that were right.
        seed: Of the folds.
    """
    from trivium.models.states import last_states, num_blocks

    if not prompts:
        return []
    layer = round(DEPTH * num_blocks(folder))
    states_NH = last_states(folder, prompts, layer, BATCH, "auto").double().numpy()
    return cross_fitted(states_NH, np.asarray(right_fracs, dtype=float), seed).tolist()


def cross_fitted(states_NH: np.ndarray, right_N: np.ndarray, seed: int) -> np.ndarray:
    """Predict every row from a ridge regression on the rows outside its fold; the mean where rows are few."""
    count = len(right_N)
    found_N = np.full(count, right_N.mean())
    if count <= 2 * FOLDS:
        return found_N
    fold_N = np.random.default_rng(seed).permutation(count) % FOLDS
    for fold in range(FOLDS):
        rest = fold_N != fold
        scale_H = states_NH[rest].std(axis=0) + 1e-6
        features_NH = (states_NH - states_NH[rest].mean(axis=0)) / scale_H
        known_NH, mean = features_NH[rest], right_N[rest].mean()
        square_HH = known_NH.T @ known_NH + PENALTY * len(scale_H) * np.eye(len(scale_H))
        weights_H = np.linalg.solve(square_HH, known_NH.T @ (right_N[rest] - mean))
        found_N[~rest] = mean + features_NH[~rest] @ weights_H
    return found_N.clip(0.0, 1.0)
