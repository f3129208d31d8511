"""What is experimented on, as workers see it: a finished run, or any model with two question files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from trivium import recipe as recipes
from trivium.claims.settings import ExperimentConfig
from trivium.errors import ConfigError, DataError
from trivium.evaluate.stage import EvaluateConfig
from trivium.evaluate.tasks import contest
from trivium.models.load import find_model
from trivium.models.sample_draw import request_seed
from trivium.pivotal import questions
from trivium.pivotal.stage import PivotalConfig
from trivium.pivotal.verifiers import JudgeModel, check
from trivium.records import Example, Question, from_table, to_table
from trivium.store import row_files
from trivium.store.files import read_parquet, write_parquet
from trivium.store.run import Run, StageDir
from trivium.train.dpo_stage import DPOConfig
from trivium.train.settings import LoopConfig

HELDOUT, DEV = "heldout", "dev"
NEEDED = ("items", "synthesize", "sft_data", "sft")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The model, where problems come from, and the sizes of the experiment; picklable."""

    out: Path
    stages: dict[str, Path]
    """Finished stages of the run."""
    seed: int
    config: ExperimentConfig
    pivotal: PivotalConfig
    dpo: DPOConfig
    evaluate: EvaluateConfig
    heldout: str = ""
    """File of the held-out questions; empty draws a contest."""
    untouched: tuple[str, ...] = ()
    """Files of tasks that the questions are not about; for a run, those of its stage items are used."""

    @property
    def replays(self) -> bool:
        """Whether there are conversations that hold every arm."""
        return "sft_data" in self.stages

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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model of one's own and what it is asked."""

    folder: str
    """Hugging Face folder."""
    questions: str
    """File of questions to train and choose settings on; see `trivium.pivotal.questions`."""
    heldout: str
    """File of questions that are reported and never trained on."""
    verifier: str = ""
    """Of both files; empty takes each row's own, else number."""
    style: str = "auto"
    system: str = ""
    prompt: str = "{question}"
    max_tokens: int = 256
    """Of a reply."""
    untouched: tuple[str, ...] = ()
    seed: int = 0


def open_model(model: Model, out: Path, config: ExperimentConfig) -> World:
    """Make a world of a model and question files; the folder of the experiment links to the model.

    Raises:
        ConfigError: A question file or the verifier is of no known kind.
        DataError: The model's folder or a file cannot be read.
    """
    for name in (model.questions, model.heldout, *model.untouched):
        if not row_files.is_file(name):
            raise ConfigError(f"claims: got {name!r}; expected a file {', '.join(row_files.SUFFIXES)}.")
        if not Path(name).is_file():
            raise DataError(f"{name}: got no such file; expected questions as JSONL, JSON or Parquet.")
    if model.verifier:
        check(model.verifier, JudgeModel())
    start = out / "start"
    here = StageDir(name="claims", path=out, seed=model.seed)
    folder = find_model(str(Path(model.folder).resolve()), here)
    start.mkdir(parents=True, exist_ok=True)
    (start / "model").unlink(missing_ok=True)
    (start / "model").symlink_to(folder, target_is_directory=True)
    return World(
        out=out,
        stages={"sft": start},
        seed=model.seed,
        config=config,
        pivotal=PivotalConfig(
            questions=model.questions,
            verifier=model.verifier,
            prompt_style=model.style,
            system=model.system,
            prompt=model.prompt,
            skill="",
            num_questions=config.questions,
            max_reply_tokens=model.max_tokens,
            shard_questions=SHARD_QUESTIONS,
        ),
        dpo=DPOConfig(loop=LOOP, anchor_rows=8, kl_anchor_rows=8),
        evaluate=EvaluateConfig(solution_tokens=model.max_tokens),
        heldout=model.heldout,
        untouched=model.untouched,
    )


SHARD_QUESTIONS = 12
"""Questions of one piece of work at most: a pretrained model is slow, a kill repeats what was in flight."""

LOOP = LoopConfig(
    learning_rate=1e-5,
    rows=32,
    row_tokens=1024,
    micro_tokens=1024,
    weight_decay=0.0,
    beta2=0.99,
    warmup_frac=0.1,
)
"""Of a pretrained model's arms; the learning rate is each setting's own."""


def write_problems(world: World) -> dict[str, int]:
    """Write the held-out and the development problems; no problem is in both. Returns their numbers."""
    heldout, dev = _from_files(world) if world.heldout else _contest(world)
    for split, rows in ((HELDOUT, heldout), (DEV, dev)):
        write_parquet(world.problems(split), to_table(Question, rows))
    return {HELDOUT: len(heldout), DEV: len(dev)}


def read_problems(world: World, split: str) -> list[Question]:
    """Read what `write_problems` wrote."""
    return from_table(Question, read_parquet(world.problems(split)))


def training_questions(world: World) -> list[Question]:
    """Questions of the file that are neither held out nor for development.

    Raises:
        DataError: There are fewer than a seed takes.
    """
    away = {row.prompt for split in (HELDOUT, DEV) for row in read_problems(world, split)}
    found = [row for row in _read(world, world.pivotal.questions) if row.prompt not in away]
    if len(found) < world.config.questions:
        raise DataError(
            f"{world.pivotal.questions}: got {len(found)} questions beside those for development; expected "
            f"{world.config.questions}, lower --limit or --dev."
        )
    return found


def _contest(world: World) -> tuple[list[Question], list[Question]]:
    drawn = contest.seed_from_weights(world.sft)
    steps = world.evaluate.contest_steps
    heldout = contest.items(drawn, world.config.heldout, steps)
    known = {question.prompt for question in heldout}
    more = contest.items(request_seed(drawn, DEV) % 2**32, 2 * world.config.dev, steps)
    return heldout, [question for question in more if question.prompt not in known][: world.config.dev]


def _from_files(world: World) -> tuple[list[Question], list[Question]]:
    """Draw both splits from their files, in an order that only the seed and the questions decide.

    Raises:
        DataError: There are too few.
    """
    heldout = _drawn(_read(world, world.heldout), world.seed, HELDOUT)[: world.config.heldout]
    if len(heldout) < world.config.heldout:
        raise DataError(
            f"{world.heldout}: got {len(heldout)} questions; expected {world.config.heldout}, "
            "lower --heldout."
        )
    known = {question.prompt for question in heldout}
    rest = [question for question in _read(world, world.pivotal.questions) if question.prompt not in known]
    return heldout, _drawn(rest, world.seed, DEV)[: world.config.dev]


def _drawn(rows: Sequence[Question], seed: int, purpose: str) -> list[Question]:
    return sorted(rows, key=lambda row: request_seed(seed, purpose, row.id))


def _read(world: World, path: str) -> list[Question]:
    return questions.read(Path(path), questions.Columns(), world.pivotal.verifier)[0]


def write_replay(world: World) -> Path:
    """Write the conversations that hold every arm, where there are some; returns their folder."""
    folder = world.out / "replay"
    if not world.replays:
        return folder
    table = read_parquet(world.stages["sft_data"] / "examples.parquet")
    rows = sorted(from_table(Example, table), key=lambda row: request_seed(world.seed, "replay", row.id))
    write_parquet(folder / "examples.parquet", to_table(Example, rows[: world.config.replay]))
    return folder
