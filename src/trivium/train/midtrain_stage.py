"""Midtrain: stretch the context on long documents without forgetting the short ones.

Phi-4 report, section 3.3: context x 4, RoPE base raised to 250K, peak learning rate a tenth of pretraining's,
30 % long data and 70 % recall of the pretraining mixture. Reads the token store, the plan and the base model;
writes `model/`, losses.parquet, training.json and log.jsonl.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError
from trivium.store.run import StageDir
from trivium.train.settings import LoopConfig

if TYPE_CHECKING:
    from pathlib import Path

    from trivium.train.order import Stream


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MidtrainConfig:
    """The longer context and how it is learned."""

    budget_tokens: int = 1_000_000
    """Tokens to train on. phi-4: 250B (Phi-4 report, section 3.3)."""
    context_factor: int = 4
    """New context over old. phi-4: 4K to 16K."""
    rope_theta: float = 250_000.0
    """New base of the rotary embedding. Phi-4 report, section 3.3."""
    long_frac: float = 0.3
    """Share of long documents; the rest recalls the pretraining mixture. Phi-4 report, section 3.3."""
    made_source: str = "long"
    """Source whose documents are long by design."""
    natural_sources: tuple[str, ...] = ("code", "acquired")
    """Organic sources in which documents of more than twice the old context are looked for."""
    upweight: int = 2
    """How often an epoch takes an organic document that fills the new context."""
    max_epochs: float = 16.0
    """Long documents are not repeated more often; what is left goes to recall."""
    peak_lr_frac: float = 0.1
    """Peak learning rate as a share of pretraining's; it replaces loop.learning_rate. 0 keeps the latter."""
    loop: LoopConfig = dataclasses.field(default_factory=lambda: LoopConfig(rows=8, row_tokens=1024))
    """How weights are updated; row_tokens is at most the new context."""

    def __post_init__(self) -> None:
        """Refuse shares outside [0, 1] and a context that does not grow."""
        if not 0 <= self.long_frac <= 1:
            raise ConfigError(f"midtrain.long_frac: got {self.long_frac}, expected 0 to 1.")
        if self.context_factor < 1 or self.upweight < 1 or self.budget_tokens < 1:
            raise ConfigError(
                "midtrain: context_factor, upweight and budget_tokens: expected at least 1 each."
            )


def run(config: MidtrainConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk; returns the new context, tokens, epochs and losses per source."""
    from trivium.models import export
    from trivium.models.load import load_model
    from trivium.train import account, streams
    from trivium.train.loop import Job, run_job

    began = time.perf_counter()
    base, tokenizer_folder = stage.folder("pretrain") / "model", stage.folder("tokenize") / "tokenizer"
    prepared = account.read_training(stage.folder("pretrain"))["settings"]["previous_token"]
    stretched = stretch(load_model(base), config, aim_again=prepared)
    initial = export.save_checkpoint(stretched, tokenizer_folder, stage.scratch / "initial", chat_model=False)
    context = stretched.config.max_position_embeddings
    loop = loop_settings(config, stage.folder("pretrain"), context)
    chosen = choose_streams(config, stage, context)
    make = functools.partial(
        streams.next_token, stage.folder("tokenize") / "tokens", chosen, loop, stage.seed
    )
    objective = make()
    model, history = run_job(
        Job(model=initial, objective=make, config=loop, scratch=stage.scratch, label="midtrain")
    )
    export.save_checkpoint(model, tokenizer_folder, stage.path / "model", chat_model=False)
    found = account.summary(history, objective.groups)
    facts = account.model_facts(model, found["tokens"])
    account.write_training(stage, history, objective.groups, dataclasses.replace(config, loop=loop), facts)
    long_tokens = sum(line.tokens for line in chosen if not line.name.startswith("recall "))
    return {
        **found,
        **facts,
        "context": context,
        "rope_theta": config.rope_theta,
        "peak_learning_rate": loop.learning_rate,
        "long_frac_wanted": config.long_frac,
        "long_frac_got": round(long_tokens / sum(line.tokens for line in chosen), 4),
        "streams": streams.epochs_by_stream(objective, chosen),
        "train_seconds": round(time.perf_counter() - began, 2),
    }


def stretch(model: Any, config: MidtrainConfig, *, aim_again: bool = False) -> Any:
    """Give a model the longer context: positions and RoPE base; weights stay as they are.

    Args:
        model: A Phi-3 model; changed in place and returned.
        config: Says how much longer, and the new base.
        aim_again: Rewrite the prepared previous-token layer (models.previous_token) for the new base, because
            it is kept out of training and could not adapt.
    """
    from trivium.models.previous_token import aim

    context = model.config.max_position_embeddings * config.context_factor
    model.config.max_position_embeddings = context
    model.config.original_max_position_embeddings = context
    model.config.rope_parameters = {**model.config.rope_parameters, "rope_theta": config.rope_theta}
    if aim_again:
        aim(model)
    return model


def loop_settings(config: MidtrainConfig, pretrain: Path, context: int) -> LoopConfig:
    """The loop with its learning rate taken from pretraining's and its rows checked against the context."""
    from trivium.train.account import read_training

    if config.loop.row_tokens > context:
        raise ConfigError(
            f"midtrain.loop.row_tokens: got {config.loop.row_tokens}, "
            f"expected at most the new context {context}."
        )
    if not config.peak_lr_frac:
        return config.loop
    peak = read_training(pretrain)["settings"]["loop"]["learning_rate"] * config.peak_lr_frac
    return dataclasses.replace(config.loop, learning_rate=peak)


def choose_streams(config: MidtrainConfig, stage: StageDir, context: int) -> list[Stream]:
    """Long documents up to their share of the budget, then recall for the rest of it."""
    from trivium.train import streams, tokens

    store = stage.folder("tokenize") / "tokens"
    names = [config.made_source, *config.natural_sources]
    known = tokens.read_manifest(store)["sources"]
    long = streams.long_streams(
        {name: tokens.open_source(store, name) for name in names if name in known},
        made=config.made_source,
        natural=config.natural_sources,
        context=context // config.context_factor,
        new_context=context,
        upweight=config.upweight,
        budget=round(config.budget_tokens * config.long_frac),
        max_epochs=config.max_epochs,
    )
    left = config.budget_tokens - sum(line.tokens for line in long)
    recall = streams.mixture_streams(store, stage.folder("mix") / "plan.json", left)
    return [*long, *(dataclasses.replace(line, name=f"recall {line.name}") for line in recall)]
