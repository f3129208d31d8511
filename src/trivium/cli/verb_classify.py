"""What can be typed after `trivium classify`; apart from the other verbs for its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class ClassifyVerb:
    """Learn a label of yes or no from given or asked-for examples, and score every text with it.

    Labels stand in a column, or a language model is asked about --annotate texts (the local teacher, or
    --endpoint); a small linear classifier learns them, is calibrated, measured on held-out groups, and
    applied to all texts. Writes scores.parquet (apart from texts), model.npz, metrics.json and audit.html.
    """

    texts: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Texts: .jsonl, .jsonl.gz or .parquet."""
    text_column: Annotated[str, tyro.conf.arg(metavar="TEXT")] = "text"
    """Column of the text."""
    label_column: Annotated[str, tyro.conf.arg(metavar="TEXT")] = "label"
    """Column of the labels; rows without one are only scored."""
    good: Annotated[str, tyro.conf.arg(metavar="VALUE")] = ""
    """The label that counts as yes: a word, or the least number, e.g. 3 on a scale from 0 to 5."""
    group_column: Annotated[str, tyro.conf.arg(metavar="TEXT")] = "source"
    """Column of what a text comes from; a group is learned from or measured on, never both."""
    annotate: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Ask the annotator about so many texts; given labels then only measure its agreement."""
    question: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """What it is asked, with {text} in it, answered with yes or no; educational value when not given."""
    endpoint: Annotated[str | None, tyro.conf.arg(metavar="URL", help_behavior_hint="")] = None
    """OpenAI-compatible server of the annotator; the local teacher when not given."""
    endpoint_model: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """Name of the model there."""
    min_precision: Annotated[float, tyro.conf.arg(metavar="P")] = 0.9
    """Precision wanted at the threshold, on the calibration part."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Folder; runs/classify-<name of the file>."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Seed of the choice of texts to annotate."""
