"""Train a byte-level BPE tokenizer whose vocabulary ends with the special tokens of phi-4.

The pre-tokenizer expressions are in models.pretokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trivium.errors import ConfigError
from trivium.models import chat
from trivium.models.pretokenizer import PATTERNS

if TYPE_CHECKING:
    import tokenizers

NUM_BYTES = 256


def train_bpe(texts: Iterable[str], vocab: int, *, split_digits: bool = True) -> tokenizers.Tokenizer:
    """Learn byte-pair merges from texts; the same texts in the same order give the same tokenizer.

    Args:
        texts: The sample to learn from.
        vocab: Wanted size with the 256 bytes and the special tokens; fewer when the sample runs out of pairs.
        split_digits: Every digit is a token of its own, which arithmetic needs.

    Raises:
        ConfigError: `vocab` has no room for bytes and special tokens.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers

    room = vocab - len(chat.SPECIAL_TOKENS)
    if room < NUM_BYTES:
        raise ConfigError(
            f"tokenize.vocab: got {vocab}, expected at least {NUM_BYTES + len(chat.SPECIAL_TOKENS)} "
            "(256 bytes and the special tokens); raise it."
        )
    tokenizer = tokenizers.Tokenizer(models.BPE())
    pattern = tokenizers.Regex(PATTERNS["qwen2" if split_digits else "cl100k"])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=room, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Added after training, so that their ids follow the learned ones.
    tokenizer.add_special_tokens([tokenizers.AddedToken(name, special=True) for name in chat.SPECIAL_TOKENS])
    return tokenizer


def role_words(weight: int) -> Iterable[str]:
    """Texts that make every role of the chat format one token: each role as often as `weight`."""
    for role in chat.ROLES:
        yield (role + "\n") * weight
