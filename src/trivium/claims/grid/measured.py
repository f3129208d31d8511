"""The grid as claims see it: arms in, tables of seeds by items out; what was measured before is not trained.

Shapes: S seeds, I items.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium.claims.folder import claim
from trivium.claims.grid import model
from trivium.claims.grid.data import FACTS, TASKS, Ground, prepare
from trivium.claims.grid.mixtures import Arm
from trivium.claims.grid.model import TEXT
from trivium.config import to_json
from trivium.store import files
from trivium.store.fingerprint import code_hash, combined_hash
from trivium.store.ledger import keep_shards
from trivium.store.run import StageDir

RECORD = "grid.json"


@dataclasses.dataclass
class Grid:
    """Models by arm and seed, and what each item costs them: bits of texts and replies, errors on facts."""

    ground: Ground
    stage: StageDir

    @property
    def seeds(self) -> int:
        """Seeds of every arm."""
        return self.ground.config.seeds

    def train(self, arms: Iterable[Arm]) -> None:
        """Train and measure what is missing of these arms, seed by seed."""
        prepare(self.ground)
        jobs = [(arm, n) for n in range(self.seeds) for arm in dict.fromkeys(arms)]
        missing = [job for job in jobs if not model.kept_at(self.ground, job).exists()]
        if missing:
            name = f"grid-{combined_hash({'keys': [arm.key(n) for arm, n in missing]})}"
            work = functools.partial(model.run_job, self.ground)
            keep_shards(self.stage, name, work, missing, label="models of the grid", unit="models")

    def cost(self, arm: Arm, measure: str) -> np.ndarray:
        """Cost (S, I) of a task, or of a source's held-out texts (`text: web`); its mean is bits a byte.

        Of facts it is 1 where another of four values is likelier than the right one, else 0.
        """
        cost, sizes = (self._column(arm, measure, name) for name in ("cost", "size"))
        return cost * sizes.shape[1] / sizes[0].sum()

    def right(self, arm: Arm) -> np.ndarray:
        """Whether the right value of a fact is the likeliest of four (S, I)."""
        return 1 - self.cost(arm, FACTS)

    def seen(self, arm: Arm) -> np.ndarray:
        """Which of the facts the rewriter saw (I,)."""
        return self._column(arm, FACTS, "seen")[0].astype(bool)

    def saved(self, arm: Arm, over: Arm, measures: Sequence[str] = TASKS) -> np.ndarray:
        """What an arm saves of another's cost, item by item (S, I); the mean is the mean over measures.

        Every measure is divided by the other arm's cost, so that tasks count alike.
        """
        parts = []
        for measure in measures:
            theirs, ours = self.cost(over, measure), self.cost(arm, measure)
            parts.append((theirs - ours) / theirs.mean())
        total = sum(part.shape[1] for part in parts)
        return np.concatenate([part * total / (len(parts) * part.shape[1]) for part in parts], axis=1)

    def sources(self, arm: Arm) -> list[str]:
        """Names of the measures of the pretraining loss."""
        names = {row["measure"] for row in self._rows(model.kept_at(self.ground, (arm, 0)))}
        return sorted(name for name in names if name.startswith(TEXT))

    def _column(self, arm: Arm, measure: str, name: str) -> np.ndarray:
        lines = []
        for number in range(self.seeds):
            rows = self._rows(model.kept_at(self.ground, (arm, number)))
            lines.append([row[name] for row in rows if row["measure"] == measure])
        return np.array(lines, dtype=np.float64)

    def _rows(self, path: Path) -> list[dict[str, Any]]:
        return _read(path)


@functools.lru_cache(maxsize=512)
def _read(path: Path) -> list[dict[str, Any]]:
    return files.read_parquet(path).to_pylist()


def open_grid(ground: Ground, stage: StageDir, inputs: dict[str, str]) -> Grid:
    """Make the folder this grid's own, or see that it already is.

    Raises:
        ConfigError: It holds the models of another one.
    """
    parts = {
        "config": {k: v for k, v in to_json(ground.config).items() if k != "seeds"},
        "seed": ground.seed,
        "inputs": inputs,
        "code": code_hash("trivium.claims.grid.model"),
    }
    claim(ground.out / RECORD, "the models of another grid", parts)
    return Grid(ground, stage)
