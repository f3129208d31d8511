"""What a teacher of one's own learns a flow from: the flow's own prompts, answered by organic data.

Some seeds hold the reply that a good teacher would give: a worked solution is what `plurality` draws and what
`trajectory` tells, its steps are what `infill` puts back, a docstring and its code are what `reversal` states
and writes. Here the flow runs as ever, its prompts are answered from the seed, and its own filters judge the
answers; what passes is a conversation to fine-tune a small model on, which then teaches that one flow.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trivium.errors import ConfigError
from trivium.llm.calls import Reply, Request
from trivium.llm.generate import Desk, Lost, Turn
from trivium.records import Example, Message, row_id
from trivium.synthesize.catalogue import FLOWS
from trivium.synthesize.flows import infill
from trivium.synthesize.seeds import Function, Seed, take_apart
from trivium.synthesize.session import Session, Tools

_NOTE = re.compile(r"<<[^<>]*>>")


def solution(seed: Seed) -> str:
    """Return a worked solution without its notes, ending as the prompts ask."""
    steps = "\n".join(line.strip() for line in _NOTE.sub("", seed.solution).splitlines())
    return f"{steps}\nAnswer: {seed.answer}" if seed.solution and seed.answer else ""


def step(seed: Seed) -> str:
    """Return the step that the flow `infill` takes out of this seed."""
    gap = infill.cut(seed.solution, random.Random(f"infill-{seed.id}").random())
    return "" if isinstance(gap, str) else gap.step


def docstring(seed: Seed) -> str:
    """Return what a function's docstring says first, as a sentence."""
    function = take_apart(seed.text, seed.id, seed.source, seed.name)
    return f"{function.summary.rstrip('.')}." if isinstance(function, Function) else ""


def code(seed: Seed) -> str:
    """Return a function without its docstring, fenced."""
    function = take_apart(seed.text, seed.id, seed.source, seed.name)
    return f"```python\n{function.code}\n```" if isinstance(function, Function) else ""


ORGANIC: dict[str, dict[str, Callable[[Seed], str]]] = {
    "trajectory": {"retell": solution},
    "plurality": {"solve": solution},
    "infill": {"fill": step},
    "reversal": {"describe": docstring, "solve": code},
}
"""Flow -> step of its prompts -> the organic reply; empty where a seed holds none."""
AGREED = {"too easy", "closed by everybody"}
"""Losses that say no more than that all replies, one and the same here, are right."""


@dataclass(kw_only=True)
class Lesson:
    """Conversations and what became of the seeds."""

    flow: str
    examples: list[Example] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    """Step and reason -> seeds."""
    seeds: int = 0


class OrganicDesk(Desk):
    """Answers a flow's requests from its seed."""

    def __init__(self, flow: str, seed: Seed) -> None:
        """Ask nobody."""
        self.seed, self.replies, self.turns = seed, ORGANIC[flow], []

    async def ask(
        self, stage: str, request: Request, read: Callable[[str], Any] = str, *, whole: bool = True
    ) -> Any:
        """Return what the seed holds for this step.

        Raises:
            Lost: It holds nothing, or nothing that the flow can read.
        """
        text = self.replies[stage](self.seed) if stage in self.replies else ""
        if not text:
            raise Lost(stage, "no organic reply")
        self.turns.append(Turn(stage, request, Reply(text=text)))
        try:
            return read(text)
        except ValueError as error:
            raise Lost(stage, f"unreadable: {error}") from error


def teach(flow: str, seeds: Iterable[Seed], count: int, tools: Tools | None = None) -> Lesson:
    """Return up to `count` conversations of a flow's prompts and organic replies, in the order of the seeds.

    Raises:
        ConfigError: No organic data answers the prompts of this flow.
    """
    if flow not in ORGANIC:
        raise ConfigError(
            f"apprentice: got flow {flow!r}; expected one whose prompts organic data answers: "
            f"{', '.join(ORGANIC)}; name one."
        )
    lesson, known, given = Lesson(flow=flow), set[str](), tools or Tools()
    for seed in seeds:
        lesson.seeds += 1
        desk = OrganicDesk(flow, seed)
        try:
            asyncio.run(_grow(flow, seed, desk, given))
        except Lost as lost:
            if lost.reason not in AGREED:
                lesson.lost[f"{lost.stage}: {lost.reason}"] += 1
                continue
        fresh = {made.id: made for made in conversations(flow, seed, desk.turns) if made.id not in known}
        known |= fresh.keys()
        lesson.examples += fresh.values()
        if len(lesson.examples) >= count:
            break
    del lesson.examples[count:]
    return lesson


async def _grow(flow: str, seed: Seed, desk: Desk, tools: Tools) -> None:
    await FLOWS[flow].grow(Session(flow, seed, desk, tools))


def conversations(flow: str, seed: Seed, turns: Sequence[Turn]) -> list[Example]:
    """Return every request with its reply as a conversation."""
    made = []
    for turn in turns:
        messages = [*turn.request.messages, Message(role="assistant", content=turn.reply.text)]
        row = row_id("apprentice", [seed.id], "\0".join(one.content for one in messages))
        made.append(
            Example(id=row, source="chat", flow=flow, parents=[seed.id], messages=messages, depth=seed.depth)
        )
    return made
