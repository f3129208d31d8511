"""What a claim is tested in: a finished run, a folder for what is made of it, and sizes."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from trivium.claims.grid.data import NEEDED, Ground
from trivium.claims.grid.measured import Grid, open_grid
from trivium.claims.grid.settings import GridConfig
from trivium.store.run import Run, StageDir


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lab:
    """A finished run, which stays as it is, and where its experiments lie."""

    run: Run
    out: Path
    seed: int
    grid_config: GridConfig
    workers: int

    @property
    def stage(self) -> StageDir:
        """The folder as a stage: its bars, its ledger."""
        return StageDir(name="claims", path=self.out, seed=self.seed, workers=self.workers)

    @functools.cached_property
    def grid(self) -> Grid:
        """The small models on named mixtures.

        Raises:
            DataError: A stage that they need has not finished.
            ConfigError: The folder holds the models of another grid.
        """
        inputs = {name: str(self.run.record(name)["output_hash"]) for name in NEEDED}
        finished = self.run.finished()
        ground = Ground(
            run=self.run.path,
            stages={name: finished[name] for name in NEEDED},
            out=self.out / "grid",
            seed=self.seed,
            config=self.grid_config,
        )
        return open_grid(ground, self.stage, inputs)
