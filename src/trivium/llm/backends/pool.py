"""Many endpoints with one model as one backend: a dead one is passed over, a slow one is overtaken.

Each request goes to the endpoint with the least under way for its size. One that fails or asks to slow down
rests, longer each time, while its request goes to another at once. A request that takes much longer than
others do is asked of a second endpoint too, and the first whole reply counts.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.errors import ConfigError
from trivium.llm.calls import Backend, Overloaded, Reply, Request, Unavailable

FIRST_REST, LONGEST_REST = 1.0, 60.0
"""Seconds that an endpoint rests after its first failure, and at most; doubled in between."""
PATIENCE = 4.0
"""Medians of recent replies after which a second endpoint is asked."""
LEAST_PATIENCE = 0.2
REMEMBERED, LEAST_KNOWN = 200, 8
"""Recent replies that the median is taken over, and how few say nothing yet."""


@dataclass
class _Endpoint:
    backend: Backend
    active: int = 0
    failures: int = 0
    rests_until: float = 0.0


class Pool:
    """Spreads requests over endpoints that serve the same model."""

    def __init__(self, backends: Sequence[Backend], identity: str) -> None:
        """Take the endpoints.

        Args:
            backends: At least one; all must give the same replies but for chance.
            identity: What they have in common (the model), so that the cache does not care who answered.

        Raises:
            ConfigError: There is no endpoint.
        """
        if not backends:
            raise ConfigError("endpoints: got none; expected at least one address; name it with --endpoint.")
        self.identity = identity
        self.answered = [0] * len(backends)
        """Replies by endpoint."""
        self._endpoints = [_Endpoint(backend) for backend in backends]
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def concurrency(self) -> int:
        """What all endpoints take together."""
        return sum(endpoint.backend.concurrency for endpoint in self._endpoints)

    async def complete(self, request: Request) -> Reply:
        """Answer by the first endpoint that does.

        Raises:
            Overloaded: Every endpoint asks to slow down.
            Unavailable: None answers.
        """
        asked: dict[asyncio.Task[Reply], int] = {}
        tried: set[int] = set()
        errors: list[Exception] = []
        try:
            while True:
                if not asked and not self._ask_next(request, tried, asked):
                    raise _worst(errors)
                patience = self._patience() if len(asked) == 1 and len(tried) < len(self._endpoints) else None
                done, _ = await asyncio.wait(asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    self._ask_next(request, tried, asked)
                for task in done:
                    number = asked.pop(task)
                    error = task.exception()
                    if error is None:
                        self.answered[number] += 1
                        return task.result()
                    if not isinstance(error, Overloaded | Unavailable):
                        raise error
                    errors.append(error)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def release(self) -> None:
        """Release every endpoint."""
        await asyncio.gather(*(endpoint.backend.release() for endpoint in self._endpoints))

    def close(self) -> None:
        """Close every endpoint."""
        for endpoint in self._endpoints:
            endpoint.backend.close()

    def _ask_next(self, request: Request, tried: set[int], asked: dict[asyncio.Task[Reply], int]) -> bool:
        """Ask the best endpoint that was not asked yet; say whether there was one."""
        left = [number for number in range(len(self._endpoints)) if number not in tried]
        if not left:
            return False
        number = min(left, key=self._order)
        tried.add(number)
        self._endpoints[number].active += 1  # before its task begins, so that a burst is spread
        task = asyncio.create_task(self._ask(self._endpoints[number], request))
        task.add_done_callback(lambda _: self._done(number))  # also when it was cancelled before it began
        asked[task] = number
        return True

    def _done(self, number: int) -> None:
        self._endpoints[number].active -= 1

    def _order(self, number: int) -> tuple[float, float]:
        """Those awake first, then by load; of those that rest the one that wakes first."""
        endpoint = self._endpoints[number]
        rest = max(endpoint.rests_until - time.monotonic(), 0.0)
        return rest, endpoint.active / max(endpoint.backend.concurrency, 1)

    async def _ask(self, endpoint: _Endpoint, request: Request) -> Reply:
        started = time.monotonic()
        try:
            reply = await endpoint.backend.complete(request)
        except (Overloaded, Unavailable) as error:
            rest = min(FIRST_REST * 2**endpoint.failures, LONGEST_REST)
            asks = error.retry_after if isinstance(error, Overloaded) else None
            endpoint.rests_until = time.monotonic() + (rest if asks is None else asks)
            endpoint.failures += 1
            raise
        endpoint.failures = 0
        self._seconds.append(time.monotonic() - started)
        return reply

    def _patience(self) -> float | None:
        if len(self._seconds) < LEAST_KNOWN:
            return None
        return max(LEAST_PATIENCE, PATIENCE * statistics.median(self._seconds))


def _worst(errors: Sequence[Exception]) -> Exception:
    """Return what to tell the caller: an overload if there was one, since that is waited for longest."""
    waits = [error.retry_after for error in errors if isinstance(error, Overloaded)]
    if waits:
        known = [wait for wait in waits if wait is not None]
        return Overloaded("every endpoint is busy or down", min(known) if known else None)
    return Unavailable("; ".join(dict.fromkeys(str(error) for error in errors)) or "no endpoint")
