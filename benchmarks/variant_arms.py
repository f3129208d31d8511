"""What `stages_and_variants.py` trains and measures: stages, and variants of their rules, seed by seed.

The rules for facts start from the run's own midtrained model, with a part of the run's passes; the rounds of
preference training from its fine-tuned one, on its pivotal pairs and then on its judged ones. A variant
differs from its neighbour in one thing and shares the seed, so that order and luck are the same where the
data are.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import abstention as asking_often

from trivium import recipe as recipes
from trivium.align import abstention, constraint_pairs, fact_data
from trivium.align.refusal import Rule
from trivium.claims.folder import claim
from trivium.evaluate import work
from trivium.evaluate.logs import GREEDY, ItemLog
from trivium.evaluate.tasks import TASKS, bits_per_byte, contest, instructions
from trivium.models.load import load_tokenizer
from trivium.models.sample_draw import request_seed
from trivium.records import Example, Preference, Question, Rollout, from_table, to_table
from trivium.store import files
from trivium.store.run import Run, StageDir
from trivium.train import dpo_stage, sft_stage

if TYPE_CHECKING:
    import pyarrow as pa

NEEDED = (
    "synthesize",
    "items",
    "tokenize",
    "midtrain",
    "sft_data",
    "sft",
    "pivotal",
    "dpo1",
    "judge",
    "dpo2",
)
FACT_FLOWS = ("fact_answer", "fact_refusal", "bogus_refusal")
LEAST_ROWS = 50
"""A flow of fewer conversations is left out of every arm: a part of a pass over it would be nothing."""
LETTER = Rule(answer_above=0.5, refuse_below=0.499, keep_known=False)
"""The report's rule to the letter (section 4.4): what the base usually gets right is answered, what it
usually gets wrong refused, whatever the training data state; half is usually."""
CURVE_REPLIES = 16
"""Replies a question at temperature 1 for the abstention curves, as in `abstention.py`."""

FACTS = {"facts_known": "known", "facts_unknown": "unknown", "bogus": "bogus"}
MEASURES = {
    "contest": "word problems, right %",
    "instructions": "instructions, strict %",
    "instructions_seen": "  of seen kinds",
    "instructions_held_out": "  of held-out families",
    "known_right": "known facts, right %",
    "known_wrong": "known facts, wrong %",
    "known_refused": "known facts, refused %",
    "unknown_wrong": "unknowable facts, wrong %",
    "unknown_refused": "unknowable facts, refused %",
    "bogus_refused": "bogus questions, refused %",
    "arithmetic": "arithmetic, right %",
    "programs": "program output, right %",
    "bits_per_byte": "held-out text, bits a byte",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """How a model is made from another one."""

    start: str
    """The arm that it starts from; `midtrain` and `sft` are the run's own."""
    facts: str
    """Whose decisions on facts its conversations follow: ours | report."""
    pairs: tuple[str, ...] = ()
    """Sorts of preference pairs; none: it is fine-tuned."""
    curve: bool = False
    """Whether every fact question is asked often, for the abstention curves."""


VARIANTS = {
    "ours_sft": Variant(start="midtrain", facts="ours", curve=True),
    "report_sft": Variant(start="midtrain", facts="report"),
    "report_dpo": Variant(start="report_sft", facts="report", pairs=("refusal",), curve=True),
    "dpo1": Variant(start="sft", facts="ours", pairs=("pivotal",)),
    "dpo2": Variant(start="dpo1", facts="ours", pairs=("judge", "constraint")),
    "dpo2_bare": Variant(start="dpo1", facts="ours", pairs=("judge",)),
}
"""Parents first. `report_*` are the report's rules for hallucination: refusals by what the base knows, then
pairs of the first five tokens; `ours_sft` is the run's rule in as short a fine-tuning. The rounds start from
the run's fine-tuned model; `dpo2_bare` is the second one without constraint pairs."""
STAGES = ("sft", "dpo1", "dpo2")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Everything that an arm needs; picklable."""

    run: Path
    out: Path
    stages: dict[str, Path]
    seed: int
    sft_frac: float
    """Part of the run's passes over the conversations."""
    items: int
    """Contest items; arithmetic and programs get half as many."""
    constraint_questions: int
    """Requests asked of a model for pairs of a passing reply and a near miss."""
    fact_pairs: int
    """First-token pairs at most."""
    curve_limit: int
    """Fact questions of each kind asked often; 0 takes all."""

    @property
    def data(self) -> Path:
        """Folder of what all arms read."""
        return self.out / "data"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """A model of one seed, or with number -1 the run's own."""

    name: str
    number: int

    @property
    def key(self) -> str:
        """Name of its folder."""
        return f"{self.name}-{self.number}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """What a model did with one item of a measure."""

    arm: str
    number: int
    measure: str
    item: str
    value: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Often:
    """A fact question asked often: `abstention.Held` with whose it is."""

    arm: str
    number: int
    item: str
    kind: str
    right: bool
    answers: bool
    share: float
    willing: float
    margin: float
    logprob: float


def open_world(run: Run, out: Path, sizes: Mapping[str, Any]) -> World:
    """Check the run and write what all arms share."""
    for name in NEEDED:
        run.record(name)
    found = run.finished()
    stages = {name: found[name] for name in NEEDED}
    world = World(run=run.path, out=out, stages=stages, seed=int(run.recipe()["seed"]), **sizes)
    claim(
        out / "experiment.json",
        "another experiment",
        {"config": dict(sizes), "inputs": {"run": run.output_hash()}},
    )
    if not (world.data / "complete.json").exists():
        shutil.rmtree(world.data, ignore_errors=True)
        write_problems(world)
        files.write_json(world.data / "complete.json", write_conversations(world))
    return world


def write_problems(world: World) -> None:
    """Write the questions that are asked: a contest of their own and the run's items."""
    recipe = recipes.load(world.run / "recipe.json")
    rows = read(world, "items", "questions", Question)
    seed = request_seed(world.seed, "stages and variants") % 2**32
    kept = contest.items(seed, world.items, recipe.evaluate.contest_steps)
    for task in ("arithmetic", "programs"):
        kept += [row for row in rows if row.skill == task][: world.items // 2]
    kept += [row for row in rows if row.skill in FACTS]
    for family in (instructions.SEEN, instructions.HELD_OUT):
        asked = [row for row in rows if row.skill == instructions.NAME and instructions.family(row) == family]
        kept += asked[: world.items]
    files.write_parquet(world.data / "problems.parquet", to_table(Question, kept))


def write_conversations(world: World) -> dict[str, Any]:
    """Write the conversations by our rule and by the report's, and the report's pairs; returns counts."""
    rows = read(world, "sft_data", "examples", Example)
    counts = Counter(row.flow for row in rows)
    ours = [row for row in rows if counts[row.flow] >= LEAST_ROWS]
    tokenizer = load_tokenizer(world.stages["midtrain"] / "model")
    questions, _ = fact_data.without_items(
        read(world, "synthesize", "fact_questions", Question), read(world, "items", "questions", Question)
    )
    asked = fact_data.tally_all(tokenizer, questions, read(world, "sft_data", "rollouts", Rollout))
    decided, _, _ = fact_data.examples_of(asked, LETTER)
    pairs, _ = fact_data.preferences_of(tokenizer, asked, 4 * len(asked))  # all that there are
    report = [*(row for row in ours if row.flow not in FACT_FLOWS), *decided]
    for name, chosen in (("ours", ours), ("report", report)):
        files.write_parquet(world.data / name / "examples.parquet", to_table(Example, chosen))
    files.write_parquet(world.data / "report" / "preferences.parquet", to_table(Preference, pairs))
    flows = {
        name: dict(Counter(row.flow for row in own)) for name, own in (("ours", ours), ("report", report))
    }
    return {"flows": flows, "first_token_pairs": len(pairs)}


def read(world: World, stage: str, table: str, cls: type[Any]) -> list[Any]:
    """Read a table of the run."""
    return from_table(cls, files.read_parquet(world.stages[stage] / f"{table}.parquet"))


# --- one arm ---


def run_arm(world: World, arm: Arm) -> Mapping[str, pa.Table]:
    """Train and measure; returns the tables `values` and `often`. The model stays for those that follow."""
    with contextlib.redirect_stderr(io.StringIO()):  # the bar of the ledger stands for all of them
        model = make(world, arm)
        values = [
            Value(arm=arm.name, number=arm.number, measure=name, item=item, value=value)
            for name, item, value in measure(world, model)
        ]
        often = ask_often(world, arm, model) if arm.number >= 0 and VARIANTS[arm.name].curve else []
    work.cached_tokenizer.cache_clear()
    return {"values": to_table(Value, values), "often": to_table(Often, often)}


def make(world: World, arm: Arm) -> Path:
    """Return the arm's model, trained now unless it is there."""
    if arm.number < 0:
        return world.stages[arm.name] / "model"
    folder = world.out / "models" / arm.key
    if (folder / "done.json").exists():
        return folder / "model"
    shutil.rmtree(folder, ignore_errors=True)
    (prefer if VARIANTS[arm.name].pairs else fine_tune)(world, arm, folder)
    files.write_json(folder / "done.json", {"arm": arm.key})
    return folder / "model"


def fine_tune(world: World, arm: Arm, folder: Path) -> None:
    """Fine-tune the midtrained model on a part of the run's passes over each flow."""
    recipe = recipes.load(world.run / "recipe.json").sft
    facts = VARIANTS[arm.name].facts
    flows = files.read_json(world.data / "complete.json")["flows"][facts]
    passes = {
        name: world.sft_frac * recipe.flow_epochs.get(name, recipe.epochs)
        for name in (re.sub(r"[^A-Za-z0-9_-]", "_", flow) for flow in flows)
    }
    loop = dataclasses.replace(recipe.loop, ranks=1, trackers=())
    config = dataclasses.replace(
        recipe, start="midtrain", data="sft_data", epochs=1.0, flow_epochs=passes, loop=loop
    )
    sft_stage.run(config, door(world, "sft", arm, folder, {"sft_data": world.data / facts}))


def prefer(world: World, arm: Arm, folder: Path) -> None:
    """Train on the arm's sorts of pairs, with the strength of the run's round of that kind."""
    variant = VARIANTS[arm.name]
    recipe = recipes.load(world.run / "recipe.json")
    own_parent = world.out / "models" / Arm(name=variant.start, number=arm.number).key
    parent = own_parent if variant.start in VARIANTS else world.stages[variant.start]
    own = folder / "pairs"
    rows = [row for sort in variant.pairs for row in pairs_of(world, sort, arm, parent / "model", own)]
    files.write_parquet(own / "preferences.parquet", to_table(Preference, rows))
    config = recipe.dpo1 if variant.pairs == ("pivotal",) else recipe.dpo2
    most = world.fact_pairs if variant.pairs == ("refusal",) else 0
    loop = dataclasses.replace(config.loop, ranks=1, trackers=())
    config = dataclasses.replace(
        config, start="parent", pairs_from=("own",), origins=(), max_pairs=most, loop=loop
    )
    inputs = {"parent": parent, "own": own, "sft_data": world.data / variant.facts}
    dpo_stage.run(config, door(world, "dpo", arm, folder, inputs))


def pairs_of(world: World, sort: str, arm: Arm, model: Path, folder: Path) -> list[Preference]:
    """Return pairs of one sort: the run's, the report's on facts, or the model's replies on constraints."""
    if sort == "pivotal":
        return read(world, "pivotal", "preferences", Preference)
    if sort == "judge":
        rows = read(world, "judge", "preferences", Preference)
        return [row for row in rows if row.origin != "constraint"]
    if sort == "refusal":
        return from_table(Preference, files.read_parquet(world.data / "report" / "preferences.parquet"))
    base = recipes.load(world.run / "recipe.json").judge
    count = world.constraint_questions
    config = dataclasses.replace(base, constraint_questions=count, constraint_pairs=count)
    stage = door(world, "constraints", arm, folder, {})
    return constraint_pairs.pairs(config, stage, str(model), load_tokenizer(model))[0]


def door(world: World, name: str, arm: Arm, folder: Path, inputs: Mapping[str, Path]) -> StageDir:
    """Return the stage folder of an arm; one seed for all arms of a number."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = request_seed(world.seed, "stages and variants", arm.number)
    return StageDir(name=name, path=folder, seed=seed, inputs={**world.stages, **inputs})


# --- what it can do ---


def measure(world: World, model: Path) -> Iterator[tuple[str, str, float]]:
    """Yield (measure, item, value) of every item."""
    recipe = recipes.load(world.run / "recipe.json")
    names = ("solution_tokens", "answer_tokens", "instruction_tokens")
    setting = work.Setting(
        tables=(str(world.data / "problems.parquet"),),
        held_out=str(world.stages["tokenize"] / "heldout.parquet"),
        held_out_bytes=recipe.evaluate.held_out_bytes // 4,
        window=recipe.pretrain.model.context,
        seed=world.seed,
        tokens={name: getattr(recipe.evaluate, name) for name in names},
        batch_size=recipe.evaluate.batch_size,
    )
    for task in (*TASKS, bits_per_byte.NAME):
        mode = bits_per_byte.MODE if task == bits_per_byte.NAME else GREEDY
        shard = work.Shard(
            checkpoint="arm", model=str(model), style="chat", task=task, mode=mode, start=0, stop=10**6
        )
        logs = from_table(ItemLog, work.run_shard(setting, shard)["logs"])
        yield from (weighed(logs) if task == bits_per_byte.NAME else judged(logs))


def judged(logs: Sequence[ItemLog]) -> Iterator[tuple[str, str, float]]:
    """One value a log and measure, 1 or 0."""
    for log in logs:
        if log.task in FACTS:
            for verdict in ("right", "wrong", "refused"):
                yield f"{FACTS[log.task]}_{verdict}", log.item_id, float(log.verdict == verdict)
            continue
        yield log.task, log.item_id, log.value
        if log.task == instructions.NAME:
            yield f"{log.task}_{log.group}", log.item_id, log.value


def weighed(logs: Sequence[ItemLog]) -> Iterator[tuple[str, str, float]]:
    """Values whose mean is all bits over all bytes."""
    scale = len(logs) / sum(log.weight for log in logs)
    return ((bits_per_byte.NAME, log.item_id, log.value * log.weight * scale) for log in logs)


def ask_often(world: World, arm: Arm, model: Path) -> list[Often]:
    """Ask every fact question many times and note what speaks for the answer."""
    questions = asking_often.read_items(world.run, world.curve_limit)
    how = argparse.Namespace(style="chat", replies=CURVE_REPLIES)
    replies = asking_often.asked(str(model), how, questions, seed=arm.number, greedy=False)
    held = [abstention.hold(q.id, q.skill, r) for q, r in zip(questions, replies, strict=True)]
    return [Often(arm=arm.name, number=arm.number, **dataclasses.asdict(one)) for one in held]


def held_of(rows: Sequence[Often], arm: str, number: int) -> list[abstention.Held]:
    """Return the questions of one model, in one order for all."""
    own = sorted((row for row in rows if (row.arm, row.number) == (arm, number)), key=lambda row: row.item)
    names = [field.name for field in dataclasses.fields(abstention.Held)]
    return [abstention.Held(**{name: getattr(row, name) for name in names}) for row in own]


def plan(seeds: int) -> list[Arm]:
    """Return all arms in the order in which they can be made: the run's own models, then seed by seed."""
    own = [Arm(name=name, number=-1) for name in STAGES]
    return own + [Arm(name=name, number=number) for number in range(seeds) for name in VARIANTS]


def described(world: World) -> str:
    """Return the counts of conversations and pairs of both rules, for the head of the table."""
    return json.dumps(files.read_json(world.data / "complete.json"))
