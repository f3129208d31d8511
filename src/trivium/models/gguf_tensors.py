"""Architectures that a GGUF file can say, and what their tensors are called there.

`phi3` keeps its joined projections (llama.cpp, src/models/phi3.cpp). `llama` (Llama, SmolLM2 and their like)
has the rows of queries and keys in llama.cpp's order: rotary pairs beside each other, where transformers has
all first halves and then all second ones (convert_hf_to_gguf.py, LlamaModel.permute).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError

if TYPE_CHECKING:
    import numpy as np

TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
COMMON = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
LAYER_TENSORS = {
    "phi3": {
        **COMMON,
        "self_attn.qkv_proj.weight": "attn_qkv.weight",
        "mlp.gate_up_proj.weight": "ffn_up.weight",
    },
    "llama": {
        **COMMON,
        "self_attn.q_proj.weight": "attn_q.weight",
        "self_attn.k_proj.weight": "attn_k.weight",
        "self_attn.v_proj.weight": "attn_v.weight",
        "mlp.gate_proj.weight": "ffn_gate.weight",
        "mlp.up_proj.weight": "ffn_up.weight",
    },
}
"""Architecture -> name in `model.layers.<n>.` -> name in `blk.<n>.`."""


def architecture_of(
    config: dict[str, Any], checkpoint: Path, kinds: Collection[str] = tuple(LAYER_TENSORS)
) -> str:
    """Return which of `kinds` a model is; refuse what the file could not say.

    Raises:
        DataError: Another architecture, a scaled or partial rotary embedding, a window, biases, odd heads.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    plain = rope.get("rope_type", "default") == "default" and rope.get("partial_rotary_factor", 1.0) == 1.0
    plain = plain and not config.get("sliding_window")
    if config.get("model_type") == "llama":
        size = config["hidden_size"] // config["num_attention_heads"]
        plain = plain and config.get("head_dim", size) == size
        plain = plain and not config.get("attention_bias") and not config.get("mlp_bias")
    if config.get("model_type") not in kinds or not plain:
        raise DataError(
            f"{checkpoint}: got type {config.get('model_type')!r} with rope {rope} and sliding window "
            f"{config.get('sliding_window')}; expected a plain {' or '.join(kinds)} model; "
            "export it with its own tools."
        )
    return str(config["model_type"])


def tensors(checkpoint: Path, config: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every tensor in float32 under its name in the file; a tied head is left out."""
    import torch
    from safetensors import safe_open

    found = sorted(checkpoint.glob("*.safetensors"))
    if not found:
        raise DataError(f"{checkpoint}: got no *.safetensors; expected the weights of a model there.")
    kind = config["model_type"]
    for part in found:
        with safe_open(part, framework="pt") as weights:
            for key in sorted(weights.keys()):
                if key == "lm_head.weight" and config.get("tie_word_embeddings"):
                    continue
                array = weights.get_tensor(key).to(torch.float32).numpy()
                if heads := rotary_heads(key, config):
                    array = beside(array, heads)
                yield label_of(key, kind), array


def label_of(key: str, kind: str) -> str:
    """The GGUF name of a Hugging Face tensor."""
    head, _, rest = key.removeprefix("model.layers.").partition(".")
    if key in TENSORS:
        return TENSORS[key]
    if not key.startswith("model.layers.") or rest not in LAYER_TENSORS[kind]:
        raise DataError(f"tensor {key}: got a name that {kind} does not have; expected a plain checkpoint.")
    return f"blk.{head}.{LAYER_TENSORS[kind][rest]}"


def rotary_heads(key: str, config: dict[str, Any]) -> int:
    """How many heads are turned in a tensor whose rows have to be reordered; 0 for all others."""
    if config["model_type"] != "llama":
        return 0
    heads = config["num_attention_heads"]
    if key.endswith("self_attn.q_proj.weight"):
        return int(heads)
    return int(config.get("num_key_value_heads") or heads) if key.endswith("self_attn.k_proj.weight") else 0


def beside(array: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rows (heads x 2 x half) to (heads x half x 2).

    >>> import numpy as np
    >>> beside(np.arange(8)[:, None], 2)[:, 0].tolist()
    [0, 2, 1, 3, 4, 6, 5, 7]
    """
    return array.reshape(heads, 2, -1, array.shape[-1]).swapaxes(1, 2).reshape(array.shape)
