"""What can be typed after `trivium grow`; apart from the other verbs for its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class GrowVerb:
    """Grow exactly so many accepted rows with one synthesis flow, or say what is missing.

    Flows: tagging, conversation, taxonomy, revision, rewrite and questions grow from prose; reversal and
    execution from functions; plurality, infill, trajectory and curriculum from questions with worked
    solutions; instructions and checkers from any requests; knowledge from trivia with answers. Writes
    examples.parquet, calls.parquet (every call with its verdict), dropped.parquet (step, reason, raw reply)
    and metrics.json; curriculum also stages.parquet with its shuffled control. First it says what the rows
    will take, from a few seeds. The same command goes on after a kill and pays for no call twice.
    """

    flow: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FLOW")]
    """Name of the flow."""
    data: Annotated[str | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """Seeds: a file or folder of .md, .txt, .rst, .py, .jsonl, .csv; without it functions of this Python."""
    count: Annotated[int, tyro.conf.arg(metavar="N")] = 100
    """Accepted rows wanted; never one more."""
    max_candidates: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Most seeds to use; all of them when not given."""
    generated_tokens: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Most tokens that the teacher may write: a hard stop."""
    price: Annotated[
        tuple[float, float] | None, tyro.conf.arg(metavar="READ WRITTEN", help_behavior_hint="")
    ] = None
    """What the endpoint asks for a million tokens read and written, in any currency."""
    money: Annotated[float | None, tyro.conf.arg(metavar="AMOUNT", help_behavior_hint="")] = None
    """Most that the tokens may cost at --price, replies of the cache counted too: a hard stop."""
    probes: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Seeds that the estimate before the run rests on; their calls are kept and count for the run."""
    estimate: bool = False
    """Print the estimate and stop."""
    endpoint: Annotated[tuple[str, ...], tyro.conf.arg(metavar="URL", help_behavior_hint="")] = ()
    """OpenAI-compatible servers of one model, one or many; the local teacher when not given."""
    endpoint_model: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """Name of the model there."""
    judge_model: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """Another model there that judges; independent judges are better ones."""
    against: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Evaluation items (.jsonl, or text lines); a row with 13 words in a row of one is dropped."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Folder; runs/grow-<flow>."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Seed of the order in which seeds are taken."""


@dataclass(frozen=True, kw_only=True)
class ApprenticeVerb:
    """Write what a small model learns one flow from: the flow's own prompts with organic replies.

    plurality, infill and trajectory take questions with worked solutions (GSM8K's files as they are),
    reversal takes functions with docstrings. The flow runs as ever and its filters judge the organic
    replies; what passes is a line of JSON with messages. Fine-tune on it (recipe posttrain), export as GGUF,
    name the file in TRIVIUM_TEACHER, and that model is the teacher of `trivium grow`.
    """

    flow: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FLOW")]
    """plurality, infill, trajectory or reversal."""
    data: Annotated[str | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """Seeds: a file or folder of .jsonl or .py; without it functions of this Python."""
    count: Annotated[int, tyro.conf.arg(metavar="N")] = 1000
    """Most conversations to write."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """File of JSON lines; apprentice-<flow>.jsonl."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Seed of the order in which seeds are taken."""
