"""Curate: raw sources -> kept documents, scored passages and seeds.

Reads the running Python's installation and the user's own files; writes documents.parquet, passages.parquet
(seeds carry the tag `seed`), duplicates.parquet, and for the made web prose.parquet and pages.parquet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trivium.curate.quality.limits import HeuristicLimits
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class CurateConfig:
    """What is read, what is kept, and how much of it."""

    installation: bool = True
    """Read the Python installation: its code, its prose and its tables."""
    paths: tuple[str, ...] = ()
    """Files, folders and fsspec URLs of one's own; docs/data-formats.md lists the formats."""
    text_field: str = "text"
    """Column or key of the text in Parquet and JSON lines files."""
    licence: str = "unknown"
    """Licence of the files under `paths`."""
    max_modules: int = 0
    """Read only so many files of the standard library, evenly spread; 0 reads all."""
    min_code_chars: int = 150
    """Shorter functions are not read."""
    max_code_chars: int = 3_000
    """Longer functions are not read; longer classes are read method by method."""
    min_prose_chars: int = 60
    """Shorter docstrings are not read."""
    min_comment_chars: int = 140
    """Shorter comment blocks are not read."""
    web_share: float = 0.85
    """Part of the modules whose prose is rendered as web pages instead of printed as books, 0 to 1."""
    max_code_bytes: int = 2_300_000
    """Code kept, the best first; 0 keeps all."""
    max_books_bytes: int = 0
    """Books kept, the best first; 0 keeps all."""
    max_web_bytes: int = 0
    """Web text kept, the best first; 0 keeps all."""
    limits: HeuristicLimits = field(default_factory=HeuristicLimits)
    """Thresholds of the heuristics."""
    published_rules: bool = True
    """Judge web pages under `paths` by the rules and numbers of Gopher, C4 and FineWeb, not by `limits`."""
    languages: tuple[str, ...] = ("en",)
    """Languages of prose that are kept; empty keeps all."""
    min_language_score: float = 0.65
    """Confidence from which a language decides. FineWeb: 0.65."""
    min_precision: float = 0.95
    """Precision wanted of the quality classifier on its calibration part."""
    duplicate_threshold: float = 0.8
    """Jaccard index of word 5-grams from which two documents are near-duplicates."""
    semantic_threshold: float = 0.0
    """Cosine from which two pages or books say the same, of which one is kept; 0 does not look. See
    `dedup_semantic` for the vectors; at 0.8 the closest rephrasings go, at 0.65 more of them, and so do
    sections of books that treat one subject in parallel."""
    cut_repeats: int = 0
    """Runs of at least so many words that stood before are cut from pages and books; 0 cuts none. Lee et al.
    2022: 50 tokens."""
    mask: tuple[str, ...] = ("code", "web")
    """Kinds of documents in which secrets and, in all but code, e-mail addresses, phone numbers, network
    addresses, card and account numbers are masked: code, books, web."""
    mask_names: tuple[str, ...] = ()
    """Given names; the names of people that begin with one of them are masked too."""
    min_passage_chars: int = 200
    """A shorter last piece joins the passage before it."""
    max_passage_chars: int = 1_000
    """Passages end at the paragraph before this."""
    num_seeds: int = 600
    """Seeds for synthesis, in equal numbers of each kind."""
    max_seed_chars: int = 1_600
    """Longer passages (whole functions, long paragraphs) are no seeds: a small teacher loses the thread."""
    readable_seeds: bool = True
    """Only prose that reads well by itself becomes a seed: whole sentences, no furniture, no leftover markup.
    `no_seeds` of the metrics says what kept how many out."""
    balance_folders: bool = False
    """Within a kind, the folders that the sources lie in take turns at giving seeds."""
    shard_documents: int = 400
    """Documents or pages a shard."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: One sentence about the field.
        """
        if not self.installation and not self.paths:
            raise ConfigError(
                "curate: got no source; expected installation=true or at least one of curate.paths."
            )
        for name in ("web_share", "duplicate_threshold", "min_precision", "min_language_score"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"curate.{name}: got {value}; expected a number from 0 to 1.")
        if self.duplicate_threshold < 0.3:
            raise ConfigError(
                f"curate.duplicate_threshold: got {self.duplicate_threshold}; expected 0.3 to 1, "
                "lower values would join texts that only share phrases."
            )
        if not 0.0 <= self.semantic_threshold <= 1.0 or 0 < self.cut_repeats < 10:
            raise ConfigError(
                "curate: expected semantic_threshold from 0 to 1, and cut_repeats 0 or at least 10 words."
            )
        if unknown := set(self.mask) - {"code", "books", "web"}:
            raise ConfigError(
                f"curate.mask: got {', '.join(sorted(unknown))}; expected some of code, books, web."
            )
        if not 0 < self.min_passage_chars <= self.max_passage_chars:
            raise ConfigError(
                "curate.min_passage_chars: expected more than 0 and at most curate.max_passage_chars."
            )


def outside(config: CurateConfig) -> dict[str, str]:
    """Name what is read from outside the run folder: the Python installation and one's own files."""
    import platform
    from pathlib import Path

    from trivium.curate.readers import sources
    from trivium.store.fingerprint import content_hash

    found = {
        path: sources.fingerprint(path) if sources.is_url(path) else content_hash(Path(path))
        for path in config.paths
    }
    return found | ({"python": platform.python_version()} if config.installation else {})


def run(config: CurateConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage. Returns counts by kind, label and reason, and how well each step did against the truth.

    Raises:
        DataError: A path of the user's is missing or unreadable, or nothing is left.
    """
    from trivium.curate.flow import curate

    return curate(config, stage)
