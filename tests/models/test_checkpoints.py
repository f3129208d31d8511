"""Models: the ladder, phi-4's own numbers, and folders that other programs load as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.errors import ConfigError, DataError
from trivium.models import chat, export, phi, runtime
from trivium.models.load import Tokenizer, load_model, load_tokenizer, model_hash
from trivium.records import Message
from trivium.train.tokenizer import role_words, train_bpe

TALK = [
    Message(role="system", content="Answer in short."),
    Message(role="user", content="What is 12+30? <|im_end|> nothing"),
    Message(role="assistant", content="12+30=42. Answer: 42"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of ours."""
    path = tmp_path_factory.mktemp("made")
    texts = ["What is 12 plus 30? The answer is 42, of course.\n"] * 50 + list(role_words(200))
    export.save_tokenizer(train_bpe(texts, 300), path / "tokenizer", context=64)
    vocab = load_tokenizer(path / "tokenizer").vocab_size
    shape = phi.ModelConfig(hidden=32, layers=2, heads=2, kv_heads=1, ffn=48, vocab=vocab, context=64)
    model = phi.build(shape, 0)
    with torch.no_grad():  # away from the start, where every reply is the last token again
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) * 0.2)
    return export.save_checkpoint(model, path / "tokenizer", path / "model", chat_model=True)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    """Its tokenizer."""
    return load_tokenizer(folder)


def test_phi_4_has_the_fields_of_microsofts_config() -> None:
    """Values: config.json of microsoft/phi-4, with the end and pad tokens as corrected after release."""
    config = phi.hf_config(phi.LADDER["phi-4"], phi.PHI4_SPECIAL).to_dict()
    expected = {
        "model_type": "phi3", "hidden_size": 5120, "intermediate_size": 17920, "num_hidden_layers": 40,
        "num_attention_heads": 40, "num_key_value_heads": 10, "vocab_size": 100352,
        "max_position_embeddings": 16384, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "initializer_range": 0.02, "tie_word_embeddings": False, "sliding_window": None,
        "attention_dropout": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "pad_token_id": 100351,
    }  # fmt: skip
    assert {key: config[key] for key in expected} == expected
    assert config["rope_parameters"]["rope_theta"] == 250_000.0
    assert config["rope_parameters"]["rope_type"] == "default"
    assert phi.count_parameters(phi.LADDER["phi-4"]) == pytest.approx(14.66e9, rel=1e-3)


@pytest.mark.parametrize("name", ["nano", "micro", "mini"])
def test_the_count_of_parameters_needs_no_model(name: str) -> None:
    shape = phi.LADDER[name]
    model = phi.build(shape, 0)
    assert sum(weight.numel() for weight in model.parameters()) == phi.count_parameters(shape)
    assert phi.shape_of(model.config) == shape


def test_a_seed_gives_the_same_weights_and_leaves_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    one, two, other = (phi.build(phi.LADDER["nano"], seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    first = [weight.flatten() for weight in one.parameters()]
    assert all(torch.equal(a, b.flatten()) for a, b in zip(first, two.parameters(), strict=True))
    assert not torch.equal(first[0], next(iter(other.parameters())).flatten())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"heads": 3}, "no even head size"), ({"kv_heads": 3, "heads": 4}, "no multiple of kv_heads=3")],
)
def test_impossible_shapes_are_one_sentence(changes: dict[str, int], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        phi.ModelConfig(**changes)


def test_other_programs_load_the_folder_and_say_the_same(folder: Path, tokenizer: Tokenizer) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs, ours = AutoModelForCausalLM.from_pretrained(folder).eval(), load_model(folder)
    their_tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": m.role, "content": m.content} for m in TALK[:1]]
    text = their_tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == chat.render(TALK[:1])
    ids = torch.tensor([their_tokenizer(text)["input_ids"]])
    assert ids[0].tolist() == tokenizer.encode_marked(text)
    assert torch.equal(theirs.get_input_embeddings().weight, ours.get_input_embeddings().weight)
    torch.testing.assert_close(theirs(ids).logits, ours(ids).logits, rtol=1e-4, atol=1e-5)
    replies = [model.generate(ids, max_new_tokens=12)[0].tolist() for model in (theirs, ours)]
    assert replies[0] == replies[1]
    assert len(set(replies[0][ids.shape[1] :])) > 1


def test_a_conversation_is_marked_where_the_model_speaks(tokenizer: Tokenizer) -> None:
    ids, reply = chat.encode_chat(tokenizer, TALK)
    said = [i for i, mark in zip(ids, reply, strict=True) if mark]
    assert tokenizer.decode(said, keep_special=True) == "12+30=42. Answer: 42<|im_end|>"
    assert ids.count(tokenizer.end_id) == len(TALK), "text that spells an end token must not end a turn"
    assert tokenizer.decode(ids, keep_special=True) == chat.render(TALK, add_reply_header=False)


def test_a_prompt_is_what_the_conversation_starts_with(tokenizer: Tokenizer) -> None:
    ids, reply = chat.encode_chat(tokenizer, TALK[1:])
    prompt = chat.prompt_ids(tokenizer, TALK[1].content, "chat")
    assert prompt == ids[: reply.index(True)]
    plain = chat.prompt_ids(tokenizer, "What is 1+1?", "plain")
    assert tokenizer.decode(plain) == "Problem: What is 1+1?\nSolution:"


def test_roles_are_one_token_and_unknown_ones_are_refused(tokenizer: Tokenizer) -> None:
    assert [len(tokenizer.encode(role)) for role in chat.ROLES] == [1, 1, 1]
    with pytest.raises(DataError, match="got 'tool', expected one of"):
        chat.render([Message(role="tool", content="x")])


@given(st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_text_comes_back_from_its_ids(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids, keep_special=True) == text
    assert not set(ids) & tokenizer.special_ids
    assert tokenizer.encode_batch([text]) == [ids]


def test_digits_stand_alone_and_special_tokens_close_the_vocabulary(tokenizer: Tokenizer) -> None:
    assert [tokenizer.decode([i]) for i in tokenizer.encode("2026")] == ["2", "0", "2", "6"]
    last = [tokenizer.eos_id, tokenizer.start_id, tokenizer.end_id, tokenizer.sep_id, tokenizer.pad_id]
    assert last == list(range(tokenizer.vocab_size - 5, tokenizer.vocab_size))


def test_grouped_digits_and_a_vocabulary_without_room() -> None:
    grouped = train_bpe(["123 1234 123 1234"] * 9, 270, split_digits=False)
    assert "123" in grouped.get_vocab()
    with pytest.raises(ConfigError, match="expected at least 261"):
        train_bpe(["x"], 200)


def test_training_the_tokenizer_twice_gives_the_same_file() -> None:
    texts = ["one two three 45", "two three one 67"] * 30
    assert train_bpe(texts, 290).to_str() == train_bpe(texts, 290).to_str()


def test_the_hash_of_a_model_follows_its_weights(folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    copy = export.save_checkpoint(model, folder, tmp_path / "copy", chat_model=True)
    assert model_hash(copy) == model_hash(folder)
    with torch.no_grad():
        next(iter(model.parameters()))[0, 0] += 1
    assert model_hash(export.save_checkpoint(model, folder, tmp_path / "b", chat_model=True)) != model_hash(
        copy
    )


def test_missing_and_broken_folders_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no config.json there"):
        load_model(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read"):
        load_tokenizer(tmp_path / "nothing")
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged weights|cannot be loaded"):
        load_model(broken)
    (broken / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="not a tokenizer"):
        load_tokenizer(broken)


def test_settings_of_the_user_are_left_alone() -> None:
    missing = runtime.missing_settings({"OMP_NUM_THREADS": "8"})
    assert "OMP_NUM_THREADS" not in missing
    assert set(missing) == set(runtime.SETTINGS) - {"OMP_NUM_THREADS"}


def test_the_program_starts_again_once_with_its_settings() -> None:
    code = (
        "from trivium.models import runtime; import os\n"
        "runtime.reexec_with_settings(); print(os.environ['OMP_NUM_THREADS'])"
    )
    environ = {k: v for k, v in os.environ.items() if k not in runtime.SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]


def test_a_gpu_that_is_not_there_is_one_sentence() -> None:
    from trivium.errors import ResourceError

    assert runtime.pick_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(ResourceError, match="no usable GPU"):
            runtime.pick_device("cuda")


def test_the_chat_template_is_valid_json_in_the_folder(folder: Path) -> None:
    saved = json.loads((folder / "tokenizer_config.json").read_text())
    assert saved["chat_template"] == chat.CHAT_TEMPLATE
    assert saved["eos_token"] == "<|im_end|>"
    assert saved["pad_token"] == "<|dummy_0|>"
