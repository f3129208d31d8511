"""Write a Phi-3 checkpoint as a folder that vLLM serves as it is, and check what vLLM's loader asks for.

vLLM loads `Phi3ForCausalLM` as a Llama whose joined projections are kept joined; a name or a shape that it
does not expect shows only when the server starts, on the machine with the GPU. So everything is checked here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.errors import ConfigError, DataError
from trivium.models.gguf_tensors import architecture_of
from trivium.models.load import load_tokenizer
from trivium.store import files

PRECISIONS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
"""Name -> dtype of the weights, as torch calls it."""

CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)
"""Source: vllm/v1/attention/backends/cpu_attn.py."""
GPU_HEAD_STEP, GPU_LARGEST_HEAD = 8, 256
"""Source: supports_head_size of vllm/v1/attention/backends/flash_attn.py."""

COPIED = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja")


def write_vllm(checkpoint: Path, folder: Path, *, precision: str | None = None) -> Path:
    """Write the folder, complete or not at all, and check it.

    Args:
        checkpoint: A Hugging Face folder of a plain Phi-3 model with safetensors weights.
        folder: The folder to write; replaced when it is there.
        precision: One of `PRECISIONS`; None keeps the precision of every tensor.

    Raises:
        ConfigError: No such precision.
        DataError: vLLM would refuse the model; the sentence says why.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ConfigError(f"precision: got {precision!r}; expected one of {', '.join(PRECISIONS)} for vllm.")
    if checkpoint.resolve() == folder.resolve():
        raise ConfigError(f"--out {folder}: got the checkpoint itself; expected another folder.")
    check(checkpoint)
    draft = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name in COPIED:
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, draft / name)
    for part in sorted(checkpoint.glob("model*.safetensors*")):
        _write_part(part, draft / part.name, precision)
    files.write_json(draft / "config.json", _config(checkpoint, precision))
    check(draft)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return folder


def _write_part(part: Path, target: Path, precision: str | None) -> None:
    if precision is None or part.suffix != ".safetensors":
        shutil.copyfile(part, target)
        return
    import torch
    from safetensors.torch import load_file, save_file

    dtype = getattr(torch, PRECISIONS[precision])
    save_file({name: value.to(dtype) for name, value in load_file(part).items()}, target, {"format": "pt"})


def _config(checkpoint: Path, precision: str | None) -> dict[str, Any]:
    """The configuration with the rotary base where older readers look for it too."""
    config = files.read_json(checkpoint / "config.json")
    if precision is not None:
        config["dtype"] = PRECISIONS[precision]
    rope = config.get("rope_parameters") or {}
    theta = rope.get("rope_theta", config.get("rope_theta", 10_000.0))
    return config | {"rope_theta": theta, "torch_dtype": config.get("dtype", config.get("torch_dtype"))}


def check(folder: Path) -> None:
    """Refuse a folder that vLLM's Phi-3 loader would refuse, or serve wrongly.

    Raises:
        DataError: Says what is wrong: architecture, head size, names or shapes of weights, special tokens.
    """
    config = files.read_json(folder / "config.json")
    architecture_of(config, folder, ("phi3",))
    for wrong in (*_wrong_shape(config), *_wrong_weights(folder, config), *_wrong_tokens(folder, config)):
        raise DataError(f"{folder}: vLLM needs {wrong}.")


def _wrong_shape(config: dict[str, Any]) -> Iterator[str]:
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    size = hidden // heads
    if config.get("architectures") != ["Phi3ForCausalLM"]:
        yield f"architectures ['Phi3ForCausalLM'], got {config.get('architectures')}; name it in config.json"
    if hidden % heads or (size not in CPU_HEAD_SIZES and (size % GPU_HEAD_STEP or size > GPU_LARGEST_HEAD)):
        yield (
            f"a head size that is a multiple of {GPU_HEAD_STEP} up to {GPU_LARGEST_HEAD}, "
            f"got {hidden}/{heads}; train with heads of 64 or 128"
        )


def _wrong_weights(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    expected, found = expected_shapes(config), stored_shapes(folder)
    if config.get("tie_word_embeddings"):
        found.pop("lm_head.weight", None)  # a tied head may be stored; it is read from the embedding
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield (
                f"weight {name} of shape {expected.get(name, 'none')}, got {found.get(name, 'none')}; "
                "write the checkpoint again"
            )


def _wrong_tokens(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    ids = load_tokenizer(folder)
    if ids.vocab_size > config["vocab_size"]:
        yield f"an embedding for all {ids.vocab_size} tokens, got {config['vocab_size']} rows; train it again"
    if ids.pad_id in (config["eos_token_id"], ids.end_id):
        yield f"a padding token of its own, got the end of a turn ({ids.pad_id}); name pad_token"
    settings = files.read_json(folder / "tokenizer_config.json")
    if not settings.get("chat_template") and not (folder / "chat_template.jinja").is_file():
        yield "a chat template, got none; add chat_template to tokenizer_config.json"


def expected_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a plain Phi-3 model of this configuration."""
    width, ffn = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    joined = (heads + 2 * kv_heads) * (width // heads)
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], width), "model.norm.weight": (width,)}
    if not config.get("tie_word_embeddings"):
        shapes["lm_head.weight"] = (config["vocab_size"], width)
    layer = {
        "input_layernorm": (width,),
        "post_attention_layernorm": (width,),
        "self_attn.qkv_proj": (joined, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_up_proj": (2 * ffn, width),
        "mlp.down_proj": (width, ffn),
    }
    for number in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{number}.{name}.weight": shape for name, shape in layer.items()}
    return shapes


def stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight in a folder's safetensors files; reads their headers only."""
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for part in sorted(folder.glob("*.safetensors")):
        with safe_open(part, framework="pt") as weights:
            shapes |= {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    return shapes
