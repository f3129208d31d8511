"""Where to go next: the optimum of a law held near the prior, and the mixtures that promise most.

k mixtures, m sources.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from trivium.mix.search.design import dirichlet
from trivium.mix.search.gaussian import GaussianProcess, condition
from trivium.mix.search.space import Space, divergence
from trivium.mix.search.study import Study

PENALTY = 0.02
"""Score that one nat of divergence from the prior costs. Olmix, arXiv 2602.12237, charges 0.1 of the loss
itself; our score is a ratio in which a whole mixture is worth a few hundredths."""

CANDIDATES = 4000
STARTS = 6
FIRST_STEP, LAST_STEP = 0.1, 2.5e-4
"""Of the pattern search, in shares."""

Value = Callable[[np.ndarray], np.ndarray]
"""From mixtures (k, m) to scores (k,), lower is better."""


def optimum(space: Space, value: Value, penalty: float = PENALTY, seed: int = 0) -> np.ndarray:
    """Return the mixture that minimises value + penalty x KL(mixture || prior) within the bounds.

    A pattern search from several starts: moves of share from one source to another, halved when none helps.
    These moves generate every direction within the simplex and its bounds, so that for a smooth value it ends
    at a minimum, to `LAST_STEP` in the shares.
    """
    prior = np.asarray(space.prior)

    def cost(rows: np.ndarray) -> np.ndarray:
        return value(rows) + penalty * divergence(rows, prior)

    drawn = dirichlet(space, prior, CANDIDATES, seed)
    fixed = [prior, space.uniform(), space.natural()]
    rows = np.concatenate([np.stack(fixed), drawn])
    starts = rows[np.argsort(cost(rows), kind="stable")[:STARTS]]
    ends = np.stack([_descend(space, cost, start) for start in starts])
    return ends[int(np.argmin(cost(ends)))]


def _descend(space: Space, cost: Value, start: np.ndarray) -> np.ndarray:
    low, high = np.asarray(space.low), np.asarray(space.high)
    sources = len(low)
    pairs = [(i, j) for i in range(sources) for j in range(sources) if i != j]
    here, level, step = start, float(cost(start[None])[0]), FIRST_STEP
    while step >= LAST_STEP:
        moves = np.repeat(here[None], len(pairs), axis=0)
        for row, (i, j) in enumerate(pairs):
            size = min(step, here[i] - low[i], high[j] - here[j])
            moves[row, i] -= size
            moves[row, j] += size
        costs = cost(moves)
        best = int(np.argmin(costs))
        if costs[best] < level - 1e-12:
            here, level = moves[best], float(costs[best])
        else:
            step /= 2
    return here


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """How far below the best score a mixture is expected to come, counting nothing where it does not.

    Source: Jones, Schonlau and Welch 1998, for minimisation.
    """
    normal = NormalDist()
    safe = np.maximum(deviation, 1e-12)
    z = (best - mean) / safe
    below = np.array([normal.cdf(value) for value in z])
    density = np.array([normal.pdf(value) for value in z])
    return (best - mean) * below + safe * density


def next_round(
    found: Study, count: int, seed: int, also: Sequence[np.ndarray] = (), penalty: float = PENALTY
) -> list[np.ndarray]:
    """Return mixtures to try next: the law's optimum, those given, then the largest expected improvement.

    The batch is filled one by one; each mixture is taken as if it had come out as expected, so that the next
    one looks elsewhere (kriging believer; Ginsbourger, Le Riche and Carraro 2010). Where no law is trusted
    the process alone stands for the score.

    Args:
        found: What is known.
        count: Mixtures of the round.
        seed: Of the candidates.
        also: Mixtures that are wanted in any case, as far as there is room.
        penalty: See `PENALTY`.
    """
    space = found.space
    value = found.value if found.trusted else found.process.predict
    centre = optimum(space, value, penalty, seed)
    chosen = [row for row in [centre, *also] if not _near(row, found.mixtures)][:count]
    pool = np.concatenate(
        [
            dirichlet(space, centre, CANDIDATES // 20, seed + 1, (1.0, 20.0)),
            dirichlet(space, np.asarray(space.prior), CANDIDATES // 20, seed + 2),
        ]
    )
    cost = value(pool) + penalty * divergence(pool, np.asarray(space.prior))
    apart = found.deviation(pool) ** 2 - found.process.deviation(pool) ** 2
    level = float((found.measured + penalty * divergence(found.mixtures, np.asarray(space.prior))).min())
    while len(chosen) < count:
        process = _believe(found, chosen)
        unsure = np.sqrt(process.deviation(pool) ** 2 + np.maximum(apart, 0))
        gains = expected_improvement(cost, unsure, level)
        gains[[_near(row, chosen) or _near(row, found.mixtures) for row in pool]] = -1.0
        chosen.append(pool[int(np.argmax(gains))])
    return chosen


def _believe(found: Study, chosen: Sequence[np.ndarray]) -> GaussianProcess:
    """The process as it would be if the chosen mixtures had come out as it expects."""
    process = found.process
    if not chosen:
        return process
    rows = np.stack(list(chosen))
    inputs = np.concatenate([process.inputs, np.sqrt(rows)])
    values = np.zeros(len(inputs))  # only the deviation is asked for, and it does not depend on the values
    made = condition(inputs, values, process.length, process.noise)[1]
    return dataclasses.replace(made, variance=process.variance)


def _near(row: np.ndarray, others: Sequence[np.ndarray] | np.ndarray) -> bool:
    """Whether a mixture is one of the others, to a hundredth of the tokens."""
    return any(float(np.abs(row - other).sum()) / 2 < 0.01 for other in others)
