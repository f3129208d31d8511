"""Decontaminate: the examples of all sources -> those that carry no evaluation item and no withheld fact.

Reads examples.parquet of `synthesize`, documents.parquet of `curate` (they become examples of the sources
web, code and acquired) and questions.parquet of `items`; writes examples.parquet,
partial.parquet and review.html, on which a person sees every finding beside its item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class DecontaminateConfig:
    """Thresholds of Algorithm 1 of the Phi-4 report (appendix B), which discloses neither ratio."""

    partial_ratio: float = 0.3
    """7-gram ratio above which a row is called partially contaminated; it is kept and listed. Ours."""
    contaminated_ratio: float = 0.6
    """7-gram ratio from which a row is dropped. Ours: rows of one template reach 0.5 with other numbers."""
    ubiquitous_rows: int = 5
    """A 13-gram in rows of this many different prompts is boilerplate and spared; 0 spares none. Ours."""
    rephrased: bool = False
    """Look for items in other words too. For items that people wrote: where items and rows come from the
    same sentence templates, as in the pocket recipe, rows of an item's template would be taken for it."""
    min_left: float = 0.5
    """Documents of prose lose the paragraphs that leak if this part of them is left; 1 drops them whole."""
    prompt_only_skills: tuple[str, ...] = ("facts_known",)
    """Skills that ask for what training states: of their items only the very prompt is looked for."""
    withhold_facts: bool = True
    """Drop rows that state a fact which the items ask as unknowable."""
    max_row_chars: int = 6_000
    """Longer documents become several examples, cut between paragraphs."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: One sentence about the field.
        """
        if not 0 < self.partial_ratio <= self.contaminated_ratio <= 1:
            raise ConfigError(
                f"decontaminate: got partial_ratio {self.partial_ratio} and contaminated_ratio "
                f"{self.contaminated_ratio}; expected 0 < partial_ratio <= contaminated_ratio <= 1."
            )
        if not 0 < self.min_left <= 1:
            raise ConfigError(
                f"decontaminate.min_left: got {self.min_left}; expected more than 0 and at most 1."
            )
        if self.max_row_chars < 200:
            raise ConfigError(
                f"decontaminate.max_row_chars: got {self.max_row_chars}; expected at least 200."
            )


def run(config: DecontaminateConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage. Returns counts by source, label and reason, and the worst ratios."""
    from trivium.curate.decontaminate_flow import decontaminate

    return decontaminate(config, stage)
