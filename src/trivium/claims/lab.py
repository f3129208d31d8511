"""What a claim is tested in: a finished run, a folder for what is made of it, and sizes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

from trivium.claims.grid.data import NEEDED, Ground
from trivium.claims.grid.measured import Grid, open_grid
from trivium.claims.grid.settings import GridConfig
from trivium.claims.tuned import data as tuned_data
from trivium.claims.tuned.measured import Tuned, open_tuned
from trivium.claims.tuned.settings import TunedConfig
from trivium.store.run import Run, StageDir


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lab:
    """A finished run, which stays as it is, and where its experiments lie."""

    run: Run
    out: Path
    seed: int
    grid_config: GridConfig
    tuned_config: TunedConfig = dataclasses.field(default_factory=TunedConfig)
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
        ground = Ground(
            run=self.run.path,
            stages=self.stages(NEEDED),
            out=self.out / "grid",
            seed=self.seed,
            config=self.grid_config,
        )
        return open_grid(ground, self.stage, self.hashes(NEEDED))

    @functools.cached_property
    def tuned(self) -> Tuned:
        """The models that are fine-tuned or aligned from the run's own; errors as for the grid."""
        ground = tuned_data.Ground(
            run=self.run.path,
            stages=self.stages(tuned_data.NEEDED),
            out=self.out / "tuned",
            seed=self.seed,
            config=self.tuned_config,
        )
        return open_tuned(ground, self.stage, self.hashes(tuned_data.NEEDED))

    def hashes(self, names: Sequence[str]) -> dict[str, str]:
        """Hashes of what these stages wrote."""
        return {name: str(self.run.record(name)["output_hash"]) for name in names}

    def stages(self, names: Sequence[str]) -> dict[str, Path]:
        """Folders of these stages, which must have finished."""
        self.hashes(names)
        return {name: folder for name, folder in self.run.finished().items() if name in names}
