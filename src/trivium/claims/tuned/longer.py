"""Midtraining on documents that are long by nature, or on short ones joined to the same lengths."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from trivium import recipe as recipes
from trivium.claims.tuned.data import Ground
from trivium.models.load import Tokenizer, load_tokenizer
from trivium.models.sample_draw import request_seed
from trivium.problems import recall
from trivium.train import midtrain_stage, tokens
from trivium.train.tokens import TokenDocument

PAIRS, FILLED = (2, 8), 0.2
"""Of the short documents that are joined: as the recipe makes those of pretraining."""
AT_ONCE = 64
"""Short documents made at a time."""


def midtrain(ground: Ground, folder: Path, number: int, *, joined: bool) -> None:
    """Stretch the run's base model by its own settings, on fewer tokens; the long documents differ.

    Args:
        ground: The run.
        folder: Of the arm; receives `model`.
        number: Of the seed.
        joined: Whether the long documents are short ones one after the other.
    """
    config = recipes.load(ground.run / "recipe.json").midtrain
    config = dataclasses.replace(
        config,
        budget_tokens=ground.config.midtrain_tokens,
        natural_sources=(),
        loop=dataclasses.replace(config.loop, ranks=1, trackers=()),
    )
    inputs = {"tokenize": joined_store(ground, config.made_source)} if joined else {}
    midtrain_stage.run(config, ground.door("midtrain", folder, number, inputs))


def joined_store(ground: Ground, made: str) -> Path:
    """Write the run's token store with joined documents in place of the long ones; one there is kept."""
    out = ground.data / "joined"
    if not out.exists():
        unfinished = ground.data / "joined.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(ground.stages["tokenize"] / "tokens", unfinished / "tokens")
        shutil.copytree(ground.stages["tokenize"] / "tokenizer", unfinished / "tokenizer")
        tokenizer = load_tokenizer(unfinished / "tokenizer")
        manifest = tokens.read_manifest(unfinished / "tokens")
        long = tokens.open_source(ground.stages["tokenize"] / "tokens", made)
        parts = short_documents(ground, tokenizer)
        documents = [join(f"joined-{place}", int(size), parts) for place, size in enumerate(long.lengths)]
        line = tokens.write_source(unfinished / "tokens", made, documents, tokenizer.vocab_size)
        lines = manifest["sources"] | {made: line}
        tokens.write_manifest(unfinished / "tokens", tokenizer.vocab_size, lines)
        unfinished.rename(out)
    return out


def short_documents(ground: Ground, tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Yield short recall documents as ids, each with its end of text, without end."""
    batch = 0
    while True:
        seed = request_seed(ground.seed, "claims joined", batch) % 2**32
        for text in recall.training_documents(seed, AT_ONCE, pairs=PAIRS, filled=FILLED):
            yield [*tokenizer.encode(text), tokenizer.eos_id]
        batch += 1


def join(name: str, size: int, parts: Iterator[list[int]]) -> TokenDocument:
    """Put short documents one after the other until they are as long as a long one; the last is cut."""
    ids: list[int] = []
    while len(ids) < size:
        ids += next(parts)
    return TokenDocument(name, ids[:size], 3 * size)
