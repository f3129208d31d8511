"""How many requests an endpoint gets at once: it grows while all goes well and settles below what failed.

Source: the control law of TCP as DataDesigner uses it for model endpoints (x0.75 at the first 429 of a burst,
+1 after 25 successes, Retry-After obeyed, else 2 s). Three things are ours: before the first 429 every
success adds one, as TCP's slow start does; the level that failed is remembered and approached, not passed;
and it is tried again only after a wait that doubles with every failure, so that a settled run loses little.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class AdmissionConfig:
    """The control law's numbers; see the module for their source."""

    start: int = 16
    cut: float = 0.75
    gentle_cut: float = 0.95
    """The cut where the level that failed was already known within a tenth."""
    successes_to_grow: int = 25
    pause_seconds: float = 2.0
    """Pause after a 429 that names no Retry-After."""
    probe_rounds: int = 10
    """Rounds (successes over the limit) after which the failed level is tried again; doubled by a failure."""


class Admission:
    """Permits for one endpoint; `acquire` waits, every outcome is told by `release`."""

    def __init__(self, ceiling: int, config: AdmissionConfig | None = None) -> None:
        """Start at the smaller of the ceiling and config.start."""
        self.config = AdmissionConfig() if config is None else config
        self.hard_ceiling = ceiling
        self.limit = max(1, min(ceiling, self.config.start))
        self.cuts = 0
        self._known_good = ceiling
        """The highest level that has not failed; the ceiling as long as none has."""
        self._probe_rounds = self.config.probe_rounds
        self._active = 0
        self._successes = 0
        self._burst_over_at = 0.0
        self._resume_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self, *, again: bool = False) -> None:
        """Wait for a permit and for the end of any pause that the endpoint asked for.

        Args:
            again: A request that was refused or lost goes before those that were never sent, so that no tail
                of retries is left at the end.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting and self._active < self.limit and loop.time() >= self._resume_at:
            self._active += 1
            return
        permit: asyncio.Future[None] = loop.create_future()
        if again:
            self._waiting.appendleft(permit)
        else:
            self._waiting.append(permit)
        try:
            await permit
        except asyncio.CancelledError:
            if permit.done() and not permit.cancelled():
                self._active -= 1
                self._admit()
            raise

    def release(self, *, overloaded: bool = False, retry_after: float | None = None) -> None:
        """Give a permit back and learn from the outcome."""
        self._active -= 1
        if overloaded:
            self._shrink(retry_after)
        else:
            self._grow()
        self._admit()

    def _admit(self) -> None:
        if not self._waiting or asyncio.get_running_loop().time() < self._resume_at:
            return
        while self._waiting and self._active < self.limit:
            permit = self._waiting.popleft()
            if not permit.done():
                self._active += 1
                permit.set_result(None)

    def _shrink(self, retry_after: float | None) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        pause = self.config.pause_seconds if retry_after is None else retry_after
        if now + pause > self._resume_at:
            self._resume_at = now + pause
            loop.call_at(self._resume_at, self._admit)
        self._successes = 0
        if now < self._burst_over_at:
            return
        near = self.cuts > 0 and self.limit > 0.9 * self._known_good
        if near:
            self._probe_rounds = min(self._probe_rounds * 2, 64 * self.config.probe_rounds)
        self.cuts += 1
        self._known_good = max(1, self.limit - 1)
        self.limit = max(1, int(self.limit * (self.config.gentle_cut if near else self.config.cut)))
        self._burst_over_at = now + max(pause, 0.05)

    def _grow(self) -> None:
        self._successes += 1
        if self.cuts == 0:
            needed = 1
        elif self.limit < self._known_good:
            needed = self.config.successes_to_grow
        else:
            needed = self._probe_rounds * self.limit
        if self._successes < needed or self.limit >= self.hard_ceiling:
            return
        self._successes = 0
        self.limit += 1
        if self.cuts and self.limit > self._known_good + 1:
            # The level above the one that failed holds too: the endpoint has recovered.
            self._known_good = self.limit
            self._probe_rounds = max(1, self._probe_rounds // 2)
