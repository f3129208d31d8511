"""Write checkpoints: a standard Hugging Face folder that other programs load as it is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.models import chat

if TYPE_CHECKING:
    import tokenizers
    from transformers import PreTrainedModel

    from trivium.models.load import Tokenizer

KEPT = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "tokenizer.model", "chat_template.jinja", "generation_config.json",
)  # fmt: skip
"""Files of a model folder that training leaves alone."""


def save_tokenizer(
    tokenizer: tokenizers.Tokenizer, path: Path, *, context: int, chat_model: bool = False
) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` so that `AutoTokenizer` loads the folder.

    Args:
        tokenizer: Ends with `chat.SPECIAL_TOKENS`.
        path: Folder, made when missing.
        context: Longest input of the model, in tokens.
        chat_model: The end of a turn is then the end of sequence; before fine-tuning it is `<|endoftext|>`.
    """
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    _write_json(path / "tokenizer_config.json", tokenizer_config(context=context, chat_model=chat_model))


def tokenizer_config(*, context: int, chat_model: bool) -> dict[str, Any]:
    """Contents of `tokenizer_config.json`; pad is a token of its own, never the end of sequence."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": chat.ENDOFTEXT,
        "eos_token": chat.IM_END if chat_model else chat.ENDOFTEXT,
        "unk_token": chat.ENDOFTEXT,
        "pad_token": chat.PAD,
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "chat_template": chat.CHAT_TEMPLATE,
    }


def save_checkpoint(model: PreTrainedModel, tokenizer_folder: Path, path: Path, *, chat_model: bool) -> Path:
    """Write model and tokenizer as one Hugging Face folder, complete or not at all.

    A model that is not in our format keeps its tokenizer, chat template and generation settings as they are.

    Args:
        model: A causal model; its weights are written in the precision they have.
        tokenizer_folder: Folder with a `tokenizer.json`: ours, or that of the model it came from.
        path: The folder to write; replaced when it is there.
        chat_model: Whether a turn's end ends the sequence; for our format only.
    """
    from trivium.models.load import load_tokenizer, quiet_transformers

    quiet_transformers()
    draft = path.with_name(f".{path.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    ids = load_tokenizer(tokenizer_folder)
    if ids.phi4_format:
        _save_ours(model, ids, tokenizer_folder, draft, chat_model)
    else:
        model.save_pretrained(draft)
        for name in KEPT:
            if (tokenizer_folder / name).is_file():
                shutil.copyfile(tokenizer_folder / name, draft / name)
    _publish(draft, path)
    return path


def _save_ours(
    model: PreTrainedModel, ids: Tokenizer, tokenizer_folder: Path, draft: Path, chat_model: bool
) -> None:
    import tokenizers

    model.config.eos_token_id = ids.end_id if chat_model else ids.eos_id
    model.config.bos_token_id, model.config.pad_token_id = ids.eos_id, ids.pad_id
    model.save_pretrained(draft)
    stops = list(chat.stop_ids(ids)) if chat_model else ids.eos_id
    _write_json(
        draft / "generation_config.json",
        {"bos_token_id": ids.eos_id, "eos_token_id": stops, "pad_token_id": ids.pad_id, "do_sample": False},
    )
    save_tokenizer(
        tokenizers.Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json")),
        draft,
        context=model.config.max_position_embeddings,
        chat_model=chat_model,
    )


def _publish(draft: Path, path: Path) -> None:
    for file in draft.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    shutil.rmtree(path, ignore_errors=True)
    draft.rename(path)


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")
