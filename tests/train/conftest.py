"""A small tokenizer, a small model and a small token store for the tests of this folder."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from trivium.models import export, phi
from trivium.models.load import Tokenizer, load_tokenizer
from trivium.train.tokenizer import role_words, train_bpe

WORDS = "the cat sat on a mat and saw 12 dogs run to 7 red barns in rain so it hid there".split()


def sentence(rng: random.Random, words: int) -> str:
    """A text of so many words."""
    return " ".join(rng.choice(WORDS) for _ in range(words)) + "."


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of 320 ids."""
    folder = tmp_path_factory.mktemp("tokenizer")
    rng = random.Random(0)
    texts = [*(sentence(rng, 12) for _ in range(200)), *role_words(300)]
    export.save_tokenizer(train_bpe(texts, 320), folder, context=256)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    """The same, loaded."""
    return load_tokenizer(tokenizer_folder)


@pytest.fixture
def tiny(tokenizer: Tokenizer) -> phi.ModelConfig:
    """A two-layer shape with grouped queries."""
    return phi.ModelConfig(
        hidden=32, layers=2, heads=4, kv_heads=2, ffn=48, vocab=tokenizer.vocab_size, context=256
    )
