"""The flows that a recipe orders: each with its seeds, limit, estimate and exact number of rows."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.llm import Backend, CallCache
from trivium.llm.generate import Harvest
from trivium.records import Document, Example, Passage, Question
from trivium.store.progress import Progress, SilentProgress
from trivium.synthesize.book import Book
from trivium.synthesize.catalogue import FLOWS
from trivium.synthesize.estimate import MANY, PROBES, told
from trivium.synthesize.grow import Guards, budget, grow
from trivium.synthesize.guard import Withheld
from trivium.synthesize.options import FlowConfig, FlowsConfig, TeacherConfig
from trivium.synthesize.seedbox import PROSE_CHARS, load_seeds
from trivium.synthesize.seeds import Seed, stretches
from trivium.synthesize.session import Tools
from trivium.synthesize.teacher import AHEAD, code_seeds, noting

_SUM = re.compile(r"(\d[\d.]*(?:[-+*/]\d[\d.]*)+)=(-?\d[\d.]*\d|\d)")


@dataclass(frozen=True, kw_only=True)
class Larder:
    """What the run itself has to grow from."""

    documents: Sequence[Document]
    passages: Sequence[Passage]
    questions: Sequence[Question]
    """Problems with worked solutions."""
    trivia: Sequence[Question]
    """Questions about facts that are known."""
    guard: Withheld
    """What must stay unknown."""

    def seeds(self, kind: str) -> list[Seed]:
        """Return the seeds of a kind: prose | code | question | trivia."""
        if kind == "code":
            return code_seeds([row for row in self.documents if row.kind == "code"], self.guard)
        if kind == "prose":
            found = stretches(self.passages, PROSE_CHARS)
            rows = [Seed(id=row.passage_id, text=row.text) for row in found]
        else:
            rows = [as_seed(row) for row in (self.questions if kind == "question" else self.trivia)]
        return [row for row in rows if not self.guard.given_away(f"{row.text} {row.solution}")]


def as_seed(question: Question) -> Seed:
    """Return a question as a seed; sums of its solution are marked as the flows read them, a step a line."""
    steps = [line for line in re.split(r"(?<=[.;]) +", question.solution) if "Answer:" not in line]
    marked = "\n".join(_SUM.sub(r"\1=<<\1=\2>>\2", line) for line in steps)
    solution = marked if "<<" in marked else ""
    return Seed(
        id=question.id, text=question.prompt, answer=question.answer, solution=solution, source=question.skill
    )


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """What came of one flow."""

    flow: str
    book: Book
    harvest: Harvest
    estimate: str


def grow_ordered(
    flows: FlowsConfig,
    teacher: TeacherConfig,
    larder: Larder,
    backend: Backend,
    cache: CallCache | None,
    *,
    seed: int,
    money: float | None,
    runner: Any,
    progress: Callable[[str, int, str], Progress] | None = None,
) -> list[Ordered]:
    """Run the flows that are ordered, one after the other, each until its count or its limit.

    Args:
        flows: What is ordered.
        teacher: Prices and the flows' own settings.
        larder: Seeds where a flow names none.
        backend: The teacher.
        cache: Where its replies are kept.
        seed: Draws the order of seeds from files.
        money: What is left to spend; None is no limit.
        runner: The sandbox, or None.
        progress: Makes a progress bar from label, number and unit.

    Raises:
        DataError: A flow's data are missing or hold no seed of its kind.
    """
    done: list[Ordered] = []
    tools = Tools(runner=runner, solvers=teacher.reversal_solvers, agreement=teacher.reversal_agreement)
    given = {name: seeds_of(name, config, larder, seed) for name, config in flows.ordered().items()}
    for name, config in flows.ordered().items():
        make_bar = progress or (lambda label, total, unit: SilentProgress())
        with make_bar(f"teacher: {name}", len(given[name]), "seeds") as bar:
            one = _grow_one(
                name, config, given[name], backend, cache, tools, larder.guard, money, teacher, bar
            )
        done.append(one)
        if money is not None and teacher.prices is not None:
            money -= teacher.prices.cost(one.harvest.generated_tokens, one.harvest.prompt_tokens)
    return done


def _grow_one(
    name: str,
    config: FlowConfig,
    seeds: Sequence[Seed],
    backend: Backend,
    cache: CallCache | None,
    tools: Tools,
    guard: Withheld,
    money: float | None,
    teacher: TeacherConfig,
    bar: Progress,
) -> Ordered:
    book = Book(flow=name)
    limit = budget(config.generated_tokens, money, teacher.prices)

    def run(target: int, most: int | None, note: Any) -> Harvest:
        return grow(
            name,
            seeds,
            backend,
            cache,
            target=target,
            tools=tools,
            guards=Guards(given_away=guard.given_away),
            max_candidates=most,
            ahead=AHEAD,
            allowance=limit,
            on_seed=note,
        )

    available = min(len(seeds), config.max_candidates or len(seeds))
    probe = run(MANY, min(PROBES, config.count, available), None)
    estimate = told(probe, config.count, available, teacher.prices)
    print(f"    {name}: {estimate}", file=sys.stderr, flush=True)
    harvest = run(config.count, config.max_candidates, noting(book, bar))
    return Ordered(flow=name, book=book, harvest=harvest, estimate=estimate)


def seeds_of(flow: str, config: FlowConfig, larder: Larder, seed: int) -> list[Seed]:
    """Return a flow's seeds: those of its data, or what the run has of their kind."""
    kind = FLOWS[flow].seeds
    if not config.data:
        return larder.seeds(kind)
    found = load_seeds(kind, Path(config.data), seed)
    return [row for row in found if not larder.guard.given_away(f"{row.text} {row.solution}")]


def rows_of(done: Sequence[Ordered]) -> list[Example]:
    """Return exactly the rows that were ordered."""
    return [row for one in done for row in one.harvest.accepted]


def told_of(done: Sequence[Ordered]) -> dict[str, dict[str, Any]]:
    """Return estimate, counts, tokens, losses and shortfall of every flow."""
    return {
        one.flow: {
            "accepted": len(one.harvest.accepted),
            "seeds": one.harvest.taken,
            "generated_tokens": one.harvest.generated_tokens,
            "prompt_tokens": one.harvest.prompt_tokens,
            "lost": one.harvest.reasons(),
            "shortfall": dataclasses.asdict(one.harvest.shortfall) if one.harvest.shortfall else None,
            "estimate": one.estimate,
        }
        for one in done
    }
