"""What other programs load says what the checkpoint says; what they would refuse is refused here."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch

from trivium.cli import main
from trivium.errors import ConfigError, DataError
from trivium.models import export, phi
from trivium.models.export_vllm import check, expected_shapes, stored_shapes, write_vllm
from trivium.models.load import load_model
from trivium.models.pretokenizer import GGML_NAMES, PATTERNS
from trivium.train.tokenizer import role_words, train_bpe

WORDS = "the cat sat on a mat and saw 12 dogs run to 7 red barns in rain so it hid there It's we're".split()


def make_checkpoint(folder: Path, *, tied: bool = True, split_digits: bool = True, heads: int = 4) -> Path:
    """A pocket-like model whose layers all do something, so that replies differ from prompt to prompt."""
    rng = random.Random(0)
    texts = [*(" ".join(rng.choice(WORDS) for _ in range(12)) for _ in range(300)), *role_words(300)]
    tokenizer = train_bpe(texts, 400, split_digits=split_digits)
    export.save_tokenizer(tokenizer, folder / "tokenizer", context=256)
    shape = phi.ModelConfig(
        hidden=64, layers=2, heads=heads, kv_heads=heads // 2, ffn=96, vocab=tokenizer.get_vocab_size(),
        rope_theta=250_000.0, tied=tied,
    )  # fmt: skip
    model = phi.build(shape, 3)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                scale = 0.1 if "embed" in name else 1.5 * weight.shape[1] ** -0.5
                weight.normal_(0.0, scale, generator=generator)
                if weight.shape[0] == shape.vocab:  # bytes that are half a character are never said
                    weight[[i for text, i in tokenizer.get_vocab().items() if not text.isascii()]] = 0.0
    return export.save_checkpoint(model, folder / "tokenizer", folder / "model", chat_model=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("tied"))


@pytest.mark.parametrize("kind", [{}, {"tied": False, "split_digits": False}], ids=["pocket", "phi-4"])
def test_llama_cpp_reads_the_same_ids_and_gives_the_same_greedy_replies(kind: dict, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the package gguf is not installed: pip install gguf")
    from trivium.models.export_check import PROMPTS, compare
    from trivium.models.export_gguf import write_gguf

    model = make_checkpoint(tmp_path, **kind)
    file = write_gguf(model, tmp_path / "out" / "m.gguf")
    found = compare(model, file, max_tokens=12)
    assert found.prompts == len(PROMPTS) >= 20
    assert found.differing == ()
    assert (found.same_ids, found.same_replies, found.same_chat) == (len(PROMPTS),) * 3


def make_llama(folder: Path, cut: str) -> Path:
    """A model of Llama's kind with fewer key heads, its text cut as by SmolLM or GPT-2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    learned = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level])
    learned.pre_tokenizer, learned.decoder = (digits if cut == "smollm" else level), decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    learned.train_from_iterator([" ".join(WORDS), *role_words(40)] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learned, bos_token=special[1], eos_token=special[2], pad_token=special[2]
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, rope_theta=1e5,
        bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=cut == "smollm",
    ))  # fmt: skip
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.normal_(
                    0.0, 0.1 if "embed" in name or "head" in name else 1.5 * weight.shape[1] ** -0.5
                )
    with torch.no_grad():
        odd = [number for text, number in tokenizer.get_vocab().items() if not text.isascii()]
        odd += [0, 1]  # llama.cpp ends a reply at <|endoftext|> whatever the file says
        model.get_input_embeddings().weight[odd] = 0.0
        model.get_output_embeddings().weight[odd] = 0.0
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("cut", ["smollm", "gpt2"])
def test_llama_cpp_reads_models_of_llamas_kind(cut: str, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the package gguf is not installed: pip install gguf")
    from trivium.models.export_check import compare
    from trivium.models.export_gguf import write_gguf

    model = make_llama(tmp_path / "llama", cut)
    found = compare(model, write_gguf(model, tmp_path / "m.gguf"), max_tokens=12)
    assert found.differing == ()


def test_the_comparison_notices_a_changed_weight(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the package gguf is not installed: pip install gguf")
    from trivium.models.export_check import compare
    from trivium.models.export_gguf import write_gguf

    changed = load_model(checkpoint)
    with torch.no_grad():
        changed.model.layers[1].mlp.down_proj.weight.mul_(-1.0)
    other = export.save_checkpoint(changed, checkpoint, tmp_path / "other", chat_model=True)
    found = compare(checkpoint, write_gguf(other, tmp_path / "m.gguf"), max_tokens=8)
    assert found.same_ids == found.prompts
    assert found.same_replies < found.prompts / 2


def test_smaller_precisions_make_smaller_files(checkpoint: Path, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed: pip install gguf")
    from trivium.models.export_gguf import write_gguf

    names = ("f32", "bf16", "q8_0")
    files = [write_gguf(checkpoint, tmp_path / f"{name}.gguf", precision=name) for name in names]
    sizes = [sum(t.n_bytes for t in gguf.GGUFReader(file).tensors) for file in files]
    assert sizes[0] > 1.9 * sizes[1] > 1.9 * 1.7 * sizes[2]
    with pytest.raises(ConfigError, match="precision: got 'int4'"):
        write_gguf(checkpoint, tmp_path / "x.gguf", precision="int4")


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the package gguf is not installed: pip install gguf")
    from trivium.models.export_gguf import write_gguf

    other = Path(shutil.copytree(checkpoint, tmp_path / "other"))
    text = (other / "tokenizer.json").read_text()
    strange = text.replace(json.dumps(PATTERNS["qwen2"])[1:-1], r"\\S+|\\s+")
    assert strange != text
    (other / "tokenizer.json").write_text(strange)
    with pytest.raises(DataError, match="llama.cpp knows it"):
        write_gguf(other, tmp_path / "x.gguf")
    assert not (tmp_path / "x.gguf").exists()


def test_every_pattern_of_ours_has_a_name_in_llama_cpp() -> None:
    assert set(GGML_NAMES) == set(PATTERNS.values())


@pytest.mark.parametrize("precision", [None, "bf16"])
def test_the_vllm_folder_is_the_checkpoint(precision: str | None, checkpoint: Path, tmp_path: Path) -> None:
    out = write_vllm(checkpoint, tmp_path / "served", precision=precision)
    before, after = load_model(checkpoint), load_model(out)
    for (name, weight), (_, kept) in zip(before.named_parameters(), after.named_parameters(), strict=True):
        assert torch.equal(weight.bfloat16().float() if precision else weight, kept), name
    config = json.loads((out / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 250_000.0
    assert after.config.rope_parameters["rope_theta"] == 250_000.0
    assert config["dtype"] == config["torch_dtype"] == ("bfloat16" if precision else "float32")
    ends = json.loads((out / "generation_config.json").read_text())["eos_token_id"]
    assert config["eos_token_id"] in ends and config["pad_token_id"] not in ends


def test_the_shapes_vllm_expects_are_those_of_transformers(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    assert expected_shapes(config) == stored_shapes(checkpoint)
    untied = expected_shapes(config | {"tie_word_embeddings": False})
    assert set(untied) - set(expected_shapes(config)) == {"lm_head.weight"}


def edited(checkpoint: Path, folder: Path, **changes: object) -> Path:
    """A copy of a checkpoint with other values in config.json."""
    other = Path(shutil.copytree(checkpoint, folder))
    config = json.loads((other / "config.json").read_text()) | changes
    (other / "config.json").write_text(json.dumps(config))
    return other


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, "architectures"),
        ({"sliding_window": 2048}, "expected a plain phi3 model"),
        ({"model_type": "llama"}, "expected a plain phi3 model"),
        ({"model_type": "gemma"}, "expected a plain phi3 model"),
        ({"num_hidden_layers": 3}, "weight model.layers.2"),
        ({"num_key_value_heads": 4}, "qkv_proj"),
        ({"vocab_size": 300}, "weight model.embed_tokens"),
        ({"num_attention_heads": 64, "num_key_value_heads": 32}, "head size"),
    ],
)
def test_what_vllm_would_refuse_is_one_sentence(
    changes: dict, sentence: str, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence):
        check(edited(checkpoint, tmp_path / "other", **changes))


def test_padding_that_ends_a_turn_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """The bug of phi-4 as first released: end, begin and padding were one token."""
    other = Path(shutil.copytree(checkpoint, tmp_path / "other"))
    text = (other / "tokenizer.json").read_text().replace("<|dummy_0|>", "<|unused|>")
    (other / "tokenizer.json").write_text(text)
    settings = json.loads((other / "tokenizer_config.json").read_text()) | {"pad_token": "<|im_end|>"}
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(DataError, match="a padding token of its own"):
        check(other)


def test_the_command_writes_a_card_that_says_what_is_known(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "served"
    words = ["export", str(checkpoint), "--format", "vllm", "--out", str(out), "--licence", "apache-2.0"]
    assert main.main(words) == 0
    assert str(out / "README.md") in capsys.readouterr().out
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "license: apache-2.0" in card
    assert "2 layers of 64" in card and "lies in no run folder" in card
    assert main.main([*words, "--check"]) == 2
    assert main.main(["export", str(tmp_path), "--format", "vllm"]) == 2
