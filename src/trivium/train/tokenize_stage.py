"""Tokenize: training rows in; a tokenizer, a token store and a held-out set out.

Reads the decontaminated examples. Writes `tokenizer/` (loads with AutoTokenizer), `tokens/` (see
trivium.train.tokens) and `heldout.parquet`, the rows kept apart to measure bits per byte per source.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError, DataError
from trivium.records import Drop, Example
from trivium.store.run import StageDir

if TYPE_CHECKING:
    from trivium.models.load import Tokenizer
    from trivium.train.tokens import TokenDocument

INPUT = ("decontaminate", "examples")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TokenizeConfig:
    """How text becomes ids."""

    vocab: int = 1024
    """Vocabulary size, with the 256 bytes and five special tokens; phi-4 has 100,352."""
    split_digits: bool = True
    """Every digit is a token of its own, which arithmetic needs; phi-4 groups up to three."""
    sample_bytes: int = 2_000_000
    """Text that the merges are learned from, in equal parts from every source."""
    heldout_frac: float = 0.015
    """Share of rows kept apart to measure bits per byte, chosen by the hash of their id."""
    heldout_rows: int = 300
    """At most this many held-out rows a source; the rest of them is trained on."""

    def __post_init__(self) -> None:
        """Refuse shares outside [0, 0.5]."""
        if not 0 <= self.heldout_frac <= 0.5:
            raise ConfigError(f"tokenize.heldout_frac: got {self.heldout_frac}, expected 0 to 0.5.")


def run(config: TokenizeConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk; returns tokens, bytes and documents per source."""
    from trivium.models import export
    from trivium.models.load import load_tokenizer
    from trivium.train.tokenizer import train_bpe

    began = time.perf_counter()
    rows = _usable(stage.rows(*INPUT, Example), stage)
    heldout, training = split_heldout(rows, config, stage.seed)
    learned = train_bpe(
        sample(training, config.sample_bytes, stage.seed), config.vocab, split_digits=config.split_digits
    )
    learned_seconds = time.perf_counter() - began
    export.save_tokenizer(learned, stage.path / "tokenizer", context=_NO_LIMIT)
    tokenizer = load_tokenizer(stage.path / "tokenizer")
    stage.write("heldout", Example, heldout)
    sources = _write_store(training, tokenizer, stage)
    return {
        "vocab": tokenizer.vocab_size,
        "heldout_rows": len(heldout),
        "sources": sources,
        "chars_per_token": {name: _ratio(line["chars"], line["tokens"]) for name, line in sources.items()},
        "learn_seconds": round(learned_seconds, 2),
        "encode_seconds": round(time.perf_counter() - began - learned_seconds, 2),
    }


_NO_LIMIT = 1 << 30
"""The tokenizer folder belongs to no model yet, so it names no context length."""


def split_heldout(
    rows: Sequence[Example], config: TokenizeConfig, seed: int
) -> tuple[list[Example], list[Example]]:
    """Split rows into held-out and training; a row's side depends on its id and the seed only.

    Conversations are never held out: bits per byte is a measure of plain text.
    """
    from trivium.train.hashing import unit_interval

    draws = {row.id: unit_interval(seed, "heldout", row.id) for row in rows}
    taken: dict[str, list[Example]] = {}
    plain = [row for row in rows if not row.messages]
    for row in sorted(plain, key=lambda row: (draws[row.id], row.id)):
        if draws[row.id] < config.heldout_frac and len(taken.get(row.source, ())) < config.heldout_rows:
            taken.setdefault(row.source, []).append(row)
    apart = {row.id for group in taken.values() for row in group}
    return [row for row in rows if row.id in apart], [row for row in rows if row.id not in apart]


def sample(rows: Sequence[Example], num_bytes: int, seed: int) -> Iterator[str]:
    """Texts to learn the merges from: equal parts of every source, in an order drawn from the seed.

    The roles of the chat format are added often enough that each becomes one token.
    """
    from trivium.train.hashing import unit_interval
    from trivium.train.tokenizer import role_words

    groups: dict[str, list[Example]] = {}
    for row in sorted(rows, key=lambda row: (unit_interval(seed, "bpe", row.id), row.id)):
        groups.setdefault(row.source, []).append(row)
    for name in sorted(groups):
        room = num_bytes // len(groups)
        for row in groups[name]:
            if room <= 0:
                break
            text = _text(row)
            room -= len(text.encode())
            yield text
    yield from role_words(num_bytes // 500)


def encode(rows: Sequence[Example], tokenizer: Tokenizer) -> list[TokenDocument]:
    """Turn rows of one source into documents: plain text closed by end-of-text, or conversations."""
    from trivium.models.chat import encode_chat
    from trivium.train.tokens import TokenDocument

    if all(row.messages for row in rows):
        chats = [(row, *encode_chat(tokenizer, row.messages)) for row in rows]
        return [
            TokenDocument(row.id, ids, len(_text(row).encode()), row.difficulty, reply)
            for row, ids, reply in chats
        ]
    batches = tokenizer.encode_batch([_text(row) for row in rows])
    return [
        TokenDocument(row.id, [*ids, tokenizer.eos_id], len(_text(row).encode()), row.difficulty)
        for row, ids in zip(rows, batches, strict=True)
    ]


def _write_store(rows: Sequence[Example], tokenizer: Tokenizer, stage: StageDir) -> dict[str, dict[str, Any]]:
    from trivium.train import tokens

    groups: dict[str, list[Example]] = {}
    for row in rows:
        groups.setdefault(row.source, []).append(row)
    lines: dict[str, dict[str, Any]] = {}
    with stage.progress("tokenize", total=len(rows), unit="rows") as bar:
        for name in sorted(groups):
            written = tokens.write_source(
                stage.path / "tokens", name, encode(groups[name], tokenizer), tokenizer.vocab_size
            )
            lines[name] = {**written, "chars": sum(len(_text(row)) for row in groups[name])}
            bar.advance(len(groups[name]))
    tokens.write_manifest(stage.path / "tokens", tokenizer.vocab_size, lines)
    return lines


def _usable(rows: Sequence[Example], stage: StageDir) -> list[Example]:
    kept = [row for row in rows if _text(row).strip()]
    empty = [row for row in rows if not _text(row).strip()]
    stage.drop([Drop(id=row.id, step="tokenize", reason="empty text", source=row.source) for row in empty])
    if not kept:
        raise DataError(f"{'/'.join(INPUT)}: got no row with text; expected some, check the stages before.")
    return kept


def _text(row: Example) -> str:
    return row.text or "\n".join(message.content for message in row.messages)


def _ratio(over: float, under: float) -> float:
    return round(over / max(under, 1), 4)
