"""The first round: mixtures that a law can be fitted to, before anything is known."""

from __future__ import annotations

import dataclasses

import numpy as np

from trivium.mix.search.space import Space, plain

CORNER_REST = 0.2
"""Share of a corner that the other sources keep: a mixture without them is never the answer."""

STRENGTHS = (0.1, 5.0)
"""Range of the concentration of Dirichlet draws, log-uniform. RegMix, arXiv 2407.01492: 0.1 to 5."""

PRIOR, NATURAL, UNIFORM = "prior", "natural", "uniform"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mixture:
    """One mixture to try."""

    label: str
    shares: tuple[float, ...]


def first_round(space: Space, count: int, seed: int) -> list[Mixture]:
    """Return the prior, natural and uniform shares, a corner a source, then Dirichlet draws around the prior.

    Args:
        space: Bounds.
        count: Mixtures; at least three, corners and draws follow while there is room.
        seed: Of the draws.
    """
    made = [
        Mixture(label=PRIOR, shares=space.prior),
        Mixture(label=NATURAL, shares=plain(space.natural())),
        Mixture(label=UNIFORM, shares=plain(space.uniform())),
    ]
    for index, name in enumerate(space.sources):
        made.append(Mixture(label=f"corner {name}", shares=plain(space.corner(index, CORNER_REST))))
    drawn = dirichlet(space, np.asarray(space.prior), max(count - len(made), 0), seed)
    made += [Mixture(label=f"draw {n + 1}", shares=plain(row)) for n, row in enumerate(drawn)]
    return made[: max(count, 3)]


def dirichlet(
    space: Space, centre: np.ndarray, count: int, seed: int, strengths: tuple[float, float] = STRENGTHS
) -> np.ndarray:
    """Draw mixtures (count, m) around a centre, each with a concentration of its own, within the bounds.

    The concentration is per source: 1 around equal shares is the flat distribution over all mixtures.
    """
    rng = np.random.default_rng(seed)
    sources = len(space.sources)
    base = np.maximum(centre, 0.25 / sources)  # a source near zero must be able to come back
    drawn = np.empty((count, sources))
    for row in range(count):
        strength = np.exp(rng.uniform(*np.log(strengths)))
        drawn[row] = rng.dirichlet(strength * sources * base / base.sum())
    return space.project(drawn)
