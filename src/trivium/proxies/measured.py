"""From finished runs to losses: bits a byte of every task after fine-tuning and of every source before it.

n runs, m sources, T tasks, I held-out problems.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.mix.search.study import Objective, Study, study
from trivium.proxies.world import World
from trivium.records import Example, Question, from_table
from trivium.store import files

if TYPE_CHECKING:
    import pyarrow as pa

AFTER, LOSS = "after fine-tuning", "pretraining loss"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """What bits are divided by: the items of each group and their bytes."""

    groups: tuple[str, ...]
    member: np.ndarray
    """(I,) number of each item's group."""
    sizes: np.ndarray
    """(I,) bytes."""

    def losses(self, bits: np.ndarray) -> np.ndarray:
        """Bits a byte (n, T) of bits (n, I)."""
        parts = [bits[:, self.member == g].sum(1) for g in range(len(self.groups))]
        return np.stack(parts, axis=1) / self.bytes

    @property
    def bytes(self) -> np.ndarray:
        """(T,) bytes of every group."""
        return np.bincount(self.member, weights=self.sizes, minlength=len(self.groups))


def scales(world: World) -> dict[str, Scale]:
    """Both objectives' items."""
    problems = from_table(Question, files.read_parquet(world.problems))
    texts = from_table(Example, files.read_parquet(world.texts))
    return {
        AFTER: _scale([row.skill for row in problems], [row.solution for row in problems]),
        LOSS: _scale([row.source for row in texts], [row.text for row in texts]),
    }


def _scale(names: Sequence[str], texts: Sequence[str]) -> Scale:
    groups = tuple(sorted(set(names)))
    return Scale(
        groups=groups,
        member=np.array([groups.index(name) for name in names]),
        sizes=np.array([len(text.encode()) for text in texts], dtype=np.float64),
    )


def bits_of(runs: pa.Table, objective: str) -> np.ndarray:
    """Bits (n, I) of every item."""
    return np.array(runs["bits" if objective == AFTER else "text_bits"].to_pylist())


def objective_of(world: World, scale: Scale, name: str, runs: pa.Table) -> Objective:
    """Weights of the tasks (of sources: equal), and the losses under the prior that they are held against."""
    prior = np.array([shares == list(world.space.prior) for shares in runs["shares"].to_pylist()])
    reference = scale.losses(bits_of(runs, name))[prior].mean(axis=0)
    weights = np.array([world.config.tasks[g] if name == AFTER else 1.0 for g in scale.groups])
    return Objective(
        name=name,
        tasks=scale.groups,
        weights=tuple((weights / weights.sum()).tolist()),
        reference=tuple(reference.tolist()),
    )


def studies(world: World, runs: pa.Table) -> dict[str, Study]:
    """Both objectives' laws on the same runs."""
    shares = np.array(runs["shares"].to_pylist())
    found = {}
    for name, scale in scales(world).items():
        objective = objective_of(world, scale, name, runs)
        found[name] = study(world.space, objective, shares, scale.losses(bits_of(runs, name)))
    return found


def item_scores(scale: Scale, objective: Objective, bits: np.ndarray) -> np.ndarray:
    """What every item adds to the score, times the number of items: (n, I), whose mean is the score."""
    factor = (objective.factors / scale.bytes)[scale.member]
    return bits * factor * len(scale.member)


def named(world: World, shares: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Shares by source."""
    return {name: round(float(s), 4) for name, s in zip(world.space.sources, shares, strict=True)}


def study_facts(world: World, found: Study, optimum: np.ndarray) -> dict[str, Any]:
    """What a study found, as plain numbers."""
    gain = 1 - float(found.value(optimum[None])[0])
    return {
        "tasks": list(found.objective.tasks),
        "reference_bits_per_byte": dict(zip(found.objective.tasks, found.objective.reference, strict=True)),
        "laws": [
            {
                "law": result.name,
                "rho": result.rho,
                "task_rho": dict(zip(found.objective.tasks, result.task_rho, strict=True)),
            }
            for result in found.results
        ],
        "trusted": found.trusted,
        "noise": found.noise,
        "optimum": named(world, optimum),
        "predicted_gain": gain,
        "unsure": float(found.deviation(optimum[None])[0]),
    }
