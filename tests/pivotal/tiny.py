"""A tiny real model that says `so Answer: 1` or `then Answer: 2`, mostly: two pivots, learnt in a second."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM, PreTrainedModel

from trivium.models import chat
from trivium.models.load import load_tokenizer
from trivium.models.prompting import make_asker

WORDS = ("user", "assistant", "how", "many", "Answer:", "1", "2", "3", "so", "then", "well", "yes")


SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


def _write_tokenizer(folder: Path, special: Sequence[str]) -> int:
    """Make the folder with a tokenizer of whole words in it; returns the size of the vocabulary."""
    names = [*WORDS, *special]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="well"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.add_special_tokens(list(special))
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(names)


def make_model(folder: Path, context: int = 48) -> Path:
    """Train the model and write it as a Hugging Face folder."""
    config = Phi3Config(
        vocab_size=_write_tokenizer(folder, chat.SPECIAL_TOKENS),
        **SHAPE,
        max_position_embeddings=context,
        original_max_position_embeddings=context,
        bos_token_id=12,
        eos_token_id=12,
        pad_token_id=16,
    )
    torch.set_num_threads(1)
    torch.manual_seed(5)
    model = Phi3ForCausalLM(config)
    _teach(model, folder)
    model.save_pretrained(folder)
    return folder


TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + ' ' + m['content'] + '<|im_end|> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant ' }}{% endif %}"
)


def make_llama(folder: Path, context: int = 48) -> Path:
    """Somebody else's model: another architecture, tied head, its own template; it says the same."""
    config = LlamaConfig(
        vocab_size=_write_tokenizer(folder, (chat.IM_START, chat.IM_END)),
        **SHAPE,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=12,
        eos_token_id=13,
        pad_token_id=13,
    )
    torch.set_num_threads(1)
    torch.manual_seed(5)
    model = LlamaForCausalLM(config)
    named = {"eos_token": chat.IM_END, "pad_token": chat.IM_END, "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **named})
    )
    _teach(model, folder)
    model.save_pretrained(folder)
    return folder


def prompt(index: int) -> str:
    """A question; they differ in words that do not matter."""
    return f"how many {' '.join(WORDS[(index * k) % 12] for k in range(1, 7))}"


def _teach(model: PreTrainedModel, folder: Path) -> None:
    tokenizer, rng = load_tokenizer(folder), random.Random(0)
    ask = make_asker(folder, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        rows = []
        for _ in range(16):
            right = rng.random() < 0.5
            digit = "1" if right == (rng.random() < 0.9) else "2"
            reply = ["well"] * rng.randrange(3) + ["so" if right else "then", "Answer:", digit]
            ids = [*ask(prompt(rng.randrange(40))), *tokenizer.encode(" ".join(reply)), tokenizer.end_id]
            rows.append(ids + [-100] * (24 - len(ids)))
        batch = torch.tensor(rows)
        model(input_ids=batch.clamp(min=0), labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
