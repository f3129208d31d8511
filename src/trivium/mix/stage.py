"""Mix: token counts in, a plan out: tokens and epochs per source.

Reads the manifest of the token store. Writes plan.json (what the trainer follows) and mixture.parquet (the
same as a table for people).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from trivium.errors import ConfigError, StageError
from trivium.store import files
from trivium.store.run import StageDir

INPUT_STAGE = "tokenize"
MANIFEST = "tokens/tokens.json"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MixConfig:
    """The pretraining mixture."""

    budget_tokens: int = 5_000_000
    """Tokens to pretrain on."""
    shares: dict[str, float] = dataclasses.field(
        default_factory=lambda: {
            "web": 0.15,
            "web_rewrites": 0.15,
            "synthetic": 0.40,
            "code": 0.20,
            "acquired": 0.10,
        }
    )
    """Share of the budget for every source. Default: Phi-4 report, Table 5."""
    max_epochs: float = 16.0
    """No source is repeated more often. Phi-4 repeats its synthetic data 13.8 times (Table 5)."""

    def __post_init__(self) -> None:
        """Refuse empty or negative mixtures."""
        if self.budget_tokens < 1:
            raise ConfigError(f"mix.budget_tokens: got {self.budget_tokens}, expected at least 1.")
        if not self.shares or min(self.shares.values()) < 0 or sum(self.shares.values()) <= 0:
            raise ConfigError(
                f"mix.shares: got {self.shares}, expected positive shares of at least one source."
            )
        if self.max_epochs <= 0:
            raise ConfigError(f"mix.max_epochs: got {self.max_epochs}, expected more than 0.")


def run(config: MixConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk; returns the mixture and what could not be placed."""
    import pyarrow as pa

    from trivium.mix.plan import plan_mixture, unplaced

    manifest = files.read_json(stage.folder(INPUT_STAGE) / MANIFEST)
    unique = {name: int(line["targets"]) for name, line in manifest["sources"].items()}
    lines = plan_mixture(config.shares, unique, config.budget_tokens, config.max_epochs)
    if not any(line.tokens for line in lines):
        raise StageError(
            f"mix.shares: none of {sorted(config.shares)} has tokens; the store holds {sorted(unique)}, "
            "name one of these."
        )
    rows = [dataclasses.asdict(line) for line in lines]
    left = unplaced(lines, config.budget_tokens)
    stage.write_json(
        "plan", {"budget_tokens": config.budget_tokens, "unplaced_tokens": left, "sources": rows}
    )
    stage.write_table("mixture", pa.Table.from_pylist(rows))
    return {
        "budget_tokens": config.budget_tokens,
        "unplaced_tokens": left,
        "unused_sources": sorted(set(unique) - set(config.shares)),
        "mixture": rows,
    }
