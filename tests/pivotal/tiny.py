"""A tiny real model that says `so Answer: 1` or `then Answer: 2`, mostly: two pivots, learnt in a second."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import Phi3Config, Phi3ForCausalLM

from trivium.models import chat
from trivium.models.load import load_tokenizer

WORDS = ("user", "assistant", "how", "many", "Answer:", "1", "2", "3", "so", "then", "well", "yes")


def make_model(folder: Path, context: int = 48) -> Path:
    """Train the model and write it as a Hugging Face folder."""
    names = [*WORDS, *chat.SPECIAL_TOKENS]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="well"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.add_special_tokens(list(chat.SPECIAL_TOKENS))
    config = Phi3Config(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=context,
        original_max_position_embeddings=context,
        bos_token_id=12,
        eos_token_id=12,
        pad_token_id=16,
    )
    torch.set_num_threads(1)
    torch.manual_seed(5)
    model = Phi3ForCausalLM(config)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    _teach(model, folder)
    model.save_pretrained(folder)
    return folder


def prompt(index: int) -> str:
    """A question; they differ in words that do not matter."""
    return f"how many {' '.join(WORDS[(index * k) % 12] for k in range(1, 7))}"


def _teach(model: Phi3ForCausalLM, folder: Path) -> None:
    tokenizer, rng = load_tokenizer(folder), random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        rows = []
        for _ in range(16):
            right = rng.random() < 0.5
            digit = "1" if right == (rng.random() < 0.9) else "2"
            reply = ["well"] * rng.randrange(3) + ["so" if right else "then", "Answer:", digit]
            ids = chat.prompt_ids(tokenizer, prompt(rng.randrange(40)), "chat")
            ids += [*tokenizer.encode(" ".join(reply)), tokenizer.end_id]
            rows.append(ids + [tokenizer.pad_id] * (24 - len(ids)))
        batch = torch.tensor(rows)
        model(input_ids=batch, labels=batch.masked_fill(batch == tokenizer.pad_id, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
