"""The HTTP backend against a real server on the loopback device."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from trivium.errors import ConfigError
from trivium.llm import Reply, Request, RetryConfig, ask_async
from trivium.llm.backends.openai_http import OpenAIHTTP, retry_after
from trivium.records import Message

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUICK = RetryConfig(base_seconds=0.001, longest_seconds=0.002)


def serve(handler: Handler, requests: list[Request], **options: object) -> list[Reply]:
    """Run a server and the client in one event loop."""

    async def scene() -> list[Reply]:
        app = web.Application()
        app.router.add_post("/v1/{tail:.*}", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        backend = OpenAIHTTP(f"http://127.0.0.1:{port}/v1", "m", api_key="secret", **options)  # type: ignore[arg-type]
        try:
            return await ask_async(requests, backend, retry=QUICK)
        finally:
            await runner.cleanup()

    return asyncio.run(scene())


def answer(text: str, finish: str = "stop") -> web.Response:
    return web.json_response(
        {
            "choices": [{"message": {"content": text}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        }
    )


def chat(count: int = 1) -> list[Request]:
    return [Request(messages=(Message(role="user", content=f"q{number}"),)) for number in range(count)]


def test_wire_format_and_key() -> None:
    seen: list[tuple[str, str, dict[str, object]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, request.headers["Authorization"], await request.json()))
        return answer("hi", "length")

    ask_for = Request(
        messages=(Message(role="user", content="q"),), max_tokens=7, stop=("x",), schema='{"type": "object"}'
    )
    reply = serve(handler, [ask_for])[0]
    path, key, body = seen[0]
    assert (path, key) == ("/v1/chat/completions", "Bearer secret")
    assert body["messages"] == [{"role": "user", "content": "q"}]
    assert (body["max_tokens"], body["stop"], body["model"]) == (7, ["x"], "m")
    assert body["response_format"]["type"] == "json_schema"  # type: ignore[index]
    assert (reply.text, reply.finish, reply.prompt_tokens, reply.completion_tokens) == ("hi", "length", 3, 2)
    assert json.loads(reply.raw)["usage"]["prompt_tokens"] == 3


def test_prompt_goes_to_completions() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/completions"
        return web.json_response({"choices": [{"text": "more", "finish_reason": "stop"}]})

    reply = serve(handler, [Request(prompt="once " * 9)])[0]
    assert reply.text == "more"
    assert (reply.prompt_tokens, reply.completion_tokens) == (23, 2), "no usage told: counted by length"


def test_storm_of_429_and_5xx_ends_with_every_reply() -> None:
    calls = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls % 3 == 1:
            return web.Response(status=429, headers={"Retry-After": "0.01"}, text="slow down")
        if calls % 7 == 2:
            return web.Response(status=503, text="busy")
        body = await request.json()
        return answer(body["messages"][0]["content"])

    replies = serve(handler, chat(40))
    assert [reply.text for reply in replies] == [f"q{number}" for number in range(40)]


def test_retry_after_is_obeyed() -> None:
    times: list[float] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "0.3"})
        return answer("x")

    serve(handler, chat())
    assert times[1] - times[0] >= 0.29


def test_disconnect_and_half_json_are_retried() -> None:
    calls = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 1:
            assert request.transport is not None
            request.transport.abort()
        if calls == 2:
            return web.Response(text='{"choices": [{"mess')
        return answer("x")

    assert serve(handler, chat())[0].text == "x"
    assert calls == 3


def test_bad_request_is_final_and_time_out_is_unavailable() -> None:
    async def bad(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="no such model")

    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return answer("x")

    assert serve(bad, chat())[0].error == "bad_request: 400 no such model"
    assert serve(late, chat(), timeout_seconds=0.01)[0].error.startswith("unavailable")


def test_retry_after_header_forms() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert retry_after({"retry-after": "7"}) == 7.0
    assert 25 < (retry_after({"Retry-After": later}) or 0) <= 30
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None
    assert retry_after({"Retry-After": "100000"}) == 120.0


def test_address_without_scheme_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="expected an address"):
        OpenAIHTTP("localhost:8000", "m")
