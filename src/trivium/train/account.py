"""What a training run did, per source: tokens, epochs, loss. Adds up to the token."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.store.run import StageDir

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel

    from trivium.train.loop import History

LAST_FRAC = 0.1
"""The final loss is the mean over this last share of the steps."""


def loss_table(history: History, groups: Sequence[str]) -> pa.Table:
    """The loss log: one row for each step and source that had targets in it."""
    import pyarrow as pa

    counts_SG = history.stats_SG2[:, :, 1]
    seen = counts_SG.sum(1).cumsum(0)
    columns: dict[str, list[Any]] = {"step": [], "tokens": [], "source": [], "loss": [], "lr": []}
    for step, group in counts_SG.nonzero().tolist():
        columns["step"].append(step)
        columns["tokens"].append(int(seen[step]))
        columns["source"].append(groups[group])
        columns["loss"].append(float(history.stats_SG2[step, group, 0] / counts_SG[step, group]))
        columns["lr"].append(float(history.lr_S[step]))
    types = {"step": pa.int64(), "tokens": pa.int64(), "source": pa.string()}
    return pa.table({k: pa.array(v, types.get(k, pa.float64())) for k, v in columns.items()})


def summary(history: History, groups: Sequence[str]) -> dict[str, Any]:
    """Tokens and final loss per source, totals, and the steps that were not taken."""
    steps = len(history.lr_S)
    taken = history.skipped_S == 0
    counts = history.stats_SG2[taken][:, :, 1].sum(0).tolist()
    last = history.stats_SG2[steps - max(1, round(LAST_FRAC * steps)) :]
    final = (last[:, :, 0].sum(0) / last[:, :, 1].sum(0).clamp(min=1)).tolist()
    total = last[:, :, 0].sum() / last[:, :, 1].sum().clamp(min=1)
    return {
        "steps": steps,
        "tokens": round(sum(counts)),
        "tokens_by_source": {name: round(count) for name, count in zip(groups, counts, strict=True)},
        "tokens_in_skipped_steps": round(float(history.stats_SG2[~taken][:, :, 1].sum())),
        "skipped_steps": history.skipped_S.nonzero()[:, 0].tolist(),
        "final_loss": float(total),
        "final_loss_by_source": {
            name: value for name, value, count in zip(groups, final, counts, strict=True) if count
        },
        "largest_gradient_norm": float(history.norm_S[taken].max()) if bool(taken.any()) else 0.0,
    }


def model_facts(model: PreTrainedModel, tokens: int) -> dict[str, Any]:
    """Size of the model and the arithmetic that training on these tokens took."""
    config: Any = model.config.get_text_config()
    tables = {id(part.weight): part.weight.numel() for part in _tables(model)}
    body, head = model.num_parameters() - sum(tables.values()), _tables(model)[-1].weight.numel()
    # 6 for each weight that multiplies, and causal attention over the whole context; see models.phi.
    attention = 6 * config.num_hidden_layers * config.hidden_size * config.max_position_embeddings
    return {
        "parameters": body + sum(tables.values()),
        "parameters_without_embeddings": body,
        "flops": (6.0 * (body + head) + attention) * tokens,
    }


def _tables(model: PreTrainedModel) -> list[Any]:
    """The embedding and the head; the weight is one where they are tied."""
    return [model.get_input_embeddings(), model.get_output_embeddings()]


def write_training(
    stage: StageDir, history: History, groups: Sequence[str], settings: Any, facts: Mapping[str, Any]
) -> None:
    """Write losses.parquet and training.json (the settings that later stages inherit)."""
    stage.write_table("losses", loss_table(history, groups))
    stage.write_json("training", {"settings": _plain(settings), **facts})


def read_training(folder: Path) -> dict[str, Any]:
    """Read a training stage's training.json."""
    from trivium.store import files

    return files.read_json(folder / "training.json")


def _plain(settings: Any) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(settings)))
