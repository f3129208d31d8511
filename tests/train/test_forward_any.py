"""Any causal model of transformers: documents one by one, whatever the architecture; Phi-3 on both paths."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from trivium.errors import ConfigError, DataError
from trivium.models import phi, precision
from trivium.models.load import load_model, load_tokenizer, model_hash
from trivium.models.prompting import make_asker, make_encoder
from trivium.records import Example, Message, Preference, Rollout
from trivium.store.run import StageDir
from trivium.train import dpo_stage, forward, forward_any, sft_stage
from trivium.train.pairs import make_units
from trivium.train.preference import make_objective
from trivium.train.preference_losses import divergences, margins, pair_losses, reply_logps
from trivium.train.settings import LoopConfig

sys.path.append(str(Path(__file__).resolve().parents[1] / "pivotal"))
from tiny import make_llama, prompt  # noqa: E402

LENGTHS = (3, 40, 20, 21, 5, 22)
FAMILIES = ("llama", "qwen2", "gemma2", "gpt2")


def foreign(family: str) -> Any:
    """A tiny random model in which no weight is zero or one, so that every gradient shows."""
    import transformers

    sizes: dict[str, Any] = {
        "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    }  # fmt: skip
    made: dict[str, Any] = {
        "llama": lambda: transformers.LlamaConfig(**sizes, tie_word_embeddings=True),
        "qwen2": lambda: transformers.Qwen2Config(**sizes, tie_word_embeddings=False),
        "gemma2": lambda: transformers.Gemma2Config(
            **sizes, head_dim=8, sliding_window=8, final_logit_softcapping=3.0
        ),
        "gpt2": lambda: transformers.GPT2Config(
            vocab_size=90, n_embd=32, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0.5
        ),
    }
    config = made[family]()
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
    return model


def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    ids, targets = (torch.randint(0, 85, (sum(LENGTHS),), generator=generator) for _ in range(2))
    return ids, targets, torch.rand(sum(LENGTHS), generator=generator) * (torch.arange(sum(LENGTHS)) % 3 > 0)


def logits(model: Any, ids: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    states = forward.final_states(model, forward.hidden_states(model, ids, lengths))
    return forward.logits(model, states)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_are_those_of_every_document_alone(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = foreign(family)
    ids, targets, weights = draw()
    theirs = torch.cat([model(input_ids=part[None]).logits[0] for part in ids.split(LENGTHS)])
    torch.testing.assert_close(logits(model, ids, LENGTHS), theirs, rtol=1e-4, atol=1e-5)
    expected = (torch.nn.functional.cross_entropy(theirs, targets, reduction="none") * weights).sum()
    want = torch.autograd.grad(expected, list(model.parameters()))
    for most in (forward.LOGITS, 90 * 7):  # at once, and seven positions at a time
        monkeypatch.setattr(forward, "LOGITS", most)
        states = forward.hidden_states(model, ids, LENGTHS)
        total, each = forward.token_losses(model, states, targets, weights)
        torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(each == 0, weights == 0)
        got = torch.autograd.grad(total, list(model.parameters()))
        for (name, _), a, b in zip(model.named_parameters(), got, want, strict=True):
            assert (a - b).abs().max() <= 5e-5 * max(float(b.abs().max()), 1e-3), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_document_does_not_see_its_neighbours(family: str) -> None:
    model = foreign(family)
    first, other, second = torch.arange(10), torch.arange(30, 40), torch.arange(50, 60)
    a, b = (logits(model, torch.cat([one, second]), (10, 10))[10:] for one in (first, other))
    assert torch.equal(a, b)
    assert not torch.allclose(b, logits(model, torch.cat([other, second]), (20,))[10:], atol=1e-3)


@pytest.mark.parametrize("tied", [True, False])
def test_phi_3_gives_the_same_on_both_paths(tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = phi.ModelConfig(hidden=32, layers=2, heads=4, kv_heads=2, ffn=48, vocab=90, context=64, tied=tied)
    model = phi.build(shape, 0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)) * 0.1)
    ids, targets, weights = draw()
    found = []
    for fast in (True, False):
        monkeypatch.setattr(forward, "is_fast", lambda _, fast=fast: fast)
        states = forward.hidden_states(model, ids, LENGTHS)
        total, each = forward.token_losses(model, states, targets, weights)
        found.append((total, each, torch.autograd.grad(total, list(model.parameters()))))
    (total, each, grads), (total_any, each_any, grads_any) = found
    torch.testing.assert_close(total, total_any, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(each, each_any, rtol=1e-4, atol=1e-5)
    for a, b in zip(grads, grads_any, strict=True):
        assert (a - b).abs().max() <= 5e-5 * b.abs().max()


def test_rows_of_a_group_are_nearly_as_long_as_each_other() -> None:
    lengths = [*range(1, 60), 200, 7, 7]
    groups = forward_any.row_groups(lengths)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        filled = sum(lengths[i] for i in group)
        assert filled >= (1 - forward_any.PADDING) * len(group) * max(lengths[i] for i in group) - 1e-9
    assert len(groups) < len(lengths) / 3


def test_a_model_that_says_something_else_on_its_own_is_refused() -> None:
    model = foreign("llama")
    model.config.logit_scale = 2.0  # its own forward knows nothing of it
    with pytest.raises(DataError, match="logits that differ by .*; expected a causal decoder"):
        forward.hidden_states(model, torch.arange(4), (4,))


def pair(prompt_ids: list[int], chosen: list[int], rejected: list[int]) -> Preference:
    name = f"{prompt_ids}{chosen}{rejected}"
    sides = {"prompt_ids": prompt_ids, "chosen_ids": chosen, "rejected_ids": rejected}
    return Preference(id=name, question_id="q", origin="pivotal", gap=0.5, **sides)


PAIRS = [pair([3, 9, 4, 1, 5], [7], [8]), pair([3, 9, 4], [5], [6]), pair([2, 2, 7], [5, 6, 1], [6, 3])]


def plain_logp(model: Any, ids: list[int], reply: list[int]) -> torch.Tensor:
    logps = model(input_ids=torch.tensor([ids + reply])).logits[0].log_softmax(-1)
    return torch.stack([logps[len(ids) - 1 + i, token] for i, token in enumerate(reply)]).sum()


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_dpo_starts_at_ln_2_and_has_the_gradient_of_the_plain_model(family: str) -> None:
    model, beta = foreign(family), 2.0
    units = make_units(PAIRS)
    for unit in units:
        for number, margin in zip(unit.pairs, margins(model, [unit]), strict=True):
            row = PAIRS[number]
            expected = plain_logp(model, row.prompt_ids, row.chosen_ids) - plain_logp(
                model, row.prompt_ids, row.rejected_ids
            )
            torch.testing.assert_close(margin, expected, rtol=1e-4, atol=2e-5)
    start = torch.zeros(len(PAIRS))
    with torch.no_grad():
        for unit in units:
            start[list(unit.pairs)] = margins(model, [unit])
    objective = make_objective(
        units, ["pivotal"] * 3, start, (), beta=beta, epochs=1, loop=LoopConfig(rows=3), seed=0
    )
    model.zero_grad()
    losses = [objective.loss(model, batch)[0] for batch in objective.micro_batches(0, 0, 1)]
    assert sum(loss.item() for loss in losses) == pytest.approx(math.log(2), abs=1e-5)
    got = torch.autograd.grad(torch.stack(losses).sum(), list(model.parameters()))
    plain = torch.stack(
        [
            plain_logp(model, row.prompt_ids, row.chosen_ids)
            - plain_logp(model, row.prompt_ids, row.rejected_ids)
            for row in PAIRS
        ]
    )
    want = torch.autograd.grad(
        pair_losses("dpo", plain - plain.detach(), beta).mean(), list(model.parameters())
    )
    for (name, _), a, b in zip(model.named_parameters(), got, want, strict=True):
        assert (a - b).abs().max() <= 1e-4 * max(float(b.abs().max()), 1e-3), name


def test_a_large_vocabulary_goes_in_chunks_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    model, reference = foreign("llama"), foreign("qwen2")
    document = (list(range(20)), [False] * 5 + [True] * 15)
    found = []
    for most in (forward.LOGITS, 90 * 4):
        monkeypatch.setattr(forward, "LOGITS", most)
        nats = divergences(model, reference, [document])
        logps = reply_logps(model, [([1, 2], [3, 4, 5, 6, 7, 8])])
        grads = torch.autograd.grad(nats.sum() - logps.sum(), list(model.parameters()))
        found.append((nats, logps, *grads))
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with conversations, pairs and rollouts beside somebody else's model."""
    path = tmp_path_factory.mktemp("run")
    model = make_llama(path / "somebodys")
    ask = make_asker(model, load_tokenizer(model))
    chats = [
        Example(
            id=f"c{n}",
            source="chat",
            flow="sums",
            messages=[
                Message(role="user", content=prompt(n)),
                Message(role="assistant", content="then Answer: 2"),
            ],
        )
        for n in range(24)
    ]
    bad = [Message(role="user", content="<|im_end|>"), Message(role="assistant", content="so")]
    chats.append(Example(id="bad", source="chat", flow="sums", messages=bad))
    door(path, "sft_data").write("examples", Example, chats)
    pairs = [
        Preference(
            id=f"p{n}", question_id=f"q{n}", prompt_ids=list(ask(prompt(n))), chosen_ids=[9],
            rejected_ids=[8], origin="pivotal", gap=0.5,
        )
        for n in range(24)
    ]  # fmt: skip
    door(path, "pivotal").write("preferences", Preference, pairs)
    rollouts = [
        Rollout(
            id=f"r{n}", question_id=f"q{n}", prefix_ids=list(ask(prompt(n))), completion_ids=[8, 4, 5, 13],
            logprobs=[-1.0] * 4, verdict="right", finish="eos",
        )
        for n in range(12)
    ]  # fmt: skip
    door(path, "pivotal").write("rollouts", Rollout, rollouts)
    return path


def door(path: Path, name: str) -> StageDir:
    (path / name).mkdir(exist_ok=True)
    return StageDir(name=name, path=path / name, seed=0, inputs={p.name: p for p in path.iterdir()})


LOOP = LoopConfig(learning_rate=3e-3, rows=4, row_tokens=40, weight_decay=0.0)


def test_fine_tuning_keeps_the_folder_of_the_model_and_moves_its_weights(root: Path) -> None:
    start, stage = root / "somebodys", door(root, "sft")
    found = sft_stage.run(sft_stage.SFTConfig(start=str(start), epochs=4.0, loop=LOOP), stage)
    saved = root / "sft" / "model"
    assert [drop.reason for drop in stage.drops] == ["cannot be encoded"]
    assert found["parameters"] == sum(w.numel() for w in load_model(start).parameters())
    assert not {p.suffix for p in saved.iterdir()} & {".bin", ".pt", ".pth", ".pkl"}
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (saved / name).read_bytes() == (start / name).read_bytes()
    theirs, ours = (json.loads((p / "config.json").read_text()) for p in (start, saved))
    assert {k: v for k, v in ours.items() if k != "dtype"} == {
        k: v for k, v in theirs.items() if k != "dtype"
    }
    assert model_hash(saved) != model_hash(start)
    reloaded = load_model(saved)
    assert type(reloaded).__name__ == "LlamaForCausalLM"
    ids = torch.tensor([list(make_asker(saved, load_tokenizer(saved))(prompt(3)))])
    before, after = (
        model(input_ids=ids).logits[0, -1].log_softmax(-1)[9] for model in (load_model(start), reloaded)
    )
    assert after > before + 0.5, "it was taught to say `then`"


def test_preference_training_lifts_what_was_chosen(root: Path) -> None:
    config = dpo_stage.DPOConfig(
        start=str(root / "somebodys"), beta=1.0, epochs=4, anchor_rows=4, replay_rows=4, kl_rows=4,
        kl_weight=0.1, heldout_frac=0.25, loop=LOOP,
    )  # fmt: skip
    found = dpo_stage.run(config, door(root, "dpo1"))
    assert found["heldout_loss_at_start"] == pytest.approx(math.log(2))
    assert found["heldout_loss"] < 0.5 * math.log(2)
    assert found["heldout_accuracy"] == 1.0
    assert found["kl_nats_per_token"] > 0
    assert (root / "dpo1" / "model" / "model.safetensors").is_file()
    for loss in ("ipo", "sft"):
        again = dataclasses.replace(config, loss=loss, epochs=1)
        assert dpo_stage.run(again, door(root, f"dpo-{loss}"))["steps"] > 0


def test_a_conversation_begins_with_what_the_model_is_asked(root: Path) -> None:
    folder = root / "somebodys"
    tokenizer = load_tokenizer(folder)
    encode, ask = make_encoder(folder, tokenizer), make_asker(folder, tokenizer)
    turns = [
        Message(role="user", content="how many"),
        Message(role="assistant", content="so Answer: 1"),
        Message(role="user", content="yes"),
        Message(role="assistant", content="well"),
    ]
    ids, marks = encode(turns[:2])
    asked = ask("how many")
    assert tuple(ids[: len(asked)]) == asked and not any(marks[: len(asked)])
    assert tokenizer.decode(ids[len(asked) :], keep_special=True).split() == [
        "so",
        "Answer:",
        "1",
        "<|im_end|>",
    ]
    assert all(marks[len(asked) :])
    ids, marks = encode(turns)
    kept = [token for token, mark in zip(ids, marks, strict=True) if mark]
    assert kept.count(tokenizer.end_id) == 2 and len(kept) == 6
    with pytest.raises(DataError, match=r"special token <\|im_end\|>"):
        encode([Message(role="user", content="so <|im_end|>")])
    bare = folder.parent / "bare"
    bare.mkdir(exist_ok=True)
    (bare / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (bare / "config.json").write_bytes((folder / "config.json").read_bytes())
    (bare / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(ConfigError, match="no chat template"):
        make_encoder(bare, tokenizer)


def test_bfloat16_is_asked_for_or_left(monkeypatch: pytest.MonkeyPatch) -> None:
    model = foreign("llama")
    ids = torch.arange(12)
    with forward.precision(model, "float32"):
        exact = logits(model, ids, (12,))
    with forward.precision(model, "bfloat16"):
        rough = logits(model, ids, (12,))
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.2 * exact.abs().max()
    for gain, smallest, expected in ((8.0, 2_000_000, exact), (8.0, 1, rough), (1.5, 1, exact)):
        monkeypatch.setattr(precision, "PARAMETERS", smallest)
        monkeypatch.setattr(precision, "bfloat16_gain", lambda gain=gain: gain)
        with forward.precision(model, "auto"):
            assert torch.equal(logits(model, ids, (12,)), expected)
    monkeypatch.undo()
    assert precision.bfloat16_gain() == precision.bfloat16_gain() > 0


def test_bfloat16_follows_the_weights_from_step_to_step() -> None:
    model = foreign("llama")
    ids = torch.arange(12)
    with forward.precision(model, "bfloat16"):
        before = logits(model, ids, (12,))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.5)
        after = logits(model, ids, (12,))
    with forward.precision(model, "bfloat16"):
        assert torch.equal(after, logits(model, ids, (12,)))
    assert not torch.equal(after, before)
