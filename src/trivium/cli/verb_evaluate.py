"""What can be typed after `trivium evaluate`; apart from the other verbs for its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

Empty = Annotated[str, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
Number = Annotated[int, tyro.conf.arg(metavar="N")]


@dataclass(frozen=True, kw_only=True)
class EvaluateVerb:
    """Measure any model on the tasks of the field, with intervals; or every checkpoint of a recipe.

    With --model and --tasks no recipe is needed. Two models are compared item by item. What was asked once
    is kept in --out (or in the folder that TRIVIUM_CACHE names), so the same command goes on where it was
    stopped, and a rerun asks nothing.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")] = ""
    """A recipe whose stage is run, as with the other stage verbs; leave it out with --model."""
    model: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="[NAME=]FOLDER|URL")
    ] = ()
    """A Hugging Face folder, or a server: http://host:port/v1 (vLLM), http://host:port (llama.cpp's)."""
    tasks: Annotated[str, tyro.conf.arg(metavar="TASK[=FILE],...", help_behavior_hint="")] = ""
    """Tasks by name, with commas between them; TASK=FILE reads that file; `list` lists them."""
    data: Annotated[str, tyro.conf.arg(metavar="FOLDER|hub")] = "data"
    """Folder of the tasks' files, or hub for the Hugging Face hub (needs the package datasets)."""
    tokenizer: Annotated[str, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = ""
    """Of a server, the folder with its model's tokenizer."""
    served_name: Empty = ""
    """Of a server, the model's name there, where it serves more than one."""
    limit: Number = 0
    """At most this many items of every task; 0 takes all."""
    samples: Number = 1
    """Replies to every item; from 2 on also pass@k and majority@k."""
    temperature: Annotated[float, tyro.conf.arg(metavar="T")] = 0.0
    """0 always takes the likeliest token."""
    seed: Number = 0
    """Seed of drawn replies."""
    style: Annotated[Literal["task", "chat", "raw"], tyro.conf.arg(metavar="STYLE")] = "task"
    """chat asks through the model's own template, raw with the text alone; task as each task has it."""
    max_tokens: Number = 0
    """Longest reply, in tokens; 0 takes each task's own."""
    judge: Annotated[str, tyro.conf.arg(metavar="rules|teacher|URL", help_behavior_hint="")] = ""
    """Who judges mt_bench*, arena_hard and rubric: rules, the local teacher, or an OpenAI-like server."""
    rescore: tyro.conf.FlagCreatePairsOff[bool] = False
    """Judge the replies in --out again, without a model."""
    device: Annotated[Literal["cpu", "cuda", "auto"], tyro.conf.arg(metavar="DEVICE")] = "cpu"
    """Where a model runs; auto takes a GPU where there is one."""
    batch_size: Number = 128
    """Replies that are written at once."""
    settings: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE")
    ] = ()
    """With a recipe: change one field, e.g. --set evaluate.limit=100."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Folder of the evaluation; runs/evaluate-<models>, or with a recipe its run folder."""
    start: Annotated[str | None, tyro.conf.arg(name="from", metavar="STAGE", help_behavior_hint="")] = None
    """With a recipe: run this stage and the later ones anew; the earlier ones must be finished."""
    only: tyro.conf.FlagCreatePairsOff[bool] = False
    """With a recipe: take every earlier stage as it is and run this step anew."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Processes, each with the model in memory; the results do not depend on it."""
