"""Export: the pivotal search in the formats that other tools read.

Writes trl.jsonl (TRL's preference format), tokens.jsonl (everything, as ids and as text), pts.jsonl and
pts_dpo.jsonl (the columns of the published pivotal-token data sets) and, for a chosen layer,
steering.safetensors with steering.jsonl.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportConfig:
    """What is written for other tools."""

    model: str = "sft"
    """Stage whose checkpoint was searched, or a Hugging Face folder."""
    pivotal: str = "pivotal"
    """Stage whose pivots and pairs are exported."""
    layer: int | None = None
    """Layer of the steering vectors, 0 being the embeddings; none are written when None."""
    batch_size: int = 32
    """Contexts that run at once for the steering vectors; no effect on the result."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.layer is not None and self.layer < 0:
            raise ConfigError(f"export.layer: got {self.layer}, expected 0 or more.")


def outside(config: ExportConfig) -> dict[str, str]:
    """The model, where it is none of the run's."""
    from trivium.store.fingerprint import outside_model

    return outside_model(config.model)


def run(config: ExportConfig, stage: StageDir) -> dict[str, Any]:
    """Write the exports. Returns how many rows each holds.

    Raises:
        ConfigError: The model has no such layer.
    """
    from trivium.models.load import find_model, load_tokenizer
    from trivium.pivotal import export, steering
    from trivium.records import PivotalToken, Preference, Rollout
    from trivium.store.files import read_json

    folder = find_model(config.model, stage, weights=config.layer is not None)
    source = stage.folder(config.pivotal)
    pairs = stage.rows(config.pivotal, "preferences", Preference)
    pivots = stage.rows(config.pivotal, "pivotal_tokens", PivotalToken)
    roots = export.prompts_of(stage.rows(config.pivotal, "rollouts", Rollout))
    tokenizer = load_tokenizer(folder)
    sources = export.Sources(
        tokenizer=tokenizer,
        model=str(config.model),
        prompts=roots,
        questions=export.questions_of(source, read_json(source / "pivots.json")),
        dataset=export.dataset_of(source),
    )
    trl, drops = export.trl(pairs, sources)
    stage.drop(drops)
    tables: dict[str, list[dict[str, Any]]] = {
        "trl": trl,
        "tokens": export.tokens(pivots, pairs, sources),
        "pts": export.pts(pivots, sources),
        "pts_dpo": export.pts_dpo(pairs, sources),
    }
    if config.layer is not None:
        vectors = steering.vectors(folder, pairs, config.layer, config.batch_size)
        tables["steering"] = export.steering(pairs, vectors, config.layer, sources)
        steering.write(stage.path / "steering.safetensors", vectors, config.layer)
    for name, rows in tables.items():
        stage.write_text(f"{name}.jsonl", export.lines(rows))
    return {"rows": {name: len(rows) for name, rows in tables.items()}, "text_that_reads_back": len(trl)}
