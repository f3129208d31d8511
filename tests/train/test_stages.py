"""The stages on disk: from rows to a base, a stretched, a chat and a preferring model."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pyarrow.compute as pc
import pytest
import torch

from trivium.errors import ConfigError, DataError
from trivium.mix import stage as mix_stage
from trivium.models import chat
from trivium.models.load import load_model, load_tokenizer
from trivium.models.phi import ModelConfig
from trivium.records import Drop, Example, Message, Preference, Rollout, row_id
from trivium.store.run import StageDir, hash_outputs
from trivium.train import (
    dpo_stage,
    midtrain_stage,
    pretrain_stage,
    sft_stage,
    tokenize_stage,
)
from trivium.train.settings import LoopConfig

SHAPE = ModelConfig(hidden=32, layers=2, heads=2, kv_heads=1, ffn=48, context=32)
LOOP = LoopConfig(learning_rate=3e-3, rows=4, row_tokens=32, checkpoint_steps=1000)


def problem(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    return f"What is {a} plus {b}?", f" {a}+{b}={a + b}. Answer: {a + b}"


def door(root: Path, name: str) -> StageDir:
    path = root / name
    path.mkdir(parents=True, exist_ok=True)
    return StageDir(name=name, path=path, seed=0, inputs={p.name: p for p in root.iterdir()})


def write_rows(root: Path) -> None:
    rng = random.Random(0)
    rows, chats = [], []
    for i in range(160):
        prompt, reply = problem(rng)
        text = f"Problem: {prompt}\nSolution:{reply}"
        rows.append(Example(id=row_id("s", [], str(i)), source="synthetic", flow="sum", text=text))
        said = [Message(role="user", content=prompt), Message(role="assistant", content=reply.strip())]
        chats.append(Example(id=row_id("c", [], str(i)), source="chat", flow="sum", messages=said))
    for i in range(12):
        text = " ".join(f"key {rng.randint(0, 99)} is {rng.randint(0, 99)}." for _ in range(20))
        rows.append(Example(id=row_id("l", [], str(i)), source="long", flow="recall", text=text))
        rows.append(Example(id=row_id("w", [], str(i)), source="code", flow="web", text=f"x = {i}\n" * 9))
    rows.append(Example(id="empty", source="web", flow="web", text="  "))
    door(root, "decontaminate").write("examples", Example, rows)
    door(root, "sft_data").write("examples", Example, chats)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder through fine-tuning."""
    root = tmp_path_factory.mktemp("run")
    write_rows(root)
    tokenize_stage.run(tokenize_stage.TokenizeConfig(vocab=300, heldout_frac=0.05), door(root, "tokenize"))
    mix_stage.run(mix_stage.MixConfig(budget_tokens=6000), door(root, "mix"))
    config = pretrain_stage.PretrainConfig(model=SHAPE, loop=LOOP)
    found = pretrain_stage.run(config, door(root, "pretrain"))
    (root / "pretrain" / "found.json").write_text(json.dumps(found))
    return root


@pytest.fixture(scope="module")
def tuned(run: Path) -> Path:
    """The same folder with a fine-tuned model and rollouts from it."""
    config = sft_stage.SFTConfig(start="pretrain", epochs=1.0, loop=LOOP)
    sft_stage.run(config, door(run, "sft"))
    return run


def test_weights_are_drawn_back_to_the_start_s_after_training(tuned: Path) -> None:
    config = sft_stage.SFTConfig(start="pretrain", epochs=1.0, loop=LOOP, start_share=0.25)
    sft_stage.run(config, door(tuned, "near"))
    before, plain, near = (
        load_model(tuned / name / "model").state_dict() for name in ("pretrain", "sft", "near")
    )
    for name, weight in near.items():
        torch.testing.assert_close(weight, 0.25 * before[name] + 0.75 * plain[name])
    assert any(not torch.equal(near[name], plain[name]) for name in near)
    with pytest.raises(ConfigError, match="start_share"):
        sft_stage.SFTConfig(start_share=1.0)


def test_flows_may_be_passed_over_more_or_less_often_than_the_rest() -> None:
    config = sft_stage.SFTConfig(epochs=2.0, flow_epochs={"facts": 4.0, "code": 0.0})
    assert sft_stage._passes(["code", "facts", "word"], config) == {"facts": 4.0, "word": 2.0}
    with pytest.raises(ConfigError, match="facts"):
        sft_stage._passes(["code", "word"], config)
    with pytest.raises(ConfigError, match="negative"):
        sft_stage.SFTConfig(flow_epochs={"facts": -1.0})


def test_tokenize_keeps_every_row_once_and_says_what_it_dropped(run: Path) -> None:
    rows = door(run, "x").rows("decontaminate", "examples", Example)
    heldout = door(run, "x").rows("tokenize", "heldout", Example)
    manifest = json.loads((run / "tokenize" / "tokens" / "tokens.json").read_text())
    stored = sum(line["documents"] for line in manifest["sources"].values())
    assert 0 < len(heldout) < 30
    assert stored + len(heldout) + 1 == len(rows)
    stage = door(run, "tokenize")
    tokenize_stage._usable(rows, stage)
    assert stage.drops == [Drop(id="empty", step="tokenize", reason="empty text", source="web")]


def test_token_files_decode_to_the_rows_they_came_from(run: Path) -> None:
    from trivium.train.tokens import open_source

    tokenizer = load_tokenizer(run / "tokenize" / "tokenizer")
    source = open_source(run / "tokenize" / "tokens", "long")
    texts = {row.text for row in door(run, "x").rows("decontaminate", "examples", Example)}
    for number in range(len(source)):
        ids = source.ids[source.starts[number] : source.starts[number + 1]].tolist()
        assert ids[-1] == tokenizer.eos_id
        assert tokenizer.decode(ids) in texts


def test_pretrain_follows_the_plan_to_the_token(run: Path) -> None:
    found = json.loads((run / "pretrain" / "found.json").read_text())
    plan = json.loads((run / "mix" / "plan.json").read_text())
    wanted = {line["source"]: line["tokens"] for line in plan["sources"] if line["tokens"]}
    assert sum(found["tokens_by_source"].values()) == found["tokens"]
    assert set(found["tokens_by_source"]) == set(wanted)
    for name, tokens in wanted.items():
        assert abs(found["tokens_by_source"][name] - tokens) <= LOOP.row_tokens


def test_the_same_inputs_give_the_same_files(run: Path, tmp_path: Path) -> None:
    stage = StageDir(
        name="pretrain", path=tmp_path, seed=0, inputs={p.name: p for p in run.iterdir() if p.is_dir()}
    )
    pretrain_stage.run(pretrain_stage.PretrainConfig(model=SHAPE, loop=LOOP), stage)
    first = {k: v for k, v in hash_outputs(run / "pretrain").items() if k != "found.json"}
    assert hash_outputs(tmp_path) == first


def test_midtraining_stretches_the_context_and_keeps_the_shares(run: Path) -> None:
    loop = LoopConfig(rows=2, row_tokens=128)
    config = midtrain_stage.MidtrainConfig(budget_tokens=4000, loop=loop)
    found = midtrain_stage.run(config, door(run, "midtrain"))
    assert found["peak_learning_rate"] == pytest.approx(LOOP.learning_rate / 10)
    assert found["long_frac_got"] == pytest.approx(0.3, abs=0.01)
    saved = json.loads((run / "midtrain" / "model" / "config.json").read_text())
    assert saved["max_position_embeddings"] == 4 * SHAPE.context
    assert saved["rope_parameters"]["rope_theta"] == 250_000.0
    assert load_model(run / "midtrain" / "model").config.rope_parameters["rope_theta"] == 250_000.0


def test_fine_tuning_counts_replies_only(tuned: Path) -> None:
    stage = door(tuned, "sft_again")
    config = sft_stage.SFTConfig(start="pretrain", epochs=1.0, loop=LOOP)
    rows = stage.rows("sft_data", "examples", Example)
    tokenizer = load_tokenizer(tuned / "pretrain" / "model")
    sft_stage.write_store(rows, tuned / "pretrain" / "model", config, stage)
    manifest = json.loads((stage.scratch / "tokens" / "tokens.json").read_text())
    replies = sum(len(tokenizer.encode(row.messages[1].content)) + 1 for row in rows)
    assert manifest["sources"]["sum"]["targets"] == replies


def test_a_tuned_model_ends_its_turn_with_the_end_of_turn_token(tuned: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tuned / "sft" / "model")
    tokenizer = AutoTokenizer.from_pretrained(tuned / "sft" / "model")
    ours = load_tokenizer(tuned / "sft" / "model")
    assert tokenizer.eos_token_id == ours.end_id
    assert tokenizer.pad_token_id == ours.pad_id not in (ours.end_id, ours.eos_id)
    assert model.generation_config.eos_token_id == list(chat.stop_ids(ours))


def test_dpo_raises_the_margin_of_pairs_it_never_saw(tuned: Path) -> None:
    tokenizer = load_tokenizer(tuned / "sft" / "model")
    rng = random.Random(3)
    pairs, rollouts = [], []
    yes, no = tokenizer.encode(" ")[0], tokenizer.encode("x")[0]
    for n in range(60):
        prompt, reply = problem(rng)
        ids = chat.prompt_ids(tokenizer, prompt, "chat")
        name = f"q{n}"
        common = {"question_id": name, "origin": "pivotal", "gap": 0.5}
        pairs.append(Preference(id=f"p{n}", prompt_ids=ids, chosen_ids=[yes], rejected_ids=[no], **common))
        said = tokenizer.encode(reply.strip())
        rollouts.append(
            Rollout(
                id=f"r{n}", question_id=name, prefix_ids=ids, completion_ids=said, verdict="right",
                logprobs=[0.0] * len(said), finish="eos",
            )
        )  # fmt: skip
    door(tuned, "pivotal").write("preferences", Preference, pairs)
    door(tuned, "pivotal").write("rollouts", Rollout, rollouts)
    loop = LoopConfig(learning_rate=1e-3, rows=16, row_tokens=128, weight_decay=0.0)
    config = dpo_stage.DPOConfig(loop=loop, heldout_frac=0.2, anchor_rows=4, replay_rows=4, kl_rows=8)
    found = dpo_stage.run(config, door(tuned, "dpo1"))
    assert found["pairs"] + found["heldout_pairs"] == 60
    assert found["heldout_accuracy"] == 1.0
    assert found["heldout_reward_margin"] > 0.1
    assert found["heldout_loss"] < found["heldout_loss_at_start"]
    assert 0 < found["kl_nats_per_token"] < 5
    held = dataclasses.replace(config, loss="ipo", kl_weight=1.0, kl_anchor_rows=4)
    squared = dpo_stage.run(held, door(tuned, "ipo"))
    assert squared["heldout_loss"] < squared["heldout_loss_at_start"] == pytest.approx(1 / 36)
    fitted = dpo_stage.run(dataclasses.replace(config, loss="sft"), door(tuned, "fitted"))
    losses = door(tuned, "fitted").table("fitted", "losses")
    right = losses.filter(pc.equal(losses["source"], "anchor"))["loss"].to_pylist()
    assert fitted["steps"] == 30
    assert fitted["pairs"] == 0
    assert right[-1] < right[0]
    moved = load_model(tuned / "dpo1" / "model")
    start = dict(load_model(tuned / "sft" / "model").named_parameters())
    assert all(not torch.equal(weight, start[name]) for name, weight in moved.named_parameters())


def test_user_mistakes_are_one_sentence(run: Path) -> None:
    with pytest.raises(ConfigError, match="row_tokens: got 64, expected at most"):
        pretrain_stage.PretrainConfig(model=SHAPE, loop=LoopConfig(row_tokens=64))
    with pytest.raises(ConfigError, match="loop.rows: got 0"):
        LoopConfig(rows=0)
    config = midtrain_stage.MidtrainConfig(loop=LoopConfig(row_tokens=4096))
    with pytest.raises(ConfigError, match="new context 128"):
        midtrain_stage.run(config, door(run, "midtrain_bad"))
    empty = door(run, "sft_empty")
    start = run / "tokenize" / "tokenizer"
    with pytest.raises(DataError, match="no usable conversation"):
        sft_stage.write_store([], start, sft_stage.SFTConfig(), empty)
    turns = [Message(role="user", content="a"), Message(role="assistant", content="b " * 99)]
    long = [Example(id="x", source="s", flow="f", messages=turns)]
    short_rows = sft_stage.SFTConfig(loop=LoopConfig(row_tokens=8))
    with pytest.raises(DataError, match=r"\(1 longer than a row\).*row_tokens=8: raise it"):
        sft_stage.write_store(long, start, short_rows, empty)


def test_stage_modules_import_without_torch_or_arrow() -> None:
    import subprocess
    import sys

    names = "tokenize_stage pretrain_stage midtrain_stage sft_stage dpo_stage".split()
    code = "".join(f"import trivium.train.{name}\n" for name in names) + "import trivium.mix.stage\n"
    code += (
        "import sys; print([m for m in ('torch', 'transformers', 'pyarrow', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
