"""The run that is experimented on, as workers see it: paths, settings and problems."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from trivium import recipe as recipes
from trivium.claims.settings import ExperimentConfig
from trivium.evaluate.stage import EvaluateConfig
from trivium.evaluate.tasks import contest
from trivium.models.sample_draw import request_seed
from trivium.pivotal.stage import PivotalConfig
from trivium.records import Example, Question, from_table, to_table
from trivium.store.files import read_parquet, write_parquet
from trivium.store.run import Run, StageDir
from trivium.train.dpo_stage import DPOConfig

HELDOUT, DEV = "heldout", "dev"
NEEDED = ("items", "synthesize", "sft_data", "sft")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """A finished run and the sizes of the experiment; picklable."""

    out: Path
    stages: dict[str, Path]
    """Finished stages of the run."""
    seed: int
    config: ExperimentConfig
    pivotal: PivotalConfig
    dpo: DPOConfig
    evaluate: EvaluateConfig

    @property
    def sft(self) -> Path:
        """Folder of the SFT model."""
        return self.stages["sft"] / "model"

    def problems(self, split: str) -> Path:
        """Table of the problems of a split."""
        return self.out / "problems" / f"{split}.parquet"

    def seed_of(self, number: int) -> int:
        """Seed of one repetition of the experiment."""
        return request_seed(self.seed, "claims", number)

    def seed_folder(self, number: int) -> Path:
        """Folder of the rollouts of one repetition."""
        return self.out / "seeds" / str(number)

    def arm_folder(self, arm: str, number: int) -> Path:
        """Folder of the pairs and replies that an arm trains on."""
        return self.seed_folder(number) / arm

    def model_folder(self, arm: str, number: int) -> Path:
        """Folder of a trained arm."""
        return self.out / "models" / arm / str(number)

    def door(self, name: str, path: Path, number: int) -> StageDir:
        """A stage folder of a repetition that sees the run's stages."""
        return StageDir(name=name, path=path, seed=self.seed_of(number), inputs=dict(self.stages))


def open_world(run: Run, out: Path, config: ExperimentConfig) -> World:
    """Read what the experiment needs from a finished run.

    Raises:
        DataError: A stage that is needed has not finished.
    """
    for name in NEEDED:
        run.record(name)
    recipe = recipes.load(run.path / "recipe.json")
    return World(
        out=out,
        stages=run.finished(),
        seed=recipe.seed,
        config=config,
        pivotal=dataclasses.replace(recipe.pivotal, num_questions=config.questions),
        dpo=recipe.dpo1,
        evaluate=recipe.evaluate,
    )


def write_problems(world: World) -> dict[str, int]:
    """Draw the held-out and the development problems; no problem is in both. Returns their numbers."""
    drawn = contest.seed_from_weights(world.sft)
    steps = world.evaluate.contest_steps
    heldout = contest.items(drawn, world.config.heldout, steps)
    known = {question.prompt for question in heldout}
    more = contest.items(request_seed(drawn, DEV) % 2**32, 2 * world.config.dev, steps)
    dev = [question for question in more if question.prompt not in known][: world.config.dev]
    for split, rows in ((HELDOUT, heldout), (DEV, dev)):
        write_parquet(world.problems(split), to_table(Question, rows))
    return {HELDOUT: len(heldout), DEV: len(dev)}


def write_replay(world: World) -> Path:
    """Write the conversations that hold every arm; returns their folder."""
    table = read_parquet(world.stages["sft_data"] / "examples.parquet")
    rows = sorted(from_table(Example, table), key=lambda row: request_seed(world.seed, "replay", row.id))
    folder = world.out / "replay"
    write_parquet(folder / "examples.parquet", to_table(Example, rows[: world.config.replay]))
    return folder
