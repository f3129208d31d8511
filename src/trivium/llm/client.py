"""The one door to a model: cache, budget, admission and retries around any backend."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.llm.admission import Admission, AdmissionConfig
from trivium.llm.budget import Budget
from trivium.llm.cache import CallCache
from trivium.llm.calls import Backend, Overloaded, Reply, Request, Unavailable, call_key

REFUSED = Reply(finish="budget", error="budget: the token budget is spent")


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryConfig:
    """How often and how long to try again."""

    attempts: int = 6
    """Tries for a passing failure (5xx, lost connection)."""
    overloads: int = 40
    """Tries for 429; more, because the endpoint says that it lives."""
    base_seconds: float = 0.5
    """First wait; doubled each time, with jitter between half and the whole of it."""
    longest_seconds: float = 20.0


def ask(
    requests: Sequence[Request],
    backend: Backend,
    cache: CallCache | None = None,
    budget: Budget | None = None,
    *,
    retry: RetryConfig | None = None,
    admission: AdmissionConfig | None = None,
    on_reply: Callable[[], None] | None = None,
) -> list[Reply]:
    """Return one reply for each request, in order; the backend stays usable.

    A request over the budget gets a reply with finish `budget`; one that failed for good has its `error` set.
    `on_reply` is called after every reply, for progress bars.
    """
    return asyncio.run(
        ask_async(requests, backend, cache, budget, retry=retry, admission=admission, on_reply=on_reply)
    )


async def ask_async(
    requests: Sequence[Request],
    backend: Backend,
    cache: CallCache | None = None,
    budget: Budget | None = None,
    *,
    retry: RetryConfig | None = None,
    admission: AdmissionConfig | None = None,
    on_reply: Callable[[], None] | None = None,
) -> list[Reply]:
    """Do what `ask` does, inside a running event loop."""
    caller = Caller(backend, cache, retry, admission, on_reply)
    tasks: list[asyncio.Task[Reply] | None] = []
    oldest = 0
    try:
        for request in requests:
            while budget is not None and budget.must_wait(request):
                oldest = await _settle_next(tasks, oldest, budget)
            if budget is not None and not budget.admit(request):
                tasks.append(None)
                continue
            tasks.append(asyncio.create_task(caller.reply(request)))
        while budget is not None and oldest < len(tasks):
            oldest = await _settle_next(tasks, oldest, budget)
        return [REFUSED if task is None else await task for task in tasks]
    finally:
        await _cancel(tasks)
        await backend.release()


async def _settle_next(tasks: Sequence[asyncio.Task[Reply] | None], oldest: int, budget: Budget) -> int:
    """Settle the oldest request that was admitted and not yet settled; return the index after it."""
    while oldest < len(tasks):
        task = tasks[oldest]
        oldest += 1
        if task is not None:
            budget.settle(await task)
            break
    return oldest


async def _cancel(tasks: Sequence[asyncio.Task[Reply] | None]) -> None:
    """Leave no task behind when an error or Ctrl-C ends the loop early."""
    left = [task for task in tasks if task is not None and not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class Caller:
    """One backend with its cache and its admission."""

    def __init__(
        self,
        backend: Backend,
        cache: CallCache | None,
        retry: RetryConfig | None = None,
        admission: AdmissionConfig | None = None,
        on_reply: Callable[[], None] | None = None,
    ) -> None:
        """Nothing is asked yet; to be used inside one event loop."""
        self.backend = backend
        self.cache = cache
        self.retry = retry or RetryConfig()
        self.admission = Admission(backend.concurrency, admission)
        self.on_reply = on_reply
        # Identical requests under way share one call, which the cache alone could not promise.
        self.running: dict[tuple[str, int], asyncio.Future[Reply]] = {}

    async def reply(self, request: Request) -> Reply:
        """Return the cache's reply, or a paid one; what failed for good has its `error` set."""
        key = call_key(self.backend.identity, request)
        stored = self.cache.get(key, request.max_tokens) if self.cache is not None else None
        reply = stored if stored is not None else await self._shared(key, request)
        if self.on_reply is not None:
            self.on_reply()
        return reply

    async def _shared(self, key: str, request: Request) -> Reply:
        call = (key, request.max_tokens)
        if call in self.running:
            return await asyncio.shield(self.running[call])
        shared: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.running[call] = shared
        try:
            reply = await self._paid(key, request)
        except BaseException as error:
            if isinstance(error, Exception):
                shared.set_exception(error)
                shared.exception()  # seen here, whether or not anybody shares it
            else:
                shared.cancel()
            raise
        shared.set_result(reply)
        return reply

    async def _paid(self, key: str, request: Request) -> Reply:
        reply = await self._with_retries(request)
        # A bad request stays bad; a passing failure must be asked again by the next run.
        if self.cache is not None and (not reply.error or reply.error.startswith("bad_request")):
            self.cache.put(key, request.max_tokens, reply)
        return reply

    async def _with_retries(self, request: Request) -> Reply:
        failures = overloads = 0
        while True:
            await self.admission.acquire(again=failures + overloads > 0)
            try:
                reply = await self.backend.complete(request)
            except Overloaded as error:
                overloads += 1
                self.admission.release(overloaded=True, retry_after=error.retry_after)
                if overloads >= self.retry.overloads:
                    return _given_up(error, overloads)
            except Unavailable as error:
                failures += 1
                self.admission.release()
                if failures >= self.retry.attempts:
                    return _given_up(error, failures)
                await asyncio.sleep(self._wait(failures))
            except BaseException:
                self.admission.release()
                raise
            else:
                self.admission.release()
                return reply

    def _wait(self, failures: int) -> float:
        whole = min(self.retry.longest_seconds, self.retry.base_seconds * 2 ** (failures - 1))
        return whole * random.uniform(0.5, 1.0)


def _given_up(error: Exception, times: int) -> Reply:
    return Reply(finish="error", error=f"unavailable: {error} ({times} times)", raw=str(error))
