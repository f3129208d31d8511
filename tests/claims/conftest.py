"""A finished run in small: a model of seventeen words that is right about half of the time."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest
from recipes import pocket

from trivium import recipe as recipes
from trivium.align import sft_data_stage
from trivium.align.sft_data_stage import SFTDataConfig
from trivium.config import to_json
from trivium.evaluate.stage import EvaluateConfig
from trivium.evaluate.tasks import instructions
from trivium.evaluate.tasks import recall as recall_task
from trivium.mix import stage as mix_stage
from trivium.mix.stage import MixConfig
from trivium.models import chat
from trivium.models.load import load_tokenizer
from trivium.models.phi import ModelConfig
from trivium.pivotal.stage import PivotalConfig
from trivium.problems import arithmetic, facts, recall
from trivium.records import Example, Message, Preference, Question, Rollout, from_table
from trivium.store import files
from trivium.store.run import RECORD_FILE, StageDir
from trivium.synthesize.flows import facts as flows
from trivium.train import midtrain_stage, pretrain_stage, sft_stage, tokenize_stage
from trivium.train.dpo_stage import DPOConfig
from trivium.train.midtrain_stage import MidtrainConfig
from trivium.train.pretrain_stage import PretrainConfig
from trivium.train.settings import LoopConfig
from trivium.train.sft_stage import SFTConfig

sys.path.append(str(Path(__file__).resolve().parents[1] / "pivotal"))
from tiny import make_model, prompt  # noqa: E402

CONTEXT = 256


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the stages that the claims need."""
    run = tmp_path_factory.mktemp("run")
    doors = {
        name: StageDir(name=name, path=run / f"{number:02d}-{name}", seed=0)
        for number, name in ((2, "items"), (3, "synthesize"), (9, "sft_data"), (10, "sft"))
    }
    doors["synthesize"].write("questions", Question, [question(n, "word") for n in range(60)])
    tasks = ("arithmetic", "facts_known", "facts_unknown")
    doors["items"].write("questions", Question, [question(n, task) for task in tasks for n in range(6)])
    doors["sft_data"].write("examples", Example, [example(n) for n in range(30)])
    folder = make_model(doors["sft"].path / "model", CONTEXT)
    files.write_json(folder / "tokenizer_config.json", {"eos_token": chat.ENDOFTEXT, "pad_token": chat.PAD})
    for door in doors.values():
        files.write_json(door.path / RECORD_FILE, {"output_hash": "test"})
    recipe = dataclasses.replace(
        pocket.recipe(),
        pivotal=PivotalConfig(
            max_reply_tokens=12,
            root_rollouts=(12, 24),
            band=(0.1, 0.9),
            difficulty=(1, 4),
            min_apparent_gap=0.2,
            looks=(6, 12, 24),
            shard_questions=8,
        ),
        dpo1=DPOConfig(
            loop=LoopConfig(
                learning_rate=1e-4,
                rows=16,
                row_tokens=64,
                weight_decay=0.0,
                checkpoint_steps=1,
                warmup_frac=0.1,
            ),
            anchor_rows=4,
            replay_rows=4,
            kl_rows=4,
        ),
        evaluate=EvaluateConfig(
            solution_tokens=12, answer_tokens=6, instruction_tokens=6, contest_steps=(1, 2)
        ),
    )
    files.write_json(run / "recipe.json", to_json(recipe))
    return run


def question(number: int, skill: str) -> Question:
    """Ask something whose right answer is 1."""
    return Question(
        id=f"{skill}{number}",
        prompt=prompt(number),
        answer="1",
        verifier="number",
        skill=skill,
        difficulty=1 + number % 4,
        template="t",
    )


def example(number: int) -> Example:
    """A conversation to replay."""
    asked = question(number, "word").prompt
    messages = [Message(role="user", content=asked), Message(role="assistant", content="so Answer: 1")]
    return Example(id=f"e{number}", source="chat", flow="problems", messages=messages)


@pytest.fixture(scope="session")
def grid_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the stages that the grid needs: a little of every source, and sums to solve."""
    run = tmp_path_factory.mktemp("grid-run")
    doors = {
        name: StageDir(name=name, path=run / f"{number:02d}-{name}", seed=0)
        for number, name in ((2, "items"), (4, "decontaminate"), (5, "tokenize"))
    }
    sums = arithmetic.make(0, 120)
    rows = [text_row(number, *kind) for kind in KINDS for number in range(40)]
    rows += [sum_row(question, "problems.arithmetic") for question in sums[:40]]
    rows += [chat_row(question, "problems.arithmetic") for question in sums[40:100]]
    told = recall.training_documents(0, 20, pairs=(20, 30))
    rows += [Example(id=f"long{n}", source="long", flow="recall", text=text) for n, text in enumerate(told)]
    doors["decontaminate"].write("examples", Example, rows)
    tasks = ("arithmetic", "programs", "instructions")
    items = [
        dataclasses.replace(row, skill=task, id=f"{task}{row.id}") for task in tasks for row in sums[100:]
    ]
    doors["items"].write("questions", Question, items)
    tokenizing = dataclasses.replace(doors["tokenize"], inputs={"decontaminate": doors["decontaminate"].path})
    tokenize_stage.run(tokenize_stage.TokenizeConfig(vocab=320), tokenizing)
    for door in doors.values():
        files.write_json(door.path / RECORD_FILE, {"output_hash": "test"})
    loop = LoopConfig(learning_rate=3e-3, rows=4, row_tokens=128, checkpoint_steps=2)
    shape = ModelConfig(hidden=32, layers=2, heads=2, kv_heads=2, ffn=48, context=128)
    recipe = dataclasses.replace(
        pocket.recipe(),
        mix=MixConfig(budget_tokens=2000),
        pretrain=PretrainConfig(model=shape, loop=loop),
        midtrain=MidtrainConfig(budget_tokens=1000, loop=dataclasses.replace(loop, rows=1, row_tokens=512)),
        sft_data=SFTDataConfig(replies=2, max_new_tokens=6),
        sft=SFTConfig(epochs=1.0, loop=loop),
        dpo1=tiny_dpo("sft", "pivotal"),
        dpo2=tiny_dpo("dpo1", "judge"),
        evaluate=EvaluateConfig(
            solution_tokens=6, answer_tokens=6, instruction_tokens=6, contest_steps=(1, 2)
        ),
    )
    files.write_json(run / "recipe.json", to_json(recipe))
    return run


def tiny_dpo(start: str, pairs: str) -> DPOConfig:
    """A round of preferences of two steps."""
    loop = LoopConfig(learning_rate=1e-4, rows=8, row_tokens=128, weight_decay=0.0, checkpoint_steps=2)
    rows = {"anchor_rows": 2, "replay_rows": 2, "kl_rows": 2}
    return DPOConfig(start=start, pairs_from=(pairs,), epochs=1, loop=loop, **rows)


@pytest.fixture(scope="session")
def whole_run(grid_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the grid with every later stage that claims start from; its models know little."""
    run = tmp_path_factory.mktemp("whole-run") / "run"
    shutil.copytree(grid_run, run)
    recipe = recipes.load(run / "recipe.json")
    inputs = {path.name[3:]: path for path in run.glob("[0-9][0-9]-*")}

    def door(number: int, name: str) -> StageDir:
        inputs[name] = run / f"{number:02d}-{name}"
        return StageDir(name=name, path=inputs[name], seed=0, inputs=dict(inputs))

    known, withheld, _ = facts.split_known(facts.tables()[:40], 0)
    made = door(3, "synthesize")
    made.write("fact_questions", Question, flows.fact_questions(known[:6], withheld[:6], 6, 0))
    items = from_table(Question, files.read_parquet(inputs["items"] / "questions.parquet"))
    for task, rows in (("facts_known", known), ("facts_unknown", withheld)):
        asked = facts.questions(rows[:4], held_out_wording=True)
        items += [dataclasses.replace(row, skill=task) for row in asked]
    items += facts.bogus(0, 4, "exam")
    for task, size in zip(recall_task.TASKS, (4, 8, 16), strict=True):
        items += recall_task.items(0, task, 2, 2, size)
    items = [row for row in items if row.skill != "instructions"]
    items += instructions.items(0, 6)
    door(2, "items").write("questions", Question, items)
    mix_stage.run(recipe.mix, door(6, "mix"))
    pretrain_stage.run(recipe.pretrain, door(7, "pretrain"))
    midtrain_stage.run(recipe.midtrain, door(8, "midtrain"))
    sft_data_stage.run(recipe.sft_data, door(9, "sft_data"))
    sft_stage.run(recipe.sft, door(10, "sft"))
    write_pairs(door(11, "pivotal"), "pivotal", 1)
    write_pairs(door(13, "judge"), "judge", 4)
    for name, folder in inputs.items():
        files.write_json(folder / RECORD_FILE, {"output_hash": name})
    return run


def write_pairs(door: StageDir, origin: str, size: int) -> None:
    """Write pairs and replies as a search or a judge would."""
    tokenizer = load_tokenizer(door.inputs["sft"] / "model")
    said = {sign: [*tokenizer.encode(f"Answer: {sign}"), tokenizer.end_id] for sign in ("1", "22")}
    pairs, rolled = [], []
    for number in range(12):
        prompt = chat.prompt_ids(tokenizer, f"What is {number}?", "chat")
        pairs.append(
            Preference(
                id=f"{origin}{number}", question_id=f"q{number}", prompt_ids=prompt,
                chosen_ids=said["1"][-size:], rejected_ids=said["22"][-size - 1 : -1], origin=origin, gap=0.5,
                parents=[],
            )
        )  # fmt: skip
        for draw, (sign, verdict) in enumerate((("1", "right"), ("1", "right"), ("22", "wrong"))):
            rolled.append(
                Rollout(
                    id=f"{origin}{number}-{draw}", question_id=f"q{number}", prefix_ids=prompt,
                    completion_ids=said[sign], logprobs=[-0.1] * len(said[sign]), verdict=verdict,
                    finish="eos",
                )
            )  # fmt: skip
    door.write("preferences", Preference, pairs)
    door.write("rollouts", Rollout, rolled)


KINDS = (
    ("web", "organic", "Page {n} of the web says that x{n} is red. "),
    ("web_rewrites", "rule_rewrite", "Question: What is x{n}?\nAnswer: Red. "),
    ("code", "organic", "x{n} = {n} + 1\n"),
    ("acquired", "organic", "The book says that x{n} is an object. "),
)
"""Source, flow and text of the documents of a tiny run."""


def text_row(number: int, source: str, flow: str, text: str) -> Example:
    """A document."""
    return Example(id=f"{source}{number}", source=source, flow=flow, text=text.format(n=number) * 4)


def sum_row(question: Question, flow: str) -> Example:
    """A problem with its solution as text."""
    text = f"Problem: {question.prompt}\nSolution: {question.solution}"
    return Example(id=f"text{question.id}", source="synthetic", flow=flow, text=text)


def chat_row(question: Question, flow: str) -> Example:
    """A problem with its solution as a conversation."""
    turns = [
        Message(role="user", content=question.prompt),
        Message(role="assistant", content=question.solution),
    ]
    return Example(id=f"chat{question.id}", source="chat", flow=flow, messages=turns)
