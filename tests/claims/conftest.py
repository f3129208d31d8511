"""A finished run in small: a model of seventeen words that is right about half of the time."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from recipes import pocket

from trivium.config import to_json
from trivium.evaluate.stage import EvaluateConfig
from trivium.models import chat
from trivium.models.phi import ModelConfig
from trivium.pivotal.stage import PivotalConfig
from trivium.problems import arithmetic
from trivium.records import Example, Message, Question
from trivium.store import files
from trivium.store.run import RECORD_FILE, StageDir
from trivium.train import tokenize_stage
from trivium.train.dpo_stage import DPOConfig
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
    sums = arithmetic.make(0, 90)
    rows = [text_row(number, *kind) for kind in KINDS for number in range(40)]
    rows += [sum_row(question, "problems.arithmetic") for question in sums[:40]]
    rows += [chat_row(question, "problems.arithmetic") for question in sums[40:70]]
    doors["decontaminate"].write("examples", Example, rows)
    tasks = ("arithmetic", "programs", "instructions")
    items = [
        dataclasses.replace(row, skill=task, id=f"{task}{row.id}") for task in tasks for row in sums[70:]
    ]
    doors["items"].write("questions", Question, items)
    tokenizing = dataclasses.replace(doors["tokenize"], inputs={"decontaminate": doors["decontaminate"].path})
    tokenize_stage.run(tokenize_stage.TokenizeConfig(vocab=320), tokenizing)
    for door in doors.values():
        files.write_json(door.path / RECORD_FILE, {"output_hash": "test"})
    loop = LoopConfig(learning_rate=3e-3, rows=4, row_tokens=128, checkpoint_steps=2)
    shape = ModelConfig(hidden=32, layers=2, heads=2, kv_heads=2, ffn=48, context=128)
    recipe = dataclasses.replace(
        pocket.recipe(), pretrain=PretrainConfig(model=shape, loop=loop), sft=SFTConfig(loop=loop)
    )
    files.write_json(run / "recipe.json", to_json(recipe))
    return run


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
