"""The arms as claims see them: names in, tables of seeds by items out; what was asked before is not trained.

Shapes: S seeds, I items.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from trivium import recipe as recipes
from trivium.align.abstention import Held
from trivium.claims.folder import claim
from trivium.claims.tuned import model
from trivium.claims.tuned.data import Ground, prepare
from trivium.claims.tuned.longer import joined_store
from trivium.claims.tuned.settings import JOINED, OWN, VARIANTS
from trivium.config import to_json
from trivium.store import files
from trivium.store.fingerprint import code_hash, combined_hash
from trivium.store.ledger import keep_shards
from trivium.store.run import StageDir

RECORD = "tuned.json"


@dataclasses.dataclass
class Tuned:
    """Arms by name and seed."""

    ground: Ground
    stage: StageDir

    @property
    def seeds(self) -> int:
        """Training seeds of every arm."""
        return self.ground.config.seeds

    def train(self, names: Iterable[str]) -> None:
        """Train and ask what is missing of these arms, parents before children."""
        prepare(self.ground)
        waiting = _with_parents(names)
        while waiting:
            ready = [name for name in waiting if VARIANTS[name].start not in waiting]
            waiting = [name for name in waiting if name not in ready]
            jobs = [(name, n) for name in ready for n in range(1 if name in OWN else self.seeds)]
            missing = [job for job in jobs if not model.kept_at(self.ground, job).exists()]
            if missing:
                self._joined_for(missing)
                name = f"tuned-{combined_hash({'jobs': missing})}"
                work = functools.partial(model.run_job, self.ground)
                keep_shards(self.stage, name, work, missing, label="models from the run's", unit="models")

    def _joined_for(self, jobs: list[model.Job]) -> None:
        """Write what several of these jobs read, before they run at the same time."""
        if any(name in VARIANTS and VARIANTS[name].lengthens == JOINED for name, _ in jobs):
            joined_store(self.ground, recipes.load(self.ground.run / "recipe.json").midtrain.made_source)

    def values(self, name: str, measure: str) -> np.ndarray:
        """Values (S, I) of a measure, items in one order; S is 1 for the run's own model."""
        return np.array(
            [
                [row["value"] for row in rows if row["measure"] == measure]
                for rows in (self._rows(name, n) for n in range(1 if name in OWN else self.seeds))
            ]
        )

    def paired(self, name: str, first: str, second: str) -> np.ndarray:
        """One measure less another (S, I) of as many items; what is paired has nothing in common."""
        ours, theirs = self.values(name, first), self.values(name, second)
        count = min(ours.shape[1], theirs.shape[1])
        return ours[:, :count] - theirs[:, :count]

    def by_item(self, name: str, number: int, measure: str) -> dict[str, float]:
        """Values of one seed by item."""
        return {row["item"]: row["value"] for row in self._rows(name, number) if row["measure"] == measure}

    def change(self, after: str, before: str, measure: str) -> np.ndarray:
        """Paired differences (S, I)."""
        return self.values(after, measure) - self.values(before, measure)

    def held(self, name: str, number: int) -> list[Held]:
        """What speaks for an arm's answers to the fact questions."""
        return [Held(**row["held"]) for row in self._rows(name, number) if row["measure"] == model.OFTEN]

    def _rows(self, name: str, number: int) -> list[dict[str, Any]]:
        return _read(model.kept_at(self.ground, (name, number)))


def _with_parents(names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        while name in VARIANTS:
            found.append(name)
            name = VARIANTS[name].start
    return list(dict.fromkeys(found))


@functools.lru_cache(maxsize=256)
def _read(path: Path) -> list[dict[str, Any]]:
    return files.read_parquet(path).to_pylist()


def open_tuned(ground: Ground, stage: StageDir, inputs: dict[str, str]) -> Tuned:
    """Make the folder these arms' own, or see that it already is.

    Raises:
        ConfigError: It holds the models of other sizes or of another run.
    """
    parts = {
        "config": {k: v for k, v in to_json(ground.config).items() if k != "seeds"},
        "seed": ground.seed,
        "inputs": inputs,
        "code": code_hash("trivium.claims.tuned.model"),
    }
    claim(ground.out / RECORD, "other models", parts)
    return Tuned(ground, stage)
