"""Exactly N accepted samples, or a word on what is missing: many seeds in flight, no barrier between steps.

    async def grow(seed: str, desk: Desk) -> list[str]:
        draft = await desk.ask("draft", request_for(seed), read=json_object)      # expand, loop and vote are
        desk.require(len(draft["text"]) > 10, "length", "too short", draft)       # plain Python
        return [draft["text"]]

    harvest = generate(seeds, grow, backend, cache, target=100)

A flow is one coroutine a seed, so a slow seed holds up no other. Samples are taken in the order of the seeds,
whatever the order in which they are done: the outcome does not depend on timing. Calls go through the cache,
so a killed run pays for no finished call again and an edited prompt re-asks only what depends on it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from trivium.llm.admission import AdmissionConfig
from trivium.llm.budget import Allowance, estimate_prompt
from trivium.llm.cache import CallCache
from trivium.llm.calls import Backend, Reply, Request
from trivium.llm.client import Caller, RetryConfig
from trivium.records import Message

T = TypeVar("T")

CORRECTIONS = 2
"""Turns in which the model is told why its reply could not be read."""
FRESH_STARTS = 1
"""New draws of the same request after that, as other samples."""
FRESH_SAMPLE = 1_000_000
"""Added to a request's sample index by a new draw, far from the indices that flows use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """A seed that gave no sample, and why."""

    seed: int
    """Its position."""
    stage: str
    reason: str
    raw: str
    """The reply that it was lost with, as it came; empty where there was none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortfall:
    """Fewer samples than were asked for."""

    wanted: int
    accepted: int
    seeds_tried: int
    why: str
    """`no more seeds`, `max_candidates reached`, `token budget spent` or `money spent`."""


@dataclass(kw_only=True)
class Harvest:
    """What came of a run: `taken` = seeds that gave samples + seeds in `lost`, always."""

    accepted: list[Any] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    taken: int = 0
    """Seeds whose outcome was used, in order."""
    surplus: int = 0
    """Seeds that were begun ahead and whose outcome was not needed."""
    surplus_samples: int = 0
    """Samples of the last seed beyond the target."""
    generated_tokens: int = 0
    """Tokens that the model wrote for the seeds taken, the cache's replies included."""
    prompt_tokens: int = 0
    """Tokens that it read for them."""
    calls: Counter[str] = field(default_factory=Counter)
    """Replies by stage, those of the cache and of surplus seeds included."""
    shortfall: Shortfall | None = None

    def reasons(self) -> dict[str, int]:
        """Count losses by stage and reason."""
        return dict(Counter(f"{loss.stage}: {loss.reason}" for loss in self.lost).most_common())


class Turn(NamedTuple):
    """One call of a seed."""

    stage: str
    request: Request
    reply: Reply


class Lost(Exception):
    """Ends a seed; the harvest keeps stage, reason and raw reply."""

    def __init__(self, stage: str, reason: str, raw: str = "") -> None:
        """Say where, why and with what."""
        super().__init__(f"{stage}: {reason}")
        self.stage, self.reason, self.raw = stage, reason, raw


class Desk:
    """What a flow asks through, one a seed."""

    def __init__(self, caller: Caller, calls: Counter[str], allowance: Allowance | None = None) -> None:
        """Share the run's client and its book of calls."""
        self._caller = caller
        self._calls = calls
        self._allowance = allowance
        self.turns: list[Turn] = []
        """Every call of this seed, in order: its provenance."""

    def spent(self) -> tuple[int, int]:
        """Return the tokens that this seed's replies took: written, read."""
        written = sum(turn.reply.completion_tokens for turn in self.turns)
        return written, sum(turn.reply.prompt_tokens for turn in self.turns)

    async def ask(
        self,
        stage: str,
        request: Request,
        read: Callable[[str], T] = str,  # type: ignore[assignment]
        *,
        whole: bool = True,
    ) -> T:
        """Ask, read the reply, and help the model to a reply that can be read.

        A reply that `read` refuses goes back with the reason, up to `CORRECTIONS` times; one that was cut, or
        is still refused, is drawn anew, up to `FRESH_STARTS` times.

        Args:
            stage: Name of the step, for losses and counts.
            request: What to ask.
            read: Turns the text into a value; raises ValueError, with a reason that the model can use.
            whole: Whether a reply that was cut at its limit counts as unreadable.

        Raises:
            Lost: No readable reply came, or none at all.
        """
        reply, reason = Reply(), ""
        for start in range(FRESH_STARTS + 1):
            turn = request if not start else replace(request, sample=request.sample + FRESH_SAMPLE * start)
            for _ in range(CORRECTIONS + 1):
                self._afford(stage, turn)
                reply = await self._caller.reply(turn)
                self._calls[stage] += 1
                self.turns.append(Turn(stage, turn, reply))
                if reply.error:
                    raise Lost(stage, reply.error, reply.raw)
                if whole and reply.finish == "length":
                    reason = "truncated"
                    break
                try:
                    return read(reply.text)
                except ValueError as error:
                    reason = f"unreadable: {error}"
                turn = _corrected(turn, reply.text, reason)
        raise Lost(stage, reason, reply.raw or reply.text)

    def _afford(self, stage: str, request: Request) -> None:
        if self._allowance is None:
            return
        written, read = self.spent()
        limit = self._allowance
        over = written + request.max_tokens > limit.seed_generated
        if over or read + estimate_prompt(request) > limit.seed_prompt:
            raise Lost(stage, "the seed's allowance is spent")

    def require(self, holds: bool, stage: str, reason: str, raw: object = "") -> None:
        """End this seed unless a filter's condition holds."""
        if not holds:
            raise Lost(stage, reason, raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False))


def _corrected(request: Request, said: str, reason: str) -> Request:
    told = f"That could not be read ({reason}). Write the whole reply again, and only that."
    if not request.messages:
        return replace(request, prompt=f"{request.prompt}{said}\n\n{told}\n\n")
    more = (Message(role="assistant", content=said), Message(role="user", content=told))
    return replace(request, messages=(*request.messages, *more))


def json_object(*keys: str) -> Callable[[str], dict[str, Any]]:
    """Return a reader of JSON objects that have these keys, fenced or not."""

    def read(text: str) -> dict[str, Any]:
        found = text[text.find("{") : text.rfind("}") + 1]
        value = json.loads(found or text)
        if not isinstance(value, dict) or not set(keys) <= set(value):
            raise ValueError(f"a JSON object with the keys {', '.join(keys)} was expected")
        return value

    return read


Grow = Callable[[Any, Desk], Awaitable[list[Any]]]


def generate(
    seeds: Iterable[Any],
    grow: Grow,
    backend: Backend,
    cache: CallCache | None = None,
    *,
    target: int,
    max_candidates: int | None = None,
    ahead: int = 64,
    allowance: Allowance | None = None,
    on_seed: Callable[[Any, Desk, list[Any] | Lost], None] | None = None,
    retry: RetryConfig | None = None,
    admission: AdmissionConfig | None = None,
) -> Harvest:
    """Grow samples from seeds until exactly `target` are accepted.

    Args:
        seeds: Taken in order, only as many as are needed and `ahead` more.
        grow: The flow: samples of one seed, none if it has none; raises `Lost` to say why.
        backend: Who answers; it stays usable.
        cache: Where replies are kept.
        target: Samples wanted; never one more comes back.
        max_candidates: Most seeds to use.
        ahead: Seeds under way at once.
        allowance: A limit on tokens, money or both.
        on_seed: Called in seed order with every seed taken, its desk and its outcome.
        retry: See `ask`.
        admission: See `ask`.

    Returns:
        The samples in seed order, every loss with stage, reason and raw reply, and a shortfall if there are
        fewer than `target`. An exception of `grow` that is not `Lost` is a bug and comes through.
    """
    run = _Run(grow, Caller(backend, cache, retry, admission), allowance, on_seed)
    return asyncio.run(run.until(iter(seeds), target, max_candidates, ahead))


@dataclass
class _Run:
    grow: Grow
    caller: Caller
    allowance: Allowance | None
    on_seed: Callable[[Any, Desk, list[Any] | Lost], None] | None
    harvest: Harvest = field(default_factory=Harvest)
    running: list[tuple[Any, Desk, asyncio.Task[list[Any] | Lost]]] = field(default_factory=list)
    started: int = 0

    async def until(self, seeds: Iterator[Any], target: int, most: int | None, ahead: int) -> Harvest:
        """Begin seeds ahead, take them in order, and leave no task behind."""
        harvest = self.harvest
        try:
            while len(harvest.accepted) < target:
                ended = self._begin(seeds, most, ahead)
                if not self.running:
                    harvest.shortfall = Shortfall(
                        wanted=target, accepted=len(harvest.accepted), seeds_tried=harvest.taken, why=ended
                    )
                    break
                seed, desk, task = self.running[0]
                outcome = await task
                self.running.pop(0)
                self._take(seed, desk, outcome, target)
            harvest.surplus = len(self.running)
            return harvest
        finally:
            tasks = [task for _, _, task in self.running]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.caller.backend.release()

    def _begin(self, seeds: Iterator[Any], most: int | None, ahead: int) -> str:
        """Fill the places ahead; return what stopped it, empty if nothing but their number."""
        spent = (self.harvest.generated_tokens, self.harvest.prompt_tokens)
        while len(self.running) < ahead:
            if most is not None and self.started >= most:
                return "max_candidates reached"
            if self.allowance is not None and (over := self.allowance.short_of(spent, len(self.running) + 1)):
                return f"{over} spent"
            if (seed := next(seeds, _END)) is _END:
                return "no more seeds"
            desk = Desk(self.caller, self.harvest.calls, self.allowance)
            self.running.append((seed, desk, asyncio.create_task(_outcome(self.grow, seed, desk))))
            self.started += 1
        return ""

    def _take(self, seed: Any, desk: Desk, outcome: list[Any] | Lost, target: int) -> None:
        harvest, position = self.harvest, self.harvest.taken
        harvest.taken += 1
        written, read = desk.spent()
        harvest.generated_tokens += written
        harvest.prompt_tokens += read
        if self.on_seed is not None:
            self.on_seed(seed, desk, outcome)
        if isinstance(outcome, Lost):
            loss = Loss(seed=position, stage=outcome.stage, reason=outcome.reason, raw=outcome.raw)
            harvest.lost.append(loss)
            return
        room = target - len(harvest.accepted)
        harvest.accepted += outcome[:room]
        harvest.surplus_samples += max(0, len(outcome) - room)


_END = object()


async def _outcome(grow: Grow, seed: Any, desk: Desk) -> list[Any] | Lost:
    try:
        return await grow(seed, desk) or Lost(
            "flow", "no sample", desk.turns[-1].reply.raw if desk.turns else ""
        )
    except Lost as lost:
        return lost
