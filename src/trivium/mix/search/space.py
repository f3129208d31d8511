"""What is searched: shares of a token budget, bounded by floors and by how often a source may be repeated.

m sources. Shares (m,) sum to one; epochs over source i are share x budget / unique tokens. Because scarce
sources are repeated and plentiful ones are not, both are inputs of every law (arXiv 2606.07597).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from trivium.errors import ConfigError

TOLERANCE = 1e-9
"""Of a sum of shares."""

HALVINGS = 100
"""Bisections of a projection; the factor spans many orders of magnitude where a weight is near zero."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """Sources, bounds and the mixture that is departed from."""

    sources: tuple[str, ...]
    unique: tuple[int, ...]
    """Tokens of one epoch over each source, at the target's size."""
    budget: int
    """Tokens that the target trains on."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Bounds of the shares: floors, and caps of the epochs."""
    prior: tuple[float, ...]
    """Shares of the recipe, within the bounds."""

    @property
    def epochs_per_share(self) -> np.ndarray:
        """(m,) epochs that a share of one would be."""
        return self.budget / np.asarray(self.unique, dtype=np.float64)

    def epochs(self, shares: np.ndarray) -> np.ndarray:
        """Epochs of mixtures (..., m)."""
        return shares * self.epochs_per_share

    def shares(self, epochs: np.ndarray) -> np.ndarray:
        """Shares of mixtures given as epochs (..., m); they sum to one only if the epochs fill the budget."""
        return epochs / self.epochs_per_share

    def project(self, weights: np.ndarray) -> np.ndarray:
        """Shares within the bounds nearest to weights (..., m) in Kullback-Leibler divergence.

        That projection is clip(a w, low, high) with the one factor a that makes the sum one.
        """
        low, high = np.asarray(self.low), np.asarray(self.high)
        positive = np.maximum(np.asarray(weights, dtype=np.float64), 1e-12)
        least = np.zeros((*positive.shape[:-1], 1))
        most = 2 * (high / positive).max(axis=-1, keepdims=True)
        for _ in range(HALVINGS):
            factor = (least + most) / 2
            short = np.clip(factor * positive, low, high).sum(axis=-1, keepdims=True) < 1
            least, most = np.where(short, factor, least), np.where(short, most, factor)
        return np.clip(most * positive, low, high)

    def natural(self) -> np.ndarray:
        """Shares in proportion to unique tokens: every source is gone through equally often."""
        return self.project(np.asarray(self.unique, dtype=np.float64))

    def uniform(self) -> np.ndarray:
        """Equal shares."""
        return self.project(np.ones(len(self.sources)))

    def corner(self, index: int, rest: float) -> np.ndarray:
        """As much of one source as the bounds allow, up to 1 - rest; the others as in the prior."""
        weights = rest * np.asarray(self.prior)
        weights[index] = 1 - rest
        return self.project(weights)


def make_space(
    shares: Mapping[str, float],
    unique: Mapping[str, int],
    budget: int,
    *,
    max_epochs: float,
    floor: float,
    floors: Mapping[str, float],
) -> Space:
    """Build the space of a recipe; sources without tokens are left out.

    Args:
        shares: The recipe's, in any scale.
        unique: Tokens of one epoch over every source.
        budget: Tokens that the target trains on.
        max_epochs: Cap of the repetition of every source.
        floor: Least share of every source.
        floors: Least share of single sources, instead; and with it a source whose share must not fall.

    Raises:
        ConfigError: Fewer than two sources are left, or the bounds leave no mixture.
    """
    names = tuple(name for name in shares if unique.get(name, 0) > 0)
    if len(names) < 2:
        raise ConfigError(
            f"mix search: got {len(names)} source(s) with tokens among {sorted(shares)}; expected at least 2."
        )
    unknown = sorted(set(floors) - set(names))
    if unknown:
        raise ConfigError(f"mix search floors: got {unknown[0]!r}; expected some of {', '.join(names)}.")
    low = tuple(floors.get(name, floor) for name in names)
    high = tuple(min(1.0, max_epochs * unique[name] / budget) for name in names)
    for name, least, most in zip(names, low, high, strict=True):
        if not 0 <= least <= most:
            raise ConfigError(
                f"mix search: source {name} got floor {least:g} above its cap {most:.3g} ({max_epochs:g} "
                f"epochs of {unique[name]:,} tokens in {budget:,}); expected a lower floor or more epochs."
            )
    if sum(low) > 1 + TOLERANCE or sum(high) < 1 - TOLERANCE:
        raise ConfigError(
            f"mix search: got floors that sum to {sum(low):.3g} and caps that sum to {sum(high):.3g}; "
            "expected at most 1 and at least 1, change --floor or --max-epochs."
        )
    space = Space(
        sources=names,
        unique=tuple(int(unique[name]) for name in names),
        budget=budget,
        low=low,
        high=high,
        prior=tuple(shares[name] for name in names),
    )
    return dataclasses.replace(space, prior=plain(space.project(np.asarray(space.prior))))


def plain(shares: np.ndarray) -> tuple[float, ...]:
    """Shares to a millionth: what is trained, written down and compared."""
    return tuple(round(float(share), 6) for share in shares)


def divergence(shares: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of mixtures (..., m) from the prior (m,), in nats."""
    safe = np.maximum(shares, 1e-12)
    return (safe * np.log(safe / np.maximum(prior, 1e-12))).sum(-1)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation: the share of tokens that would have to move from one mixture to get the other."""
    return float(np.abs(np.asarray(one) - np.asarray(other)).sum() / 2)
