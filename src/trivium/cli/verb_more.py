"""What can be typed after `trivium init`, `dataset`, `completion` and `diff`; apart for length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

Folder = Annotated[str | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class InitVerb:
    """Write a recipe of one's own: a commented Python file that starts from one that comes with Trivium."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name of the recipe and of its run folder; NAME.py is written here."""
    base: Annotated[str, tyro.conf.arg(name="from", metavar="RECIPE")] = "pocket"
    """pocket (from nothing), posttrain (a model, chats and questions of one's own), phi4, or ladder:SIZE."""


@dataclass(frozen=True, kw_only=True)
class DatasetVerb:
    """Write a table of a run as a Hugging Face data set with a card: rows, licences, what was removed."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = "runs/pocket"
    """Run folder."""
    table: Annotated[str, tyro.conf.arg(metavar="STAGE/TABLE")] = "09-sft_data/examples"
    """The table, e.g. 01-curate/documents; docs/data-formats.md lists them."""
    out: Folder = None
    """Folder to write; exports/<run>-<table> when not given."""
    format: Annotated[Literal["rows", "trl"], tyro.conf.arg(metavar="FORMAT")] = "rows"
    """rows: every column; trl: what TRL's SFTTrainer reads, `messages` of chats or `text` of the rest."""
    licence: Annotated[str, tyro.conf.arg(metavar="ID")] = ""
    """Licence of the data set for the card, e.g. cc-by-4.0."""


@dataclass(frozen=True, kw_only=True)
class CompletionVerb:
    """Print a script that makes the shell complete verbs and options; the first lines say where it goes."""

    shell: Annotated[Literal["bash", "zsh", "tcsh"], tyro.conf.Positional] = "bash"
    """The shell."""


@dataclass(frozen=True, kw_only=True)
class DiffVerb:
    """Compare two runs or recipes: changed fields and changed results."""

    before: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """Run folder or recipe."""
    after: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """Run folder or recipe."""
