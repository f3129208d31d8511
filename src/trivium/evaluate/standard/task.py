"""What a task of the field is: rows of a file -> items -> what the model did -> scores, as pure functions."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trivium.llm.calls import Reply, Request
from trivium.records import Verdict, row_id

LIKELIHOOD = "likelihood"
GENERATE = "generate"

HARNESS = "lm-evaluation-harness 0.4.13"
"""Whose prompts, stops and normalisations the tasks follow where they name one of its versions."""

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of every file of a task, by the file's role: `test`, and `shots` where examples come from a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One question of a task, with everything that is said to the model."""

    id: str
    prompt: str = ""
    """What is asked, examples included; of a likelihood task empty."""
    then: tuple[str, ...] = ()
    """What is asked next in the same conversation, each after the reply to what came before."""
    options: tuple[tuple[str, str], ...] = ()
    """Of a likelihood task: contexts and what follows each."""
    gold: tuple[str, ...] = ()
    """Right answers; of a choice the index of the right option, as text."""
    group: str = ""
    """What the numbers are broken down by, e.g. a subject."""
    cluster: str = ""
    """Items with the same cluster are one draw in every interval; empty: the item stands alone."""
    facts: str = ""
    """What the judge needs beside the answers, as JSON."""


@dataclass(frozen=True, slots=True)
class Read:
    """A continuation as the model saw it."""

    logprob: float
    """Its log-probability (natural)."""
    first: bool
    """Whether every token of it is the model's first choice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """What a model did with an item, once; nothing is judged yet, so that it can be judged again."""

    model: str
    task: str
    item_id: str
    sample: int
    """0 for the only reply or the first of several."""
    reply: str
    options: list[Read]
    """Each option's continuation; empty for a written reply."""
    num_tokens: int
    """Of all replies together."""
    finish: str
    """eos | length | ended (a stop text) | full (the prompt leaves no room, so nothing was asked)."""
    earlier: list[str] = field(default_factory=list)
    """Replies to all turns but the last one; empty for a single turn."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number of one output."""

    metric: str
    value: float
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """The scores of one output."""

    verdict: Verdict
    scores: list[Score]
    answer: str = ""
    """The answer as read, for votes; empty where none could be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StandardTask:
    """A task; `TASKS` names them all."""

    name: str
    follows: str
    """Whose task it is, with its version; or what it is where nobody has such a task."""
    prompt_version: int = 1
    """Raised whenever the words that are said to the model change."""
    kind: str
    files: Mapping[str, str]
    """Role -> file below the data folder, as a glob pattern; none where the items are made by a rule."""
    hub: Mapping[str, tuple[str, str, str]]
    """Role -> data set, configuration and split on the Hugging Face hub; empty where it is not read there."""
    read: Callable[[Rows], list[Item]]
    judge: Callable[[Item, Output], Judged]
    metrics: tuple[str, ...]
    """The first one is the headline."""
    stops: tuple[str, ...] = ()
    max_tokens: int = 256
    ask_judge: Callable[[Item, Output], tuple[Request, ...]] | None = None
    """Of a task that a model judges: what that model is asked about a reply. Its replies go to `mark`."""
    mark: Callable[[Item, Output, Sequence[Reply]], Judged] | None = None
    style: str = "raw"
    """raw | auto (the model's chat template where it has one)."""


def make_item(task: str, number: int, **fields: Any) -> Item:
    """Return an item whose id hangs on the task and on everything that is asked."""
    asked = repr(
        sorted((key, value) for key, value in fields.items() if key in ("prompt", "options", "then"))
    )
    return Item(id=row_id(f"evaluate.{task}", [], f"{number} {asked}"), **fields)


def judged(verdict: Verdict, answer: str = "") -> Judged:
    """Score a reply by its verdict alone."""
    scores = [Score("accuracy", float(verdict == Verdict.RIGHT))]
    return Judged(verdict=verdict, scores=scores, answer=answer)


def cut(text: str, stops: Sequence[str]) -> str:
    """Return a reply up to the first of its stop texts, which is left out."""
    for stop in stops:
        text = text.split(stop)[0]
    return text


FLEXIBLE_NUMBER = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
"""The harness's `flexible-extract`: the last number-like text of a reply."""


def last_match(pattern: re.Pattern[str], text: str) -> str | None:
    """Return the last match of a pattern, and of its groups the first that is not empty."""
    found = pattern.findall(text)
    if not found:
        return None
    last = found[-1]
    return next((part for part in last if part), "").strip() if isinstance(last, tuple) else last.strip()


def plain(text: str, *, ignore: Sequence[str] = (), case: bool = True, punctuation: bool = False) -> str:
    """Normalise a text as the harness's `exact_match` does.

    Args:
        text: The answer.
        ignore: Regular expressions that are taken out first.
        case: Fold the case.
        punctuation: Take ASCII punctuation out.
    """
    for pattern in ignore:
        text = re.sub(pattern, "", text)
    text = text.lower() if case else text
    return text.translate(str.maketrans("", "", string.punctuation)) if punctuation else text
