"""What a flow works with for one seed: the teacher's desk, the sandbox, and rows with their provenance."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from trivium.llm.calls import Request
from trivium.llm.generate import Desk, Lost
from trivium.records import Example
from trivium.synthesize import book, rows
from trivium.synthesize.prompts import fill
from trivium.synthesize.seeds import Seed

if TYPE_CHECKING:
    from trivium.verify.sandbox import Sandbox

T = TypeVar("T")

WRITE = {"temperature": 0.2, "top_p": 0.9}
"""For writing; judging is greedy. Nemotron-CC rephrases at 0.5, at which a 135M model wanders off."""
DRAW = {"temperature": 0.8, "top_p": 0.95}
"""For independent draws that are counted or compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What all seeds of a run share."""

    runner: Sandbox | None = None
    """Runs code that a model wrote; flows that need it lose their seeds without it."""
    solvers: int = 2
    """Independent regenerations in the reversal flow; 4 would be better, 2 is what pocket can pay."""
    agreement: float = 0.9
    """Share of trial inputs on which a regenerated function must behave like the original."""
    rounds: int = 1
    """Critique-and-revise rounds of a rewrite. Phi-4 report, appendix D.1.2, shows 2."""
    judge_model: str = ""
    """Name of another model at the endpoint that judges; empty lets the writer's model judge."""


class Session:
    """One seed in one flow."""

    def __init__(self, flow: str, seed: Seed, desk: Desk, tools: Tools) -> None:
        """Nothing is asked yet."""
        self.flow, self.seed, self.desk, self.tools = flow, seed, desk, tools
        self.random = random.Random(f"{flow}-{seed.id}")
        """Draws styles, personas and places; depends on the seed alone."""

    @overload
    async def ask(
        self,
        step: str,
        /,
        *,
        max_tokens: int,
        sampling: Mapping[str, float] | None = None,
        number: int = 0,
        whole: bool = True,
        stop: tuple[str, ...] = (),
        schema: Mapping[str, Any] | None = None,
        fills: Mapping[str, str] | None = None,
        **values: str,
    ) -> str: ...

    @overload
    async def ask(
        self,
        step: str,
        read: Callable[[str], T],
        /,
        *,
        max_tokens: int,
        sampling: Mapping[str, float] | None = None,
        number: int = 0,
        whole: bool = True,
        stop: tuple[str, ...] = (),
        schema: Mapping[str, Any] | None = None,
        fills: Mapping[str, str] | None = None,
        **values: str,
    ) -> T: ...

    async def ask(
        self,
        step: str,
        read: Callable[[str], Any] = str.strip,
        /,
        *,
        max_tokens: int,
        sampling: Mapping[str, float] | None = None,
        number: int = 0,
        whole: bool = True,
        stop: tuple[str, ...] = (),
        schema: Mapping[str, Any] | None = None,
        fills: Mapping[str, str] | None = None,
        **values: str,
    ) -> Any:
        """Fill prompts/<flow>/<step>.md and ask it; greedy unless `sampling` says otherwise.

        Args:
            step: Name of the prompt, and of the step in losses and counts.
            read: Turns the reply into a value; raises ValueError with a reason that the model can use.
            max_tokens: Longest reply.
            sampling: `WRITE` or `DRAW`.
            number: Which of several independent draws this is.
            whole: Whether a reply that was cut at its limit is drawn anew, and lost if it is cut again.
            stop: Strings that end the reply.
            schema: JSON schema of the reply.
            fills: What the prompt's placeholders stand for.
            values: The same, one by one.

        Raises:
            Lost: No readable reply came.
        """
        judging = step.startswith("judge") and self.tools.judge_model
        request = Request(
            messages=fill(self.flow, step, **(fills or {}), **values),
            model=self.tools.judge_model if judging else "",
            max_tokens=max_tokens,
            seed=number,
            sample=number,
            stop=stop,
            schema=json.dumps(schema, sort_keys=True) if schema else "",
            **(dict(sampling) if sampling else {}),  # type: ignore[arg-type]
        )
        return await self.desk.ask(step, request, read, whole=whole)

    async def draw(
        self,
        step: str,
        number: int,
        *,
        max_tokens: int,
        stop: tuple[str, ...] = (),
        keep_cut: bool = False,
        **values: str,
    ) -> str:
        """Draw one of several independent replies that are counted.

        One that was cut at its limit comes back empty, unless `keep_cut` says that its start is of use.
        """
        reply = await self.ask(
            step, max_tokens=max_tokens, sampling=DRAW, number=number, whole=False, stop=stop, fills=values
        )
        return reply if keep_cut or self.desk.turns[-1].reply.finish != "length" else ""

    async def agrees(self, step: str, *, max_tokens: int = 8, **values: str) -> bool:
        """Ask a judge's question that is answered with yes or no."""
        return await self.ask(step, yes_or_no, max_tokens=max_tokens, whole=False, stop=("\n",), fills=values)

    def object_if(self, step: str, reason: str | None, raw: str = "") -> None:
        """End the seed if a filter has a reason; what follows a colon in it is detail, not counted apart."""
        if reason:
            head, _, detail = reason.partition(": ")
            raise Lost(step, head, f"{detail} | {raw}" if detail else raw)

    def chat(self, *turns: str, **more: Any) -> Example:
        """Return a conversation row; the user speaks first."""
        return rows.conversation(self.flow, turns, **self._common("\n".join(turns), more))

    def plain(self, source: str, text: str, **more: Any) -> Example:
        """Return a row of plain text for one source of the mixture."""
        return rows.plain(self.flow, source, text, **self._common(text, more))

    def _common(self, text: str, more: dict[str, Any]) -> dict[str, Any]:
        calls = [book.call_id(self.flow, self.seed.id, turn) for turn in book.kept(self.desk.turns, text)]
        told = {"licence": self.seed.licence, "source": self.seed.source, **more.pop("meta", {})}
        meta = json.dumps({key: value for key, value in told.items() if value != ""}, sort_keys=True)
        return {"parents": [self.seed.id, *calls], "depth": self.seed.depth + 1, "meta": meta, **more}


def yes_or_no(text: str) -> bool:
    """Read a judge's first word."""
    word = text.strip(" \"'*.").split(maxsplit=1)[:1]
    said = word[0].strip(".,:;!*\"'").lower() if word else ""
    if said not in ("yes", "no"):
        raise ValueError("yes or no was expected as the first word")
    return said == "yes"


def object_of(**kinds: Any) -> dict[str, Any]:
    """Return the schema of a JSON object that has exactly these properties."""
    shape = {"type": "object", "properties": kinds, "required": list(kinds)}
    return {**shape, "additionalProperties": False}


def text_of(example: Example) -> str:
    """Return all words of a row, for guards and counts."""
    return "\n".join([example.text, *(message.content for message in example.messages)]).strip()


def quoted(lines: Sequence[str]) -> str:
    """Return lines as one text with a dash before each."""
    return "\n".join(f"- {line}" for line in lines)
