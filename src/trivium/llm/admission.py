"""How many requests an endpoint gets at once: additive increase, multiplicative decrease.

Source: the control law of TCP, as DataDesigner uses it for model endpoints: x0.75 at the first 429 of a
burst, +1 after 25 successes, Retry-After obeyed (else 2 s), and a memory of the level that failed, which
growth may pass by 10 % only.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class AdmissionConfig:
    """The control law's numbers; see the module for their source."""

    start: int = 16
    cut: float = 0.75
    successes_to_grow: int = 25
    overshoot: float = 1.1
    pause_seconds: float = 2.0
    """Pause after a 429 that names no Retry-After."""


class Admission:
    """Permits for one endpoint; `acquire` waits, every outcome is told by `release`."""

    def __init__(self, ceiling: int, config: AdmissionConfig | None = None) -> None:
        """Start at the smaller of the ceiling and config.start."""
        self.config = AdmissionConfig() if config is None else config
        self.hard_ceiling = ceiling
        self.limit = max(1, min(ceiling, self.config.start))
        self.cuts = 0
        self._soft_ceiling = float(ceiling)
        self._active = 0
        self._successes = 0
        self._burst_over_at = 0.0
        self._resume_at = 0.0
        self._changed = asyncio.Condition()

    async def acquire(self) -> None:
        """Wait for a permit and for the end of any pause that the endpoint asked for."""
        loop = asyncio.get_running_loop()
        async with self._changed:
            await self._changed.wait_for(lambda: self._active < self.limit)
            self._active += 1
        while (wait := self._resume_at - loop.time()) > 0:
            await asyncio.sleep(wait)

    async def release(self, *, overloaded: bool = False, retry_after: float | None = None) -> None:
        """Give a permit back and learn from the outcome."""
        async with self._changed:
            self._active -= 1
            if overloaded:
                self._shrink(retry_after)
            else:
                self._grow()
            self._changed.notify_all()

    def _shrink(self, retry_after: float | None) -> None:
        now = asyncio.get_running_loop().time()
        pause = self.config.pause_seconds if retry_after is None else retry_after
        self._resume_at = max(self._resume_at, now + pause)
        self._successes = 0
        if now < self._burst_over_at:
            return
        self.cuts += 1
        self._soft_ceiling = min(float(self.hard_ceiling), self.limit * self.config.overshoot)
        self.limit = max(1, int(self.limit * self.config.cut))
        self._burst_over_at = now + max(pause, 0.05)

    def _grow(self) -> None:
        self._successes += 1
        if self._successes < self.config.successes_to_grow:
            return
        self._successes = 0
        # The level that failed is forgotten slowly, so that an endpoint that recovers is used again.
        self._soft_ceiling = min(float(self.hard_ceiling), self._soft_ceiling * 1.01)
        self.limit = max(1, min(self.limit + 1, self.hard_ceiling, int(self._soft_ceiling) + 1))
