"""Write a Phi-3 checkpoint as one GGUF file that llama.cpp and what is built on it load.

The token ids are those of `tokenizer.json`: the same merges, the pre-tokenizer under the name by which
llama.cpp knows it, special tokens marked as control tokens. Architecture `phi3`, whose joined projections are
kept as they are (llama.cpp, src/models/phi3.cpp).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError, DataError, ResourceError
from trivium.models.load import load_tokenizer
from trivium.models.pretokenizer import GGML_NAMES
from trivium.store import files

if TYPE_CHECKING:
    import numpy as np

TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LAYER_TENSORS = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.qkv_proj.weight": "attn_qkv.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
"""Name in `model.layers.<n>.` -> name in `blk.<n>.`."""

PRECISIONS = {"f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}
"""Name -> type of the matrices in the file; norms stay in 32 bits, as llama.cpp wants them."""


def write_gguf(checkpoint: Path, file: Path, *, precision: str = "f32", name: str = "") -> Path:
    """Write one GGUF file, complete or not at all.

    Args:
        checkpoint: A Hugging Face folder of a plain Phi-3 model with safetensors weights.
        file: The file to write.
        precision: One of `PRECISIONS`.
        name: Name of the model in the file; that of the checkpoint's folder when empty.

    Raises:
        ConfigError: No such precision.
        DataError: The model is no plain Phi-3, or its tokenizer is none that llama.cpp knows.
        ResourceError: The package gguf is not installed.
    """
    gguf = _package()
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: got {precision!r}; expected one of {', '.join(PRECISIONS)}.")
    config = files.read_json(checkpoint / "config.json")
    require_plain_phi3(config, checkpoint)
    file.parent.mkdir(parents=True, exist_ok=True)

    def write(draft: Path) -> None:
        writer = gguf.GGUFWriter(draft, "phi3")
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


def require_plain_phi3(config: dict[str, Any], checkpoint: Path) -> None:
    """Refuse what the file could not say: another architecture, a scaled rotary embedding, a window."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    plain = rope.get("rope_type", "default") == "default" and rope.get("partial_rotary_factor", 1.0) == 1.0
    if config.get("model_type") != "phi3" or not plain or config.get("sliding_window"):
        raise DataError(
            f"{checkpoint}: got type {config.get('model_type')!r} with rope {rope} and sliding window "
            f"{config.get('sliding_window')}; expected a plain phi3 model; export it with its own tools."
        )


def tensors(checkpoint: Path, config: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every tensor in float32 under its name in the file; a tied head is left out."""
    import torch
    from safetensors import safe_open

    found = sorted(checkpoint.glob("*.safetensors"))
    if not found:
        raise DataError(f"{checkpoint}: got no *.safetensors; expected the weights of a model there.")
    for part in found:
        with safe_open(part, framework="pt") as weights:
            for key in sorted(weights.keys()):
                if key == "lm_head.weight" and config.get("tie_word_embeddings"):
                    continue
                yield label_of(key), weights.get_tensor(key).to(torch.float32).numpy()


def label_of(key: str) -> str:
    """The GGUF name of a Hugging Face tensor of a Phi-3 model."""
    head, _, rest = key.removeprefix("model.layers.").partition(".")
    if key in TENSORS:
        return TENSORS[key]
    if not key.startswith("model.layers.") or rest not in LAYER_TENSORS:
        raise DataError(f"tensor {key}: got a name that Phi-3 does not have; expected a plain checkpoint.")
    return f"blk.{head}.{LAYER_TENSORS[rest]}"


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
    writer.add_sliding_window(0)  # phi-4 attends to everything; without this llama.cpp assumes Phi-3's window
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
    writer.add_bos_token_id(ids.eos_id)
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_eot_token_id(ids.end_id)
    writer.add_pad_token_id(ids.pad_id)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    if settings.get("chat_template"):
        writer.add_chat_template(settings["chat_template"])


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
    parts = (description.get("pre_tokenizer") or {}).get("pretokenizers") or []
    patterns = [part["pattern"].get("Regex", "") for part in parts if part["type"] == "Split"]
    kind = description["model"].get("type")
    if kind != "BPE" or len(patterns) != 1 or patterns[0] not in GGML_NAMES or description["normalizer"]:
        raise DataError(
            f"{checkpoint}/tokenizer.json: got a {kind} tokenizer cut by {json.dumps(patterns)}; expected "
            "byte-level BPE with phi-4's or qwen2's expression, under which llama.cpp knows it."
        )
    return GGML_NAMES[patterns[0]]


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
