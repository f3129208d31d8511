"""Many endpoints in one run: a dead, a dying, a slow and a busy one hold nobody up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from trivium.errors import ConfigError
from trivium.llm import Overloaded, Reply, Request, RetryConfig, Unavailable, ask_async
from trivium.llm.backends.openai_http import OpenAIHTTP
from trivium.llm.backends.pool import Pool
from trivium.records import Message

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUICK = RetryConfig(base_seconds=0.001, longest_seconds=0.002)


def chat(count: int) -> list[Request]:
    return [Request(messages=(Message(role="user", content=f"q{number}"),)) for number in range(count)]


def said(text: str) -> web.Response:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    return web.json_response(
        {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage}
    )


async def site(handler: Handler) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_post("/v1/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"


def test_an_endpoint_that_dies_in_the_middle_costs_no_reply_and_no_stall() -> None:
    async def scene() -> tuple[list[Reply], Pool, list[int]]:
        served = [0, 0]
        runners: list[web.AppRunner] = []

        async def living(request: web.Request) -> web.StreamResponse:
            served[0] += 1
            await asyncio.sleep(0.005)
            return said("alive")

        async def dying(request: web.Request) -> web.StreamResponse:
            served[1] += 1
            await asyncio.sleep(0.005)
            if served[1] > 20 and request.transport is not None:
                request.transport.abort()  # as a killed process does: the connection is gone
            return said("not yet dead")

        addresses = []
        for handler in (living, dying):
            runner, address = await site(handler)
            runners.append(runner)
            addresses.append(address)
        pool = Pool([OpenAIHTTP(address, "m", concurrency=8) for address in addresses], "openai pool m")
        replies = await ask_async(chat(300), pool, retry=QUICK)
        for runner in runners:
            await runner.cleanup()
        return replies, pool, served

    started = time.monotonic()
    replies, pool, served = asyncio.run(scene())
    assert [reply.error for reply in replies] == [""] * 300
    assert sum(pool.answered) == 300 and 0 < pool.answered[1] <= 20, "after its death the other answers"
    assert served[1] < 60, "the dead one rests instead of being asked again and again"
    assert time.monotonic() - started < 30


class Fake:
    """An endpoint of one behaviour."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.identity, self.concurrency, self.seconds, self.error, self.asked = "fake", 4, seconds, error, 0

    async def complete(self, request: Request) -> Reply:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return Reply(text="done")

    async def release(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_slow_endpoint_is_overtaken() -> None:
    quick, slow = Fake(0.005), Fake(30.0)
    pool = Pool([quick, slow], "m")

    async def scene() -> list[Reply]:
        await ask_async(chat(8), Pool([quick], "m"))
        pool._seconds.extend([0.005] * 8)
        return await ask_async(chat(60), pool)

    started = time.monotonic()
    replies = asyncio.run(scene())
    assert {reply.text for reply in replies} == {"done"}
    assert slow.asked > 0 and time.monotonic() - started < 15


def test_when_all_fail_the_caller_is_told_which_way() -> None:
    with pytest.raises(Unavailable, match="gone"):
        asyncio.run(
            Pool([Fake(error=Unavailable("gone")), Fake(error=Unavailable("gone"))], "m").complete(chat(1)[0])
        )
    busy = Pool([Fake(error=Overloaded("slow down", 7.0)), Fake(error=Unavailable("gone"))], "m")
    with pytest.raises(Overloaded) as told:
        asyncio.run(busy.complete(chat(1)[0]))
    assert told.value.retry_after == 7.0
    with pytest.raises(ConfigError, match="endpoints: got none"):
        Pool([], "m")


def test_an_endpoint_that_comes_back_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.llm.backends import pool as module

    monkeypatch.setattr(module, "FIRST_REST", 0.01)
    one, other = Fake(), Fake(error=Unavailable("restarting"))
    pool = Pool([other, one], "m")

    async def scene() -> None:
        await pool.complete(chat(1)[0])
        other.error = None
        await asyncio.sleep(0.02)
        await asyncio.gather(*(pool.complete(request) for request in chat(6)))

    asyncio.run(scene())
    assert pool.answered[0] > 0
