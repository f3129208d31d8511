"""Write a Phi-3 or Llama checkpoint as one GGUF file that llama.cpp and what is built on it load.

The token ids are those of `tokenizer.json`: the same merges, the pre-tokenizer under the name by which
llama.cpp knows it, special tokens marked as control tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trivium.errors import ConfigError, DataError, ResourceError
from trivium.models.gguf_tensors import architecture_of, tensors
from trivium.models.load import load_tokenizer
from trivium.models.pretokenizer import BYTE_LEVEL_NAMES, GGML_NAMES
from trivium.store import files

PRECISIONS = {"f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}
"""Name -> type of the matrices in the file; norms stay in 32 bits, as llama.cpp wants them."""


def write_gguf(checkpoint: Path, file: Path, *, precision: str = "f32", name: str = "") -> Path:
    """Write one GGUF file, complete or not at all.

    Args:
        checkpoint: A Hugging Face folder of a plain Phi-3 or Llama model with safetensors weights.
        file: The file to write.
        precision: One of `PRECISIONS`.
        name: Name of the model in the file; that of the checkpoint's folder when empty.

    Raises:
        ConfigError: No such precision.
        DataError: The model is neither, or its tokenizer is none that llama.cpp knows.
        ResourceError: The package gguf is not installed.
    """
    gguf = _package()
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: got {precision!r}; expected one of {', '.join(PRECISIONS)}.")
    config = files.read_json(checkpoint / "config.json")
    kind_of_model = architecture_of(config, checkpoint)
    file.parent.mkdir(parents=True, exist_ok=True)

    def write(draft: Path) -> None:
        writer = gguf.GGUFWriter(draft, kind_of_model)
        _describe(writer, config, name or checkpoint.resolve().name)
        _add_tokenizer(writer, gguf, checkpoint, config)
        kind = gguf.GGMLQuantizationType[PRECISIONS[precision]]
        writer.add_file_type(gguf.LlamaFileType[_file_type(precision)])
        for label, array in tensors(checkpoint, config):
            kept = kind if array.ndim == 2 else gguf.GGMLQuantizationType.F32
            writer.add_tensor(label, gguf.quants.quantize(array, kept), raw_dtype=kept)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    return files.write_atomic(file, write)


def _describe(writer: Any, config: dict[str, Any], name: str) -> None:
    heads, context = config["num_attention_heads"], config["max_position_embeddings"]
    theta = (config.get("rope_parameters") or {}).get("rope_theta") or config.get("rope_theta", 10_000.0)
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_rope_scaling_orig_ctx_len(context)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(float(theta))
    if config["model_type"] == "phi3":
        writer.add_sliding_window(0)  # phi-4 attends to everything; llama.cpp assumes Phi-3's window else
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: Any, gguf: Any, checkpoint: Path, config: dict[str, Any]) -> None:
    description = files.read_json(checkpoint / "tokenizer.json")
    settings = files.read_json(checkpoint / "tokenizer_config.json")
    tokens, kinds = _vocabulary(gguf, description, config["vocab_size"])
    merges = description["model"]["merges"]
    ids = load_tokenizer(checkpoint)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pretokenizer_name(description, checkpoint))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in merges])
    writer.add_bos_token_id(config["bos_token_id"] if config["model_type"] == "llama" else ids.eos_id)
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_eot_token_id(ids.end_id)
    writer.add_pad_token_id(ids.pad_id)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    beside = checkpoint / "chat_template.jinja"
    if template := settings.get("chat_template") or (beside.exists() and beside.read_text(encoding="utf-8")):
        writer.add_chat_template(template)


def _vocabulary(gguf: Any, description: dict[str, Any], size: int) -> tuple[list[str], list[int]]:
    """Every token in the order of its id; rows of the embedding without a token are marked unused."""
    tokens = [f"[PAD{number}]" for number in range(size)]
    kinds = [int(gguf.TokenType.UNUSED)] * size
    for text, number in description["model"]["vocab"].items():
        tokens[number], kinds[number] = text, int(gguf.TokenType.NORMAL)
    for token in description["added_tokens"]:
        kind = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
        tokens[token["id"]], kinds[token["id"]] = token["content"], int(kind)
    return tokens, kinds


def pretokenizer_name(description: dict[str, Any], checkpoint: Path) -> str:
    """The name under which llama.cpp knows the pre-tokenizer of a `tokenizer.json`."""
    given = description.get("pre_tokenizer") or {}
    parts = given.get("pretokenizers") or [given]
    patterns = [part["pattern"].get("Regex", "") for part in parts if part.get("type") == "Split"]
    kinds = tuple(part.get("type") for part in parts)
    named = GGML_NAMES.get(patterns[0]) if len(patterns) == 1 else None
    if (
        not patterns
        and parts[-1].get("use_regex")
        and (kinds[0] != "Digits" or parts[0]["individual_digits"])
    ):
        named = BYTE_LEVEL_NAMES.get(kinds)
    kind = description["model"].get("type")
    if kind != "BPE" or named is None or description["normalizer"]:
        raise DataError(
            f"{checkpoint}/tokenizer.json: got a {kind} tokenizer cut by {json.dumps(patterns or kinds)}; "
            "expected byte-level BPE with the expression of phi-4, qwen2, GPT-2 or SmolLM, under which "
            "llama.cpp knows it."
        )
    return named


def _file_type(precision: str) -> str:
    return "ALL_F32" if precision == "f32" else f"MOSTLY_{PRECISIONS[precision]}"


def _package() -> Any:
    try:
        import gguf
    except ImportError:
        raise ResourceError(
            "export: got no package gguf; expected it installed; run: pip install gguf."
        ) from None
    return gguf
