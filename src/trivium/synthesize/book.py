"""The books of teacher calls: what was asked, what came back and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trivium.llm import prompt_hash
from trivium.llm.generate import Desk, Lost, Turn
from trivium.records import Drop, Example, row_id
from trivium.synthesize import words
from trivium.synthesize.rows import STEP, drop
from trivium.synthesize.seeds import Seed

STANDS = 0.8
"""Share of a reply's 3-grams that a text must have for the reply to stand in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One teacher call. One row of calls.parquet."""

    id: str
    flow: str
    step: str
    parents: list[str]
    """The seed, and the calls whose replies stand in the prompt."""
    prompt_hash: str
    prompt: str
    reply: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    verdict: str
    """kept (its words stand in an example) | used (it decided something) | dropped (the seed ended there)."""
    reason: str
    """Why the seed ended there; empty otherwise."""


@dataclass(kw_only=True)
class Book:
    """Calls, rows and drops of one flow, in seed order; `note` is what `generate` reports to."""

    flow: str
    calls: list[Call] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    seeds: int = 0
    accepted: int = 0
    """Seeds that gave at least one row."""

    def note(self, seed: Seed, desk: Desk, outcome: list[Any] | Lost) -> None:
        """Book one seed."""
        self.seeds += 1
        lost = outcome if isinstance(outcome, Lost) else None
        text = "" if isinstance(outcome, Lost) else "\n".join(map(_words_of, outcome))
        ended = max(
            (i for i, turn in enumerate(desk.turns) if lost and turn.stage == lost.stage),
            default=len(desk.turns) - 1,
        )
        standing = kept(desk.turns, text)
        for number, turn in enumerate(desk.turns):
            verdict = "dropped" if lost and number == ended else "kept" if turn in standing else "used"
            self.calls.append(
                self._call(
                    seed, desk.turns[:number], turn, verdict, lost.reason if lost and number == ended else ""
                )
            )
        if lost:
            at = f"{self.flow}.{lost.stage}"
            row = call_id(self.flow, seed.id, desk.turns[ended]) if desk.turns else seed.id
            self.drops.append(drop(row, at, lost.reason, detail=lost.raw, source=seed.id))
        else:
            self.accepted += 1
            self.examples += outcome  # type: ignore[arg-type]

    def _call(self, seed: Seed, before: Sequence[Turn], turn: Turn, verdict: str, reason: str) -> Call:
        said = kept(before, turn.request.text())
        return Call(
            id=call_id(self.flow, seed.id, turn),
            flow=self.flow,
            step=turn.stage,
            parents=[seed.id, *dict.fromkeys(call_id(self.flow, seed.id, early) for early in said)],
            prompt_hash=prompt_hash(turn.request),
            prompt=turn.request.text(),
            reply=turn.reply.text,
            finish=turn.reply.finish,
            prompt_tokens=turn.reply.prompt_tokens,
            completion_tokens=turn.reply.completion_tokens,
            verdict=verdict,
            reason=reason,
        )


def call_id(flow: str, seed: str, turn: Turn) -> str:
    """Return the id of a call: what was asked for which seed, and which draw it was."""
    content = f"{prompt_hash(turn.request)} {turn.request.seed} {turn.request.sample}"
    return row_id(f"{STEP}.{flow}.{turn.stage}.call", [seed], content)


def kept(turns: Sequence[Turn], text: str) -> list[Turn]:
    """Return the calls whose replies stand in a text."""
    return [
        turn for turn in turns if turn.reply.text and words.copied_share(turn.reply.text, text, 3) >= STANDS
    ]


def _words_of(row: Example) -> str:
    return "\n".join([row.text, *(message.content for message in row.messages)])
