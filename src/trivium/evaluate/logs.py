"""One row for every reply of every checkpoint, and what a task is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.records import Question, Verdict

GREEDY = "greedy"
SAMPLED = "sampled"


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemLog:
    """What one checkpoint did with one item; every number of the stage table is recomputed from these."""

    stage: str
    """The checkpoint: base | midtrain | sft | dpo1 | dpo2."""
    task: str
    item_id: str
    cluster: str
    """Items that share text (one recall document asked several times) are one draw; else the item's id."""
    group: str
    """What the task breaks its numbers down by: steps, constraint families, a source."""
    mode: str
    """greedy | sampled | likelihood."""
    verdict: str
    """A `Verdict`; empty where nothing is judged."""
    value: float
    """1 or 0 for a judged reply; bits per byte for a held-out piece."""
    weight: float
    """1 for a judged reply; bytes for a held-out piece."""
    reply: str
    detail: str
    """What the task notes beside the verdict, e.g. which constraints were met; JSON or empty."""
    num_tokens: int
    finish: str
    """eos | length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A number of the table: the weighted mean of one value per item, over the items that have it."""

    metric: str
    mode: str
    value_of: Callable[[ItemLog], float | None]
    """The item's value, or None for an item that does not count here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Items -> replies -> verdicts -> measures, as pure functions."""

    name: str
    """Name in the table and `Question.skill` of its items."""
    modes: tuple[str, ...]
    length: str
    """The token limit of EvaluateConfig: solution_tokens | answer_tokens | instruction_tokens."""
    judge: Callable[[Question, str], Verdict]
    group: Callable[[Question], str]
    measures: Callable[[Sequence[ItemLog]], list[Measure]]
    cluster: Callable[[Question], str] = lambda question: question.id
    """Items with the same cluster are one draw in every interval."""
    outcome: Callable[[Question, str], str] = lambda question, reply: ""
    """What to note of a reply beside its verdict."""


def right(log: ItemLog) -> float:
    """1 for a right reply, 0 for any other verdict."""
    return float(log.verdict == Verdict.RIGHT)


def verdict_is(verdict: Verdict) -> Callable[[ItemLog], float]:
    """Return the indicator of one verdict."""
    return lambda log: float(log.verdict == verdict)


def within(group: str, value_of: Callable[[ItemLog], float | None]) -> Callable[[ItemLog], float | None]:
    """Restrict a value to the items of one group."""
    return lambda log: value_of(log) if log.group == group else None


def accuracy_measures(logs: Sequence[ItemLog]) -> list[Measure]:
    """Accuracy in every mode present, and by group when there are several groups."""
    measures: list[Measure] = []
    groups = sorted({log.group for log in logs})
    for mode in (GREEDY, SAMPLED):
        if all(log.mode != mode for log in logs):
            continue
        name = "accuracy" if mode == GREEDY else "accuracy_sampled"
        measures.append(Measure(metric=name, mode=mode, value_of=right))
        if len(groups) > 1:
            measures += [
                Measure(metric=f"{name}_{group}", mode=mode, value_of=within(group, right))
                for group in groups
            ]
    return measures


def verdict_measures(logs: Sequence[ItemLog]) -> list[Measure]:
    """One share per verdict in greedy mode; they add up to 1."""
    return [Measure(metric=str(verdict), mode=GREEDY, value_of=verdict_is(verdict)) for verdict in Verdict]


def steps_group(question: Question) -> str:
    """Group by difficulty, e.g. `3_steps`."""
    return f"{question.difficulty}_steps" if question.difficulty != 1 else "1_step"


def no_group(question: Question) -> str:
    """All items form one group."""
    return ""
