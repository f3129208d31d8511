"""Pretrain: tokens and a mixture in; a base model out.

Reads the token store and tokenizer of the tokenize stage and plan.json of the mix stage. Writes `model/`
(a Hugging Face folder), losses.parquet, training.json and log.jsonl.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

from trivium.errors import ConfigError
from trivium.models.phi import ModelConfig
from trivium.store.run import StageDir
from trivium.train.settings import LoopConfig


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig:
    """The base model and how it is trained."""

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    """Shape of the model; its vocabulary is that of the tokenizer."""
    loop: LoopConfig = dataclasses.field(default_factory=LoopConfig)
    """How weights are updated."""
    previous_token: bool = False
    """Start with a first layer that looks one token back, and keep it (see models.previous_token)."""
    curriculum: float = 0.0
    """0 shuffles the documents of an epoch, 1 sorts them from easy to hard, between blends both."""

    def __post_init__(self) -> None:
        """Refuse rows longer than the context."""
        if self.loop.row_tokens > self.model.context:
            raise ConfigError(
                f"pretrain.loop.row_tokens: got {self.loop.row_tokens}, expected at most "
                f"pretrain.model.context={self.model.context}."
            )
        if not 0 <= self.curriculum <= 1:
            raise ConfigError(f"pretrain.curriculum: got {self.curriculum}, expected 0 to 1.")


def run(config: PretrainConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk; returns tokens, epochs and losses per source."""
    from trivium.models import export
    from trivium.models.load import load_tokenizer
    from trivium.models.phi import build
    from trivium.train import account, streams
    from trivium.train.loop import Job, run_job

    began = time.perf_counter()
    tokenizer_folder = stage.folder("tokenize") / "tokenizer"
    shape = dataclasses.replace(config.model, vocab=load_tokenizer(tokenizer_folder).vocab_size)
    initial = export.save_checkpoint(
        build(shape, stage.seed, previous_token=config.previous_token),
        tokenizer_folder,
        stage.scratch / "initial",
        chat_model=False,
    )
    store = stage.folder("tokenize") / "tokens"
    chosen = streams.mixture_streams(store, stage.folder("mix") / "plan.json")
    make = functools.partial(streams.next_token, store, chosen, config.loop, stage.seed, config.curriculum)
    objective = make()
    model, history = run_job(
        Job(model=initial, objective=make, config=config.loop, scratch=stage.scratch, label="pretrain")
    )
    export.save_checkpoint(model, tokenizer_folder, stage.path / "model", chat_model=False)
    found = account.summary(history, objective.groups)
    facts = account.model_facts(model, found["tokens"])
    account.write_training(stage, history, objective.groups, config, facts)
    return {
        **found,
        **facts,
        "streams": streams.epochs_by_stream(objective, chosen),
        "train_seconds": round(time.perf_counter() - began, 2),
    }
