"""A backend that fails as real ones do, on a plan, around one that answers."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from trivium.llm.calls import Backend, Overloaded, Reply, Request, Unavailable


class Faulty:
    """Follows `plan` call by call, then answers like the inner backend.

    A step of the plan is one of: ok, overloaded, unavailable, disconnect, slow, truncated, invalid,
    wrong_schema, bad_request.
    """

    def __init__(self, inner: Backend, plan: Sequence[str], *, retry_after: float | None = 0.01) -> None:
        """Wrap a backend; `retry_after` is what an overload asks for, in seconds."""
        self.inner = inner
        self.plan = list(plan)
        self.retry_after = retry_after
        self.calls = 0

    @property
    def identity(self) -> str:
        """The inner backend's: faults must not change what is cached."""
        return self.inner.identity

    @property
    def concurrency(self) -> int:
        """The inner backend's."""
        return self.inner.concurrency

    async def complete(self, request: Request) -> Reply:
        """Fail as planned, or answer."""
        step = self.plan[self.calls] if self.calls < len(self.plan) else "ok"
        self.calls += 1
        if step == "overloaded":
            raise Overloaded("planned overload", self.retry_after)
        if step in ("unavailable", "disconnect"):
            raise Unavailable(f"planned {step}")
        if step == "bad_request":
            return Reply(finish="error", error="bad_request: planned")
        if step == "slow":
            await asyncio.sleep(0.05)
        reply = await self.inner.complete(request)
        if step == "truncated":
            return dataclasses.replace(reply, text=reply.text[: len(reply.text) // 2], finish="length")
        if step == "invalid":
            return dataclasses.replace(reply, text='{"broken": ', raw='{"broken": ')
        if step == "wrong_schema":
            return dataclasses.replace(reply, text='{"other": 1}', raw='{"other": 1}')
        return reply

    async def release(self) -> None:
        """Pass on."""
        await self.inner.release()

    def close(self) -> None:
        """Pass on."""
        self.inner.close()
