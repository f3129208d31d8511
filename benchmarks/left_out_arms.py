"""What `leave_one_out.py` trains and measures: data with and without a flow, and the flow's own measure.

Fine-tuning arms start from the run's own midtrained model and differ in the conversations; pretraining arms
are half-width models from nothing and differ in the documents. Within a seed all arms share order and initial
weights; within a part all arms train on equally many tokens, what is left out being shared among the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium import recipe as recipes
from trivium.claims.folder import claim
from trivium.evaluate import work
from trivium.evaluate.likelihood import score
from trivium.evaluate.logs import GREEDY, ItemLog
from trivium.evaluate.tasks import TASKS, bits_per_byte, contest, instructions
from trivium.mix.plan import plan_mixture
from trivium.models.load import load_model, load_tokenizer
from trivium.models.prompting import make_encoder
from trivium.models.sample_draw import request_seed
from trivium.proxies.subset import write_subset
from trivium.proxies.world import narrow
from trivium.records import Example, Message, Question, Verdict, from_table, to_table
from trivium.store import files
from trivium.store.run import Run, StageDir
from trivium.train import pretrain_stage, sft_stage, tokens
from trivium.train.hashing import permutation, stable_seed

if TYPE_CHECKING:
    import pyarrow as pa

FINE, BASE = "sft", "pretrain"
LIKELIHOOD = "bits a byte"
WROTE = {
    "problems.word": ("contest", Verdict.RIGHT),
    "problems.arithmetic": ("arithmetic", Verdict.RIGHT),
    "problems.programs": ("programs", Verdict.RIGHT),
    "constraints": ("instructions", Verdict.RIGHT),
    "fact_answer": ("facts_known", Verdict.RIGHT),
    "fact_refusal": ("facts_unknown", Verdict.WRONG),
    "bogus_refusal": ("bogus", Verdict.REFUSED),
}
"""Flow of the conversations -> task and the verdict that is counted."""
WEIGHED = "docstring_reversal"
"""Flow of the conversations whose replies, code, are weighed instead of judged."""
LEAST_ROWS = 50
"""A flow of fewer rows cannot be told from none; it stays in, and the benchmark says so."""
MOST_EPOCHS = 17.0
"""Of a source, as in the mixture search."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Everything that a worker needs; picklable."""

    run: Path
    out: Path
    stages: dict[str, Path]
    seed: int
    sft_frac: float
    """Part of the run's fine-tuning tokens."""
    tokens: int
    """Of a pretraining arm."""
    hidden: int
    items: int

    @property
    def data(self) -> Path:
        """Folder of what all arms read."""
        return self.out / "data"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """A training: a part, the flow that is left out (empty: none) and the number of the seed."""

    part: str
    left: str
    number: int

    @property
    def key(self) -> str:
        """Name of its folder."""
        return f"{self.part}-{named(self.left) or 'all'}-{self.number}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """What a model did with one item of a flow's measure."""

    part: str
    left: str
    number: int
    flow: str
    measure: str
    """A task, whose verdicts are counted, or `LIKELIHOOD`."""
    item: str
    value: float
    """1 or 0 for a reply; for a text its part of bits a byte, times the number of texts."""


def named(flow: str) -> str:
    """Return the name of a flow as the token stores write it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", flow)


def open_world(run: Run, out: Path, sizes: Mapping[str, Any]) -> World:
    """Check the run and prepare what all arms share."""
    needed = ("items", "decontaminate", "tokenize", "midtrain", "sft_data", "sft")
    for name in needed:
        run.record(name)
    found = run.finished()
    stages = {name: found[name] for name in needed}
    world = World(run=run.path, out=out, stages=stages, seed=int(run.recipe()["seed"]), **sizes)
    claim(
        out / "experiment.json",
        "another experiment",
        {"config": dict(sizes), "inputs": {"run": run.output_hash()}},
    )
    if not (world.data / "complete.json").exists():
        shutil.rmtree(world.data, ignore_errors=True)
        write_problems(world)
        write_conversations(world)
        names = write_documents(world)
        files.write_json(world.data / "complete.json", names)
    return world


def flows_of(world: World, part: str) -> tuple[list[str], dict[str, int]]:
    """Return the flows that are left out in turn, and those with too few rows for that."""
    if part == BASE:
        found = files.read_json(world.data / "complete.json")
        return found["flows"], found["few"]
    rows = files.read_parquet(world.stages["sft_data"] / "examples.parquet")["flow"].to_pylist()
    counts = Counter(rows)
    able = [flow for flow in (*WROTE, WEIGHED) if counts[flow] >= LEAST_ROWS]
    return able, {flow: count for flow, count in sorted(counts.items()) if flow not in able}


# --- what all arms share ---


def write_problems(world: World) -> None:
    """Write the questions that are asked: a contest of their own, the run's items, code to weigh."""
    recipe = recipes.load(world.run / "recipe.json")
    found = from_table(Question, files.read_parquet(world.stages["items"] / "questions.parquet"))
    found = [
        row
        for row in found
        if row.skill != instructions.NAME or instructions.family(row) == instructions.SEEN
    ]
    seed = request_seed(world.seed, "leave one out") % 2**32
    found += contest.items(seed, world.items, recipe.evaluate.contest_steps)
    kept: list[Question] = []
    for task, _ in WROTE.values():
        kept += [row for row in found if row.skill == task][: world.items]
    files.write_parquet(world.data / "problems.parquet", to_table(Question, kept))
    files.write_json(world.data / "code.json", code_pairs(world))


def write_conversations(world: World) -> None:
    """Write a part of every flow's conversations, so that the epochs over it are the run's."""
    rows = from_table(Example, files.read_parquet(world.stages["sft_data"] / "examples.parquet"))
    rows = sorted(rows, key=lambda row: request_seed(world.seed, "leave one out", row.id))
    seen: Counter[str] = Counter()
    counts, kept = Counter(row.flow for row in rows), []
    for row in rows:
        seen[row.flow] += 1
        if seen[row.flow] <= max(2, round(world.sft_frac * counts[row.flow])):
            kept.append(row)
    files.write_parquet(world.data / "sft_data" / "examples.parquet", to_table(Example, kept))


def code_pairs(world: World) -> list[list[str]]:
    """Return instruction and code of documented functions that are no conversation of the run."""
    chats = from_table(Example, files.read_parquet(world.stages["sft_data"] / "examples.parquet"))
    shown = {row.messages[-1].content.strip() for row in chats if row.flow == WEIGHED}
    rows = from_table(Example, files.read_parquet(world.stages["decontaminate"] / "examples.parquet"))
    pairs = []
    for row in rows:
        if row.flow == WEIGHED and row.text:
            prompt, _, code = row.text.removeprefix("Problem: ").partition("\nSolution:")
            if code.strip() and code.strip() not in shown:
                pairs.append([prompt, code.strip()])
    return pairs[: world.items]


def write_documents(world: World) -> dict[str, Any]:
    """Write a token store with one source a flow, cut to the arms' size, and documents kept apart."""
    recipe, store = recipes.load(world.run / "recipe.json"), world.stages["tokenize"] / "tokens"
    rows = from_table(Example, files.read_parquet(world.stages["decontaminate"] / "examples.parquet"))
    flow_of = {row.id: row.flow for row in rows if row.text}
    vocab = load_tokenizer(world.stages["tokenize"] / "tokenizer").vocab_size
    lines: dict[str, Any] = {}
    shares: dict[str, float] = {}
    few: Counter[str] = Counter()
    kept: list[dict[str, Any]] = []
    for source, share in recipe.mix.shares.items():
        groups = by_flow(store, source, flow_of, few)
        total = sum(len(doc.ids) for docs in groups.values() for doc in docs)
        for name, docs in groups.items():
            held = [] if "organic" in name else list(held_out(world, name, docs))
            kept += [
                {"flow": name, "row": docs[i].row, "ids": list(docs[i].ids), "bytes": docs[i].num_bytes}
                for i in held
            ]
            lines[name] = tokens.write_source(
                world.data / "whole", name, [doc for i, doc in enumerate(docs) if i not in set(held)], vocab
            )
            shares[name] = share * sum(len(doc.ids) for doc in docs) / total
    tokens.write_manifest(world.data / "whole", vocab, lines)
    frac = min(1.0, world.tokens / recipe.mix.budget_tokens)
    write_subset(world.data / "whole", world.data / "tokenize" / "tokens", list(shares), frac, world.seed)
    shutil.copytree(world.stages["tokenize"] / "tokenizer", world.data / "tokenize" / "tokenizer")
    files.write_json(world.data / "held.json", kept)
    return {"flows": sorted({row["flow"] for row in kept}), "few": dict(few), "shares": shares}


def by_flow(
    store: Path, source: str, flow_of: Mapping[str, str], few: Counter[str]
) -> dict[str, list[tokens.TokenDocument]]:
    """Return a source's documents by flow; organic ones and flows of few rows stand under its name."""
    found, size = tokens.open_source(store, source), tokens.read_manifest(store)["sources"][source]
    rate = size["bytes"] / max(size["tokens"], 1)
    ids = files.read_parquet(store / f"{source}.rows.parquet")["id"].to_pylist()
    counts = Counter(flow_of[row] for row in ids)
    groups: dict[str, list[tokens.TokenDocument]] = {}
    for index, row in enumerate(ids):
        flow = flow_of[row]
        alone = flow != "organic" and counts[flow] >= LEAST_ROWS
        if not alone and flow != "organic":
            few[flow] += 1
        words = found.ids[found.starts[index] : found.starts[index + 1]].tolist()
        document = tokens.TokenDocument(row, words, round(rate * len(words)), float(found.difficulty[index]))
        groups.setdefault(f"{named(flow)}" if alone else f"organic_{source}", []).append(document)
    return groups


def held_out(world: World, name: str, docs: Sequence[tokens.TokenDocument]) -> list[int]:
    """Return the documents that no arm sees: up to a tenth of them."""
    order = permutation(stable_seed(world.seed, "leave one out", name), len(docs))
    return [int(i) for i in order[: min(world.items, len(docs) // 10)]]


# --- one arm ---


def run_arm(world: World, arm: Arm) -> Mapping[str, pa.Table]:
    """Train, measure and forget the model; returns the table `values`."""
    folder = world.out / "arms" / arm.key
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.redirect_stderr(io.StringIO()):  # the bar of the ledger stands for all of them
        model = fine_tune(world, arm, folder) if arm.part == FINE else pretrain(world, arm, folder)
    flows = [arm.left] if arm.left else flows_of(world, arm.part)[0]
    measure = measure_tuned if arm.part == FINE else measure_base
    rows = [
        Value(
            part=arm.part, left=arm.left, number=arm.number, flow=flow, measure=name, item=item, value=value
        )
        for flow in flows
        for name, found in measure(world, model, flow).items()
        for item, value in found
    ]
    work.cached_tokenizer.cache_clear()
    shutil.rmtree(folder)
    return {"values": to_table(Value, rows)}


def fine_tune(world: World, arm: Arm, folder: Path) -> Path:
    """Fine-tune the midtrained model on all conversations, or without one flow for as many tokens."""
    recipe = recipes.load(world.run / "recipe.json")
    streams = files.read_json(world.stages["sft"] / "metrics.json")["streams"]
    wanted = {name: line["tokens_wanted"] for name, line in streams.items()}
    left = named(arm.left)
    grown = sum(wanted.values()) / (sum(wanted.values()) - wanted.get(left, 0))
    epochs = {name: line["epochs"] * grown for name, line in streams.items()}
    loop = dataclasses.replace(recipe.sft.loop, ranks=1, trackers=())
    config = dataclasses.replace(
        recipe.sft,
        start="midtrain",
        data="sft_data",
        epochs=1.0,
        flow_epochs={**epochs, **({left: 0.0} if left else {})},
        loop=loop,
    )
    inputs = {**world.stages, "sft_data": world.data / "sft_data"}
    sft_stage.run(config, door(world, "sft", folder, arm.number, inputs))
    return folder / "model"


def pretrain(world: World, arm: Arm, folder: Path) -> Path:
    """Pretrain a half-width model on all flows, or without one for as many tokens."""
    recipe = recipes.load(world.run / "recipe.json")
    shares = files.read_json(world.data / "complete.json")["shares"]
    manifest = tokens.read_manifest(world.data / "tokenize" / "tokens")
    unique = {name: int(line["targets"]) for name, line in manifest["sources"].items()}
    rest = {name: share for name, share in shares.items() if name != arm.left}
    lines = [dataclasses.asdict(line) for line in plan_mixture(rest, unique, world.tokens, MOST_EPOCHS)]
    files.write_json(folder / "mix" / "plan.json", {"budget_tokens": world.tokens, "sources": lines})
    base = recipe.pretrain
    config = dataclasses.replace(
        base,
        model=narrow(base.model, world.hidden),
        loop=dataclasses.replace(base.loop, ranks=1, trackers=()),
    )
    inputs = {"tokenize": world.data / "tokenize", "mix": folder / "mix"}
    pretrain_stage.run(config, door(world, "pretrain", folder, arm.number, inputs))
    return folder / "model"


def door(world: World, name: str, folder: Path, number: int, inputs: dict[str, Path]) -> StageDir:
    """Return the stage folder of an arm; one seed for all arms of a number."""
    return StageDir(
        name=name, path=folder, seed=request_seed(world.seed, "leave one out", number), inputs=inputs
    )


# --- a flow's own measure ---


def measure_tuned(world: World, model: Path, flow: str) -> dict[str, list[tuple[str, float]]]:
    """Ask the flow's task and count its verdict; weigh replies that are known to be right."""
    if flow == WEIGHED:
        return {LIKELIHOOD: weigh_replies(model, files.read_json(world.data / "code.json"))}
    task, counted = WROTE[flow]
    problems = world.data / "problems.parquet"
    evaluate = recipes.load(world.run / "recipe.json").evaluate
    names = ("solution_tokens", "answer_tokens", "instruction_tokens")
    setting = work.Setting(
        tables=(str(problems),),
        held_out="",
        held_out_bytes=0,
        window=0,
        seed=world.seed,
        tokens={name: getattr(evaluate, name) for name in names},
        batch_size=evaluate.batch_size,
    )
    place = {"checkpoint": "arm", "model": str(model), "style": "chat"}
    shard = work.Shard(**place, task=TASKS[task].name, mode=GREEDY, start=0, stop=world.items)
    logs = from_table(ItemLog, work.run_shard(setting, shard)["logs"])
    found = {task: [(log.item_id, float(log.verdict == counted)) for log in logs]}
    if counted == Verdict.RIGHT:
        rows = [row for row in from_table(Question, files.read_parquet(problems)) if row.skill == task]
        found[LIKELIHOOD] = weigh_replies(model, [[row.prompt, row.solution] for row in rows if row.solution])
    return {name: values for name, values in found.items() if values}


def weigh_replies(model: Path, pairs: Sequence[Sequence[str]]) -> list[tuple[str, float]]:
    """Bits a byte of replies given their prompts."""
    tokenizer = load_tokenizer(model)
    encode, loaded = make_encoder(model, tokenizer), load_model(model)
    turns = [[Message(role="user", content=a), Message(role="assistant", content=b)] for a, b in pairs]
    marked = [encode(turn) for turn in turns]
    fits = [i for i, (ids, _) in enumerate(marked) if len(ids) <= loaded.config.max_position_embeddings]
    scored = score(loaded, [marked[i][0] for i in fits], tokenizer.pad_id)
    bits = [
        sum(b for b, said in zip(one.bits, marked[i][1][1:], strict=True) if said)
        for i, one in zip(fits, scored, strict=True)
    ]
    return shared_out([str(i) for i in fits], bits, [len(pairs[i][1].encode()) for i in fits])


def measure_base(world: World, model: Path, flow: str) -> dict[str, list[tuple[str, float]]]:
    """Bits a byte of the flow's documents that no arm saw, in windows of the context."""
    loaded = load_model(model)
    kept = [row for row in files.read_json(world.data / "held.json") if row["flow"] == flow]
    pieces = [bits_per_byte.windows(row["ids"], int(loaded.config.max_position_embeddings)) for row in kept]
    scored = iter(score(loaded, [p for row in pieces for p in row], load_tokenizer(model).pad_id))
    bits = [sum(sum(next(scored).bits) for _ in row) for row in pieces]
    return {LIKELIHOOD: shared_out([row["row"] for row in kept], bits, [row["bytes"] for row in kept])}


def shared_out(items: Sequence[str], bits: Sequence[float], sizes: Sequence[int]) -> list[tuple[str, float]]:
    """Return values whose mean is all bits over all bytes."""
    scale = len(items) / max(sum(sizes), 1)
    return [(item, float(b) * scale) for item, b in zip(items, bits, strict=True)]


def table_of(values: Sequence[Value], part: str, flow: str, measure: str, left: str) -> np.ndarray:
    """Return the values (seeds, items) of one of a flow's measures under one arm, items in one order."""
    wanted = (part, flow, measure, left)
    rows = [row for row in values if (row.part, row.flow, row.measure, row.left) == wanted]
    numbers = sorted({row.number for row in rows})
    items = sorted({row.item for row in rows})
    found = {(row.number, row.item): row.value for row in rows}
    return np.array([[found[number, item] for item in items] for number in numbers])
