"""What a search works on: a finished run's token store, fine-tuning data and held-out items, cut to size."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from trivium import recipe as recipes
from trivium.errors import ConfigError, DataError
from trivium.evaluate.tasks import bits_per_byte, contest
from trivium.mix.search.space import Space, make_space
from trivium.models.load import load_tokenizer
from trivium.models.phi import ModelConfig
from trivium.models.prompting import make_encoder
from trivium.models.sample_draw import request_seed
from trivium.proxies.settings import KNOWLEDGE, OWN_FLOWS, SearchConfig
from trivium.proxies.subset import write_subset
from trivium.records import Example, Message, Question, from_table, to_table
from trivium.store import files
from trivium.store.run import Run
from trivium.train import tokens
from trivium.train.pretrain_stage import PretrainConfig
from trivium.train.sft_stage import SFTConfig

PROXY, CONFIRM = "proxy", "confirm"
NEEDED = ("items", "tokenize", "sft_data")
MORE_THAN_CAP = 1.0
"""Epochs beyond the cap that a plan may take: the cap is the target's, a subset's is off by a rounding."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large a model is trained, on how much."""

    name: str
    tokens: int
    frac: float
    """Part of every source that it sees, which makes its epochs those of the target."""
    conversations: int
    pretrain: PretrainConfig
    sft: SFTConfig


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Everything that a worker needs; picklable."""

    out: Path
    stages: dict[str, Path]
    seed: int
    config: SearchConfig
    space: Space
    sizes: dict[str, Size]
    contest_steps: tuple[int, int]

    def folder(self, size: str) -> Path:
        """Folder of the data of a size."""
        return self.out / "sizes" / size

    @property
    def problems(self) -> Path:
        """Table of the held-out problems, in the order in which they are scored."""
        return self.out / "problems.parquet"

    @property
    def texts(self) -> Path:
        """Table of the held-out texts of the sources."""
        return self.out / "texts.parquet"


def open_world(run: Run, out: Path, config: SearchConfig) -> World:
    """Read what the search needs from a run whose data are finished.

    Raises:
        ConfigError: The sizes do not fit the run.
        DataError: A stage that is needed has not finished.
    """
    for name in NEEDED:
        run.record(name)
    recipe, stages = recipes.load(run.path / "recipe.json"), run.finished()
    manifest = tokens.read_manifest(stages["tokenize"] / "tokens")
    space = make_space(
        recipe.mix.shares,
        {name: int(line["targets"]) for name, line in manifest["sources"].items()},
        recipe.mix.budget_tokens,
        max_epochs=config.max_epochs,
        floor=config.floor,
        floors=config.floors,
    )
    largest = config.proxy_tokens * (config.multiple if config.confirm_seeds else 1)
    if largest > space.budget:
        raise ConfigError(
            f"mix search: got {largest:,.0f} tokens for the largest model, more than the recipe's "
            f"mix.budget_tokens={space.budget:,}; expected at most these, lower --proxy-tokens."
        )
    return World(
        out=out,
        stages={name: stages[name] for name in NEEDED},
        seed=recipe.seed,
        config=config,
        space=space,
        sizes=_sizes(recipe, space, config),
        contest_steps=recipe.evaluate.contest_steps,
    )


def _sizes(recipe: recipes.Recipe, space: Space, config: SearchConfig) -> dict[str, Size]:
    """Both sizes; the larger one is the run's own model."""
    base = recipe.pretrain
    small = dataclasses.replace(base, model=narrow(base.model, config.proxy_hidden))
    made = {PROXY: (small, 1.0), CONFIRM: (base, config.multiple)}
    sft = dataclasses.replace(
        recipe.sft,
        start="pretrain",
        data="sft_data",
        epochs=1.0,
        flow_epochs={},
        loop=dataclasses.replace(recipe.sft.loop, ranks=1, trackers=()),
    )
    return {
        name: Size(
            name=name,
            tokens=round(config.proxy_tokens * times),
            frac=config.proxy_tokens * times / space.budget,
            conversations=round(config.conversations * times),
            pretrain=dataclasses.replace(
                pretrain, loop=dataclasses.replace(pretrain.loop, ranks=1, trackers=())
            ),
            sft=sft,
        )
        for name, (pretrain, times) in made.items()
        if name == PROXY or config.confirm_seeds
    }


def narrow(model: ModelConfig, hidden: int) -> ModelConfig:
    """The same model at another width, with its proportions; a width beyond its own leaves it alone."""
    if hidden >= model.hidden:
        return model
    return dataclasses.replace(model, hidden=hidden, ffn=round(model.ffn * hidden / model.hidden))


def prepare(world: World) -> dict[str, list[str]]:
    """Write subsets, fine-tuning data and held-out items; what is there complete is kept.

    Returns:
        Names of the tasks that are scored, and of those that the run has no items for.
    """
    problems = choose_problems(world)
    found = sorted({problem.skill for problem in problems})
    files.write_parquet(world.problems, to_table(Question, problems))
    rows = from_table(Example, files.read_parquet(world.stages["tokenize"] / "heldout.parquet"))
    usable = bits_per_byte.usable(
        [row for row in rows if row.source in world.space.sources], world.config.heldout_bytes
    )
    if missing := sorted(set(world.space.sources) - {row.source for row in usable}):
        raise DataError(
            f"{world.stages['tokenize']}/heldout: got no text of {missing[0]}; expected some of every "
            "source, raise tokenize.heldout_frac."
        )
    files.write_parquet(world.texts, to_table(Example, usable))
    chats = conversations(world, problems)
    for size in world.sizes.values():
        folder = world.folder(size.name)
        write_subset(
            world.stages["tokenize"] / "tokens",
            folder / "tokenize" / "tokens",
            world.space.sources,
            size.frac,
            world.seed,
        )
        shutil.copytree(
            world.stages["tokenize"] / "tokenizer", folder / "tokenize" / "tokenizer", dirs_exist_ok=True
        )
        taken = to_table(Example, chats[: size.conversations])
        files.write_parquet(folder / "sft_data" / "examples.parquet", taken)
    return {"tasks": found, "missing": sorted(set(world.config.tasks) - set(found))}


def choose_problems(world: World) -> list[Question]:
    """Held-out problems with worked solutions, task by task, those that fit the context.

    Of a task of knowledge at most half of the items are taken: the other half's facts may be taught.

    Raises:
        DataError: There is none.
    """
    found = from_table(Question, files.read_parquet(world.stages["items"] / "questions.parquet"))
    if contest.NAME in world.config.tasks:
        drawn = request_seed(world.seed, "mix search") % 2**32
        found += contest.items(drawn, world.config.items, world.contest_steps)
    folder = world.stages["tokenize"] / "tokenizer"
    encode = make_encoder(folder, load_tokenizer(folder))
    context = min(size.pretrain.model.context for size in world.sizes.values())
    chosen: list[Question] = []
    for task in sorted(name for name, weight in world.config.tasks.items() if weight):
        rows = [row for row in found if row.skill == task and row.solution]
        rows = sorted(rows, key=lambda row: request_seed(world.seed, "mix search", row.id))
        most = min(world.config.items, len(rows) // 2 if task in KNOWLEDGE else len(rows))
        chosen += [row for row in rows[:most] if len(encode(turns(row))[0]) <= context + 1]
    if not chosen:
        raise DataError(
            f"{world.stages['items']}/questions: got no problem with a worked solution for any of "
            f"{', '.join(world.config.tasks)}; expected some of at least one task."
        )
    return chosen


def conversations(world: World, problems: Sequence[Question]) -> list[Example]:
    """Fine-tuning data in the seed's order, without what would give the held-out answers away.

    Left out are flows about what the run's own model knows, held-out prompts, and replies that state a fact
    that is asked.
    """
    rows = from_table(Example, files.read_parquet(world.stages["sft_data"] / "examples.parquet"))
    asked = {problem.prompt for problem in problems}
    secrets = {problem.solution for problem in problems if problem.skill in KNOWLEDGE}
    kept = [
        row
        for row in rows
        if row.messages
        and row.flow not in OWN_FLOWS
        and row.messages[-1].content not in secrets
        and not asked & {message.content for message in row.messages}
    ]
    if not kept:
        raise DataError(f"{world.stages['sft_data']}/examples: got no usable conversation; expected some.")
    return sorted(kept, key=lambda row: request_seed(world.seed, "mix search sft", row.id))


def turns(problem: Question) -> list[Message]:
    """A problem and its worked solution as a conversation."""
    return [
        Message(role="user", content=problem.prompt),
        Message(role="assistant", content=problem.solution),
    ]
