"""Which documents a stage trains on: the pretraining mixture, long documents and recall, conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium.errors import DataError
from trivium.store import files
from trivium.train.likelihood import NextToken
from trivium.train.order import Stream, make_order
from trivium.train.settings import LoopConfig
from trivium.train.tokens import TokenSource, open_source


def next_token(
    folder: Path, streams: Sequence[Stream], config: LoopConfig, seed: int, curriculum: float = 0.0
) -> NextToken:
    """The next-token objective over streams of a token store; picklable as a partial for other ranks."""
    names = sorted({stream.source for stream in streams})
    order = make_order(
        [open_source(folder, name) for name in names],
        streams,
        row_tokens=config.row_tokens,
        rows_per_step=config.rows,
        seed=seed,
        curriculum=curriculum,
    )
    return NextToken(order, config.micro_tokens)


def mixture_streams(folder: Path, plan: Path, budget: int | None = None) -> list[Stream]:
    """One stream a source, with the tokens that the mixture plan gives it.

    Args:
        folder: The token store.
        plan: plan.json of the mix stage.
        budget: Scale the plan to this many tokens; None takes it as it is.
    """
    lines = [line for line in files.read_json(plan)["sources"] if line["tokens"] > 0]
    placed = sum(line["tokens"] for line in lines)
    scale = 1.0 if budget is None else budget / max(placed, 1)
    return [
        _whole(open_source(folder, line["source"]), line["source"], round(line["tokens"] * scale))
        for line in lines
    ]


def long_streams(
    sources: Mapping[str, TokenSource],
    *,
    made: str,
    natural: Sequence[str],
    context: int,
    new_context: int,
    upweight: int,
    budget: int,
    max_epochs: float,
) -> list[Stream]:
    """Streams of long documents: those made to be long, and the long ones among organic text.

    Phi-4 report, section 3.3: organic documents longer than twice the old context, those as long as the new
    context with more weight, and new synthetic sets of long sequences.

    Args:
        sources: Token sources by name.
        made: Source whose documents are all long by design.
        natural: Sources of organic text in which long documents are looked for.
        context: Tokens of the old context.
        new_context: Tokens of the new one.
        upweight: How often an epoch takes a document that fills the new context.
        budget: Tokens for all of them together, split by the tokens that each has.
        max_epochs: No stream is repeated more often; what is left over is not placed.
    """
    chosen: dict[str, tuple[str, np.ndarray]] = {}
    if made in sources:
        chosen[made] = (made, np.arange(len(sources[made])))
    for name in natural:
        if name in sources:
            lengths = sources[name].lengths
            times = np.where(lengths >= new_context, upweight, 1) * (lengths > 2 * context)
            chosen[f"long {name}"] = (name, np.repeat(np.arange(len(lengths)), times))
    sizes = {
        label: int(sources[name].num_targets()[documents].sum())
        for label, (name, documents) in chosen.items()
    }
    total = sum(sizes.values())
    return [
        Stream(
            name=label,
            source=name,
            documents=documents,
            tokens=min(round(budget * sizes[label] / total), int(sizes[label] * max_epochs)),
        )
        for label, (name, documents) in chosen.items()
        if sizes[label]
    ]


def epoch_streams(folder: Path, epochs: Mapping[str, float]) -> list[Stream]:
    """One stream a source, each trained on for its number of epochs."""
    opened = {name: open_source(folder, name) for name in epochs}
    return [
        _whole(source, name, round(int(source.num_targets().sum()) * epochs[name]))
        for name, source in opened.items()
    ]


def epochs_by_stream(objective: NextToken, streams: Sequence[Stream]) -> dict[str, Any]:
    """Tokens asked for and epochs trained, per stream, for the report."""
    return {
        stream.name: {"tokens_wanted": stream.tokens, "epochs": round(objective.order.epochs[stream.name], 4)}
        for stream in streams
    }


def _whole(source: TokenSource, name: str, tokens: int) -> Stream:
    if tokens and not len(source):
        raise DataError(f"source {name}: got no documents; expected some, lower its share in the mixture.")
    return Stream(name=name, source=name, documents=np.arange(len(source)), tokens=tokens)
