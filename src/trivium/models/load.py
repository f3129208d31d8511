"""Checkpoints and tokenizers from a standard Hugging Face folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError
from trivium.models import chat

if TYPE_CHECKING:
    import tokenizers
    from transformers import PreTrainedModel

    from trivium.store.run import StageDir

HASHED_FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tokenizer:
    """A byte-level tokenizer and the ids that the chat format needs.

    Text that spells a special token is encoded as plain text, so no input can end a turn; only
    `encode_marked` reads special tokens from text.
    """

    plain: tokenizers.Tokenizer
    """Encodes special tokens in the text as plain text."""
    marked: tokenizers.Tokenizer
    """The tokenizer as other programs load it."""
    eos_id: int
    """Ends a pretraining document: `<|endoftext|>`."""
    start_id: int
    """Opens a turn: `<|im_start|>`."""
    end_id: int
    """Ends a turn: `<|im_end|>`."""
    sep_id: int
    """Stands between role and content: `<|im_sep|>`."""
    pad_id: int
    """Fills batches and is never a target."""
    special_ids: frozenset[int]

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return self.marked.get_vocab_size(with_added_tokens=True)

    @property
    def phi4_format(self) -> bool:
        """Whether the chat tokens of phi-4 are there, with which our own models are asked."""
        return self.sep_id not in (self.end_id, self.eos_id)

    def encode(self, text: str) -> list[int]:
        """Ids of a text; nothing is added before or after."""
        return self.plain.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, much faster than one by one."""
        encode = getattr(self.plain, "encode_batch_fast", self.plain.encode_batch)
        return [encoding.ids for encoding in encode(list(texts), add_special_tokens=False)]

    def encode_marked(self, text: str) -> list[int]:
        """Ids of a rendered conversation: special tokens in the text become themselves."""
        return self.marked.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int], *, keep_special: bool = False) -> str:
        """Text of ids; special tokens are left out unless asked for."""
        return self.plain.decode(list(ids), skip_special_tokens=not keep_special)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read `tokenizer.json` from a checkpoint or tokenizer folder.

    Raises:
        DataError: The file is missing or unreadable, or has no end-of-text token.
    """
    import tokenizers

    text = _read(Path(path) / "tokenizer.json")
    try:
        marked, plain = tokenizers.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the Rust side raises bare Exception
        raise DataError(
            f"{path}/tokenizer.json: not a tokenizer ({error}); write the folder again."
        ) from error
    plain.encode_special_tokens = True
    return _with_special_ids(plain, marked, Path(path))


def tokenizer_folder(name: str) -> Path:
    """Find a tokenizer: a folder with tokenizer.json, or a model by name in the Hugging Face cache.

    Raises:
        DataError: There is neither; nothing is downloaded.
    """
    if (Path(name) / "tokenizer.json").is_file():
        return Path(name)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "tokenizer.json")
    except HFValidationError:
        found = None
    if isinstance(found, str):
        return Path(found).parent
    raise DataError(
        f"model {name}: got no tokenizer.json there nor in the Hugging Face cache; expected the tokenizer of "
        "the model that the endpoint serves; copy its folder and name that."
    )


def load_model(path: str | Path, attention: str = "eager") -> PreTrainedModel:
    """Load a causal model in float32 on the CPU, ready to sample.

    Args:
        path: A standard Hugging Face folder.
        attention: `eager` (fastest here for short sequences) or `sdpa`.

    Raises:
        DataError: There is no such folder or its files cannot be read.
    """
    import torch
    from transformers import AutoModelForCausalLM

    quiet_transformers()
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise DataError(f"model {folder}: no config.json there; give a Hugging Face model folder.")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation=attention,
            local_files_only=True,
            use_safetensors=True,  # never a pickle: loading one runs what is in it
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"model {folder}: cannot be loaded ({error}); write or copy it again.") from error
    except Exception as error:
        if type(error).__module__.startswith("safetensors"):
            raise DataError(f"model {folder}: damaged weights ({error}); copy it again.") from error
        raise
    return model.eval()


def find_model(name: str, stage: StageDir, *, weights: bool = True) -> Path:
    """Find a model: the checkpoint of a finished stage, or a Hugging Face folder of one's own.

    Args:
        name: A stage or a folder; without weights also the name of a model in the Hugging Face cache.
        stage: The stage that asks.
        weights: Whether the weights are needed; a server has its own, and only the tokenizer is read.

    Raises:
        DataError: The folder is no model with safetensors weights.
    """
    if not weights and name not in stage.inputs and (Path(name).exists() or "/" in name):
        return tokenizer_folder(name)
    if name in stage.inputs or not (Path(name).exists() or "/" in name):
        return stage.folder(name) / "model"
    folder = Path(name)
    if not (folder / "config.json").is_file():
        raise DataError(f"model {name}: got no config.json; expected a local Hugging Face model folder.")
    if not any(folder.glob("*.safetensors")):
        raise DataError(
            f"model {name}: got no .safetensors file; expected weights in that format, loading a "
            "pickle runs what is in it."
        )
    return folder


def quiet_transformers() -> None:
    """Keep transformers from drawing progress bars of its own over ours."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def model_hash(path: str | Path) -> str:
    """Hash of configuration, weights and tokenizer of a checkpoint: 20 hex digits."""
    digest = hashlib.blake2b(digest_size=10)
    for name in HASHED_FILES:
        file = Path(path) / name
        digest.update(f"{name}\0".encode())
        if file.is_file():
            with file.open("rb") as stream:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(block)
    return digest.hexdigest()


def _with_special_ids(plain: tokenizers.Tokenizer, marked: tokenizers.Tokenizer, path: Path) -> Tokenizer:
    added = {
        token.content: index for index, token in marked.get_added_tokens_decoder().items() if token.special
    }
    named = _named_tokens(path)
    eos = added.get(chat.ENDOFTEXT, added.get(named.get("eos_token", ""), -1))
    if eos < 0:
        raise DataError(f"{path}: the tokenizer has no {chat.ENDOFTEXT} and names no eos_token; name one.")
    end = added.get(chat.IM_END, eos)
    return Tokenizer(
        plain=plain,
        marked=marked,
        eos_id=eos,
        start_id=added.get(chat.IM_START, eos),
        end_id=end,
        sep_id=added.get(chat.IM_SEP, end),
        pad_id=added.get(chat.PAD, added.get(named.get("pad_token", ""), eos)),
        special_ids=frozenset(added.values()),
    )


def _named_tokens(path: Path) -> dict[str, str]:
    file = path / "tokenizer_config.json"
    if not file.is_file():
        return {}
    found: dict[str, Any] = json.loads(_read(file))
    texts = {key: value["content"] if isinstance(value, dict) else value for key, value in found.items()}
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error}); give a Hugging Face folder.") from error
