"""Completions from a server that takes and returns token ids with log-probabilities: vLLM, llama.cpp.

A server that speaks the OpenAI wire format under an address that ends in /v1 gets POST /completions with the
prompt as ids; any other address is taken for llama.cpp's own server and gets POST /completion. Failures that
pass (5xx, 429, lost connections, time-outs, replies that are not whole) are tried again with the same seed,
so that every request gives one completion, whatever happened on the way.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.errors import ConfigError, DataError, ResourceError
from trivium.models.sample import Completion, Request

SEED_BITS = 31
"""Servers take seeds of this many bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where completions come from."""

    endpoint: str
    """http://host:port/v1 for vLLM, http://host:port for llama.cpp's server."""
    name: str = ""
    """Name of the model there; empty takes the only one that it serves."""
    concurrency: int = 64
    """Requests under way at once."""
    attempts: int = 8
    """Tries of one request."""
    pause_seconds: float = 0.5
    """First wait before another try; doubled each time up to 30 s, with jitter."""
    timeout_seconds: float = 600.0
    """Longest wait for one completion."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key, where one is needed."""

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        if not self.endpoint.startswith(("http://", "https://")):
            raise ConfigError(
                f"endpoint: got {self.endpoint!r}; expected an address such as http://127.0.0.1:8000/v1."
            )

    @property
    def speaks_openai(self) -> bool:
        """Whether it is asked in the OpenAI wire format."""
        return self.endpoint.rstrip("/").endswith("/v1")


class Passing(Exception):
    """A failure that may be gone at the next try."""


def sample(
    server: Server,
    requests: Sequence[Request],
    *,
    temperature: float,
    stop_ids: Sequence[int],
    on_progress: Callable[[int], None] | None = None,
) -> list[Completion]:
    """Complete every request; see `trivium.models.sample.sample`, whose distribution is the same.

    A completion depends on its request as far as the server honours seeds; batched servers do so up to the
    rounding of their matrix products.

    Raises:
        DataError: The server refuses a request, or sends no ids or log-probabilities.
        ResourceError: It fails at every try.
    """
    if not requests:
        return []
    try:
        return asyncio.run(_sample(server, requests, temperature, tuple(stop_ids), on_progress))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None  # the first failure says it, the others were cut off by it


async def _sample(
    server: Server,
    requests: Sequence[Request],
    temperature: float,
    stop_ids: tuple[int, ...],
    on_progress: Callable[[int], None] | None,
) -> list[Completion]:
    import aiohttp

    key = os.environ.get(server.key_variable, "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=server.timeout_seconds)
    connector = aiohttp.TCPConnector(limit=server.concurrency)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
        name = await retried(server, lambda: model_name(session, server)) if server.speaks_openai else ""
        permits = asyncio.Semaphore(server.concurrency)

        async def one(request: Request) -> Completion:
            async with permits:
                body, path = _body(server, name, request, temperature, stop_ids)
                answer = await retried(server, lambda: post(session, server, path, body))
            completion = read(answer, stop_ids)
            if on_progress is not None:
                on_progress(1)
            return completion

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(request)) for request in requests]
        return [task.result() for task in tasks]


async def retried(server: Server, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do a piece of work again until it succeeds, as often as the server's settings allow.

    Raises:
        ResourceError: It fails at every try.
    """
    import aiohttp

    for attempt in range(server.attempts):
        try:
            return await work()
        except (aiohttp.ClientError, TimeoutError, ConnectionError, Passing) as error:
            told = f"{type(error).__name__} {error}".strip()
        pause = min(30.0, server.pause_seconds * 2**attempt)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
    raise ResourceError(
        f"endpoint {server.endpoint}: got {told} at each of {server.attempts} tries; expected completions; "
        "see that the server runs, and give the same command again: nothing is lost."
    )


async def post(session: Any, server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a body to a path below the server's address and return the whole answer."""
    async with session.post(server.endpoint.rstrip("/") + path, json=body) as response:
        return _whole(server, response.status, await response.text())


async def model_name(session: Any, server: Server) -> str:
    """Return the model's name there: the one that was given, or the only one that it serves."""
    if server.name:
        return server.name
    async with session.get(server.endpoint.rstrip("/") + "/models") as response:
        answer = _whole(server, response.status, await response.text())
    names = [str(row.get("id")) for row in answer.get("data", [])]
    if len(names) != 1:
        raise DataError(
            f"endpoint {server.endpoint}: got models {', '.join(names) or 'none'}; expected one; name it "
            "with --served-name."
        )
    return names[0]


def _whole(server: Server, status: int, text: str) -> dict[str, Any]:
    if status >= 500 or status in (408, 429):
        raise Passing(f"{status} {text[:200]}")
    if status >= 400:
        raise DataError(
            f"endpoint {server.endpoint}: refuses a request ({status} {text[:300]}); expected a server that "
            "takes a prompt as token ids; vLLM does under /v1, llama.cpp's server does without."
        )
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise Passing(f"reply is not whole: {text[:100]!r}") from error
    if not isinstance(answer, dict):
        raise Passing(f"reply is no object: {text[:100]!r}")
    return answer


def _body(
    server: Server, name: str, request: Request, temperature: float, stop_ids: tuple[int, ...]
) -> tuple[dict[str, Any], str]:
    """What is posted, and where; every sampling default is spelled out, so that nothing is cut off."""
    seed = request.seed & (1 << SEED_BITS) - 1
    temperature = 0.0 if request.greedy else temperature
    shared = {"prompt": list(request.prefix_ids), "temperature": temperature, "top_p": 1.0, "seed": seed}
    if server.speaks_openai:
        return {
            **shared,
            "model": name,
            "max_tokens": request.max_new_tokens,
            "top_k": 0,
            "min_p": 0.0,
            "logprobs": 1,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            "stop_token_ids": list(stop_ids),
            "skip_special_tokens": False,
        }, "/completions"
    return {
        **shared,
        "n_predict": request.max_new_tokens,
        "samplers": ["temperature"],
        "n_probs": 1,
        "post_sampling_probs": temperature not in (0.0, 1.0),
        "return_tokens": True,
        "cache_prompt": True,
    }, "/completion"


def read(answer: dict[str, Any], stop_ids: Sequence[int]) -> Completion:
    """Turn a server's reply into a completion; what follows the first stop token is cut off.

    Raises:
        DataError: It has no ids, no log-probabilities, or not one for each id.
    """
    try:
        drawn = _openai(answer["choices"][0]) if "choices" in answer else _llama_cpp(answer)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"endpoint: got a reply without {error}; expected ids and log-probabilities of its tokens; "
            "vLLM (0.10 or later) and llama.cpp's server send them."
        ) from error
    stops = set(stop_ids)
    end = next((place for place, (token, _) in enumerate(drawn) if token in stops), None)
    if end is not None:
        drawn = drawn[: end + 1]
    ids = tuple(token for token, _ in drawn)
    return Completion(
        ids=ids if end is None else ids[:-1],
        logprobs=tuple(logprob for _, logprob in drawn),
        finish="length" if end is None else "eos",
        stop_id=-1 if end is None else ids[-1],
    )


def _openai(choice: dict[str, Any]) -> list[tuple[int, float]]:
    logprobs = [float(value) for value in choice["logprobs"]["token_logprobs"]]
    ids = choice.get("token_ids")
    if ids is None:
        ids = [int(token.removeprefix("token_id:")) for token in choice["logprobs"]["tokens"]]
    return list(zip(map(int, ids), logprobs, strict=True))


def _llama_cpp(answer: dict[str, Any]) -> list[tuple[int, float]]:
    found = []
    for row in answer["completion_probabilities"]:
        logprob = float(row["logprob"]) if "logprob" in row else math.log(max(float(row["prob"]), 1e-30))
        found.append((int(row["id"]), logprob))
    return found
