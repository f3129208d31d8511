"""SFT: conversations in; a chat model out. The loss counts the replies only.

Reads the conversations that the align room wrote and the model of an earlier stage. Writes `model/` (whose
end of sequence is the end of a turn), losses.parquet and training.json.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium.errors import ConfigError, DataError
from trivium.records import Drop, Example
from trivium.store import row_files
from trivium.store.fingerprint import content_hash, outside_model
from trivium.store.run import StageDir
from trivium.train.chat_files import read_chats
from trivium.train.conversations import encode_all
from trivium.train.settings import LoopConfig


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SFTConfig:
    """What is fine-tuned and how."""

    start: str = "midtrain"
    """Stage whose model is fine-tuned, or a Hugging Face folder."""
    data: str = "sft_data"
    """Stage whose table `examples` holds the conversations, or a file of them (.jsonl, .json, .parquet)."""
    epochs: float = 2.0
    """Passes over the conversations."""
    flow_epochs: dict[str, float] = dataclasses.field(default_factory=dict)
    """Passes over the conversations of single flows, instead of `epochs`; 0 leaves a flow out."""
    start_share: float = 0.0
    """How far the weights are drawn back to the start's after training, from 0 (not at all) to below 1: keeps
    what a pretrained model knew for a part of what was learnt (WiSE-FT, see `models.averaging`)."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(learning_rate=1e-3, rows=16, row_tokens=512, weight_decay=0.0)
    )
    """How weights are updated; a conversation longer than row_tokens is dropped, with its reason."""

    def __post_init__(self) -> None:
        """Refuse to train on nothing."""
        if self.epochs <= 0:
            raise ConfigError(f"sft.epochs: got {self.epochs}, expected more than 0.")
        if min(self.flow_epochs.values(), default=0) < 0:
            raise ConfigError(f"sft.flow_epochs: got {self.flow_epochs}, expected no negative number.")
        if not 0 <= self.start_share < 1:
            raise ConfigError(f"sft.start_share: got {self.start_share}, expected 0 to below 1.")


def outside(config: SFTConfig) -> dict[str, str]:
    """The model and the conversations, where they are none of the run's."""
    chats = {"data": content_hash(Path(config.data))} if row_files.is_file(config.data) else {}
    return outside_model(config.start) | chats


def run(config: SFTConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk; returns reply tokens, epochs and losses per flow."""
    from trivium.models import export
    from trivium.models.averaging import draw_back
    from trivium.models.load import find_model
    from trivium.train import account, streams
    from trivium.train.loop import Job, run_job

    began = time.perf_counter()
    start = find_model(config.start, stage)
    store = stage.scratch / "tokens"
    flows = write_store(_conversations(config, stage), start, config, stage)
    chosen = streams.epoch_streams(store, _passes(flows, config))
    make = functools.partial(streams.next_token, store, chosen, config.loop, stage.seed)
    objective = make()
    model, history = run_job(
        Job(model=start, objective=make, config=config.loop, scratch=stage.scratch, label="sft")
    )
    draw_back(model, start, config.start_share)
    export.save_checkpoint(model, start, stage.path / "model", chat_model=True)
    found = account.summary(history, objective.groups)
    facts = account.model_facts(model, found["tokens"])
    account.write_training(stage, history, objective.groups, config, facts)
    return {
        **found,
        **facts,
        "conversations": sum(len(source) for source in objective.order.sources),
        "streams": streams.epochs_by_stream(objective, chosen),
        "train_seconds": round(time.perf_counter() - began, 2),
    }


def _conversations(config: SFTConfig, stage: StageDir) -> list[Example]:
    if not row_files.is_file(config.data):
        return stage.rows(config.data, "examples", Example)
    rows, drops = read_chats(Path(config.data), stage.name)
    stage.drop(drops)
    return rows


def _passes(flows: Sequence[str], config: SFTConfig) -> dict[str, float]:
    """Passes by flow.

    Raises:
        ConfigError: The recipe names a flow that the data do not have.
    """
    unknown = sorted(set(config.flow_epochs) - set(flows))
    if unknown:
        raise ConfigError(f"sft.flow_epochs: got {unknown[0]!r}; expected one of {', '.join(flows)}.")
    passes = {flow: config.flow_epochs.get(flow, config.epochs) for flow in flows}
    return {flow: times for flow, times in passes.items() if times}


def write_store(rows: Sequence[Example], start: Path, config: SFTConfig, stage: StageDir) -> list[str]:
    """Tokenise conversations into a store in the scratch folder, one source a flow; returns the names.

    Args:
        rows: Conversations.
        start: Folder of the model, whose chat format they take.
        config: Gives the longest conversation.
        stage: Keeps the store and the drops.
    """
    from trivium.models.load import load_tokenizer
    from trivium.models.prompting import make_encoder
    from trivium.train import tokens

    tokenizer = load_tokenizer(start)
    encoded, refused = encode_all(rows, make_encoder(start, tokenizer), stage.name)
    stage.drop(refused)
    groups: dict[str, list[tokens.TokenDocument]] = {}
    reasons: list[str] = []
    for row, (ids, reply) in encoded:
        reason = _refuse(len(ids), sum(reply), config.loop.row_tokens)
        if reason:
            reasons.append(reason)
            stage.drop([Drop(id=row.id, step=stage.name, reason=reason, source=row.source)])
            continue
        text = "".join(message.content for message in row.messages)
        name = re.sub(r"[^A-Za-z0-9_-]", "_", row.flow or row.source)
        groups.setdefault(name, []).append(
            tokens.TokenDocument(row.id, ids, len(text.encode()), row.difficulty, reply)
        )
    if not groups:
        raise DataError(_unusable(config, [drop.reason for drop in refused] + reasons))
    folder = stage.scratch / "tokens"
    lines = {
        name: tokens.write_source(folder, name, groups[name], tokenizer.vocab_size) for name in sorted(groups)
    }
    tokens.write_manifest(folder, tokenizer.vocab_size, lines)
    return sorted(groups)


def _unusable(config: SFTConfig, reasons: list[str]) -> str:
    counts = ", ".join(f"{count:,} {reason}" for reason, count in Counter(reasons).most_common()) or "0 rows"
    return (
        f"{config.data}: got no usable conversation ({counts}); expected messages with a reply that fit "
        f"sft.loop.row_tokens={config.loop.row_tokens}: raise it, or shorten them."
    )


def _refuse(num_tokens: int, num_reply: int, row_tokens: int) -> str:
    if not num_reply:
        return "no reply to learn"
    # The last token is a target only, so a conversation of row_tokens + 1 tokens still fits.
    return "longer than a row" if num_tokens > row_tokens + 1 else ""
