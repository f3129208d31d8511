"""A finished run in small: a model of seventeen words that is right about half of the time."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import torch
from recipes import pocket
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import Phi3Config, Phi3ForCausalLM

from trivium.config import to_json
from trivium.evaluate.stage import EvaluateConfig
from trivium.models import chat
from trivium.models.load import load_tokenizer
from trivium.pivotal.stage import PivotalConfig
from trivium.records import Example, Message, Question
from trivium.store import files
from trivium.store.run import RECORD_FILE, StageDir
from trivium.train.dpo_stage import DPOConfig
from trivium.train.settings import LoopConfig

WORDS = ("user", "assistant", "how", "many", "Answer:", "1", "2", "3", "so", "then", "well", "yes")
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
    make_model(doors["sft"].path / "model")
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
        prompt=f"how many {' '.join(WORDS[(number * k) % 12] for k in range(1, 7))}",
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


def make_model(folder: Path) -> None:
    """Write a model that says `so Answer: 1` or `then Answer: 2`, mostly."""
    names = [*WORDS, *chat.SPECIAL_TOKENS]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="well"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.add_special_tokens(list(chat.SPECIAL_TOKENS))
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    files.write_json(folder / "tokenizer_config.json", {"eos_token": chat.ENDOFTEXT, "pad_token": chat.PAD})
    torch.set_num_threads(1)
    torch.manual_seed(5)
    model = Phi3ForCausalLM(
        Phi3Config(
            vocab_size=len(names),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=CONTEXT,
            original_max_position_embeddings=CONTEXT,
            bos_token_id=12,
            eos_token_id=12,
            pad_token_id=16,
        )
    )
    teach(model, folder)
    model.save_pretrained(folder)


def teach(model: Phi3ForCausalLM, folder: Path) -> None:
    """Teach it to answer in a few words."""
    tokenizer, rng = load_tokenizer(folder), random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        rows = []
        for _ in range(16):
            right = rng.random() < 0.5
            digit = "1" if right == (rng.random() < 0.9) else "2"
            reply = ["well"] * rng.randrange(3) + ["so" if right else "then", "Answer:", digit]
            ids = chat.prompt_ids(tokenizer, question(rng.randrange(40), "word").prompt, "chat")
            ids += [*tokenizer.encode(" ".join(reply)), tokenizer.end_id]
            rows.append(ids + [tokenizer.pad_id] * (24 - len(ids)))
        batch = torch.tensor(rows)
        model(input_ids=batch, labels=batch.masked_fill(batch == tokenizer.pad_id, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
