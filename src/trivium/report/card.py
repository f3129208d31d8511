"""A model card written from the run that made the model: nothing in it is typed by hand.

Hugging Face's layout: a YAML head, then Markdown (huggingface.co/docs/hub/model-cards). A model that lies in
no run folder gets a card of its shape alone, which says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.store.files import read_json, read_parquet
from trivium.store.run import Run

CHECKPOINTS = {"pretrain": "base", "midtrain": "midtrain", "sft": "sft", "dpo1": "dpo1", "dpo2": "dpo2"}
"""Stage that trains a model -> its column in the stage table; in the order of training."""


def find_run(checkpoint: Path) -> tuple[Run, str] | None:
    """The run that a checkpoint lies in and the stage that made it; None for any other folder."""
    stage = checkpoint.resolve().parent
    if not (stage.parent / "recipe.json").is_file() or stage.name[3:] not in CHECKPOINTS:
        return None
    return Run.open(stage.parent), stage.name[3:]


def model_card(checkpoint: Path, *, licence: str = "", how_to_use: str = "") -> str:
    """The text of README.md.

    Args:
        checkpoint: A Hugging Face folder, e.g. runs/pocket/10-sft/model.
        licence: Identifier of the licence the weights are given out under; empty when none was chosen.
        how_to_use: Markdown for the section of that name.
    """
    found = find_run(checkpoint)
    title = f"{found[0].path.name}, {found[1]}" if found else checkpoint.resolve().name
    sections = [_head(licence), f"# {title}\n", _shape(read_json(checkpoint / "config.json"))]
    if how_to_use:
        sections.append(f"## How to use it\n\n{how_to_use}\n")
    if found is None:
        sections.append("## How it was made\n\nNot known: this checkpoint lies in no run folder.\n")
    else:
        sections += [*_training(*found), *_results(*found), _data_licences(found[0]), _made_with(found[0])]
    sections.append(_licence(licence))
    return "\n".join(section for section in sections if section)


def _head(licence: str) -> str:
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags:", "- phi3"]
    lines += [f"license: {licence}"] if licence else []
    return "\n".join([*lines, "---", ""])


def _shape(config: dict[str, Any]) -> str:
    rope = config.get("rope_parameters") or {}
    tied = "tied" if config.get("tie_word_embeddings") else "untied"
    return (
        f"`{config['architectures'][0]}`: {config['num_hidden_layers']} layers of {config['hidden_size']:,}, "
        f"{config['num_attention_heads']} heads over {config['num_key_value_heads']} key-value heads, "
        f"feed-forward {config['intermediate_size']:,}, vocabulary {config['vocab_size']:,} ({tied}), "
        f"context {config['max_position_embeddings']:,} tokens, RoPE base {rope.get('rope_theta', 0):,.0f}.\n"
    )


def _training(run: Run, last: str) -> Iterator[str]:
    """One table of the stages up to this checkpoint, one of the sources of each."""
    finished, rows, sources = run.finished(), [], []
    for stage in CHECKPOINTS:
        if stage in finished:
            metrics = read_json(finished[stage] / "metrics.json")
            loop = read_json(finished[stage] / "training.json")["settings"]["loop"]
            amount = f"{metrics['tokens']:,} tokens" if "tokens" in metrics else f"{metrics['pairs']:,} pairs"
            rate = metrics.get("peak_learning_rate", loop["learning_rate"])
            row = (stage, amount, metrics["steps"], loop["optimizer"], f"{rate:.1e}", loop["schedule"])
            rows.append(row)
            sources += [
                (stage, name, f"{tokens:,}", _number(metrics["final_loss_by_source"].get(name)))
                for name, tokens in metrics.get("tokens_by_source", {}).items()
            ]
        if stage == last:
            break
    headers = ("stage", "trained on", "steps", "optimizer", "peak rate", "schedule")
    yield f"## Training\n\nSeed {run.recipe()['seed']}.\n\n{_table(headers, rows)}"
    yield f"## Data\n\n{_table(('stage', 'source', 'tokens', 'final loss'), sources)}"


def _results(run: Run, stage: str) -> Iterator[str]:
    """The checkpoint's column of the stage table, intervals included."""
    folder = run.finished().get("evaluate")
    if folder is None:
        yield "## Results\n\nThe run evaluated nothing.\n"
        return
    lines = [line.strip("| ").split(" | ") for line in (folder / "table.md").read_text("utf-8").splitlines()]
    header = lines[0]
    if CHECKPOINTS[stage] in header:
        column = header.index(CHECKPOINTS[stage])
        rows = [(line[0], line[column], line[-1]) for line in lines[2:] if len(line) == len(header)]
        note = "Per cent with 95 % intervals; bits per byte as they are."
        yield f"## Results\n\n{note}\n\n{_table(('task', 'result', 'items'), rows)}"


def _data_licences(run: Run) -> str:
    folder = run.finished().get("curate")
    if folder is None or not (folder / "documents.parquet").is_file():
        return ""
    counts = Counter(read_parquet(folder / "documents.parquet").column("licence").to_pylist())
    rows = [(name or "not stated", f"{count:,}") for name, count in counts.most_common()]
    note = (
        "Licences of the organic documents; the rest was made from them, by rules or by the recipe's teacher."
    )
    return f"## Licences of the data\n\n{note}\n\n{_table(('licence', 'documents'), rows)}"


def _made_with(run: Run) -> str:
    found = read_json(run.path / "environment.json")
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return f"## Made with\n\nPython {found['python']} on {found['machine']}; {packages}.\n"


def _licence(licence: str) -> str:
    if licence:
        return f"## Licence\n\nThe weights: {licence}.\n"
    return "## Licence\n\nNone was chosen for the weights yet.\n"


def _table(headers: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
