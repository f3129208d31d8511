"""Log-probabilities of continuations from a server: vLLM returns those of a prompt's own tokens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from trivium.errors import DataError
from trivium.evaluate.standard.pairs import Pair
from trivium.models import sample_served
from trivium.models.sample_served import Server


def score(server: Server, pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
    """Return of each pair the continuation's log-probability (natural), and whether it is said greedily.

    Raises:
        DataError: The server does not give log-probabilities of a prompt.
        ResourceError: It fails at every try.
    """
    if not server.speaks_openai:
        raise DataError(
            f"endpoint {server.endpoint}: got a server without log-probabilities of prompts; expected vLLM "
            "(an address that ends in /v1) or a model folder, for tasks that read them."
        )
    try:
        return asyncio.run(_score(server, pairs))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None  # the first failure says it, the others were cut off by it


async def _score(server: Server, pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
    import aiohttp

    key = os.environ.get(server.key_variable, "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=server.timeout_seconds)
    connector = aiohttp.TCPConnector(limit=server.concurrency)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
        name = await sample_served.retried(server, lambda: sample_served.model_name(session, server))
        permits = asyncio.Semaphore(server.concurrency)

        async def one(pair: Pair) -> tuple[float, bool]:
            body = {
                "model": name,
                "prompt": [*pair.context, *pair.continuation],
                "max_tokens": 1,
                "temperature": 0.0,
                "prompt_logprobs": 0,
            }
            async with permits:
                answer = await sample_served.retried(
                    server, lambda: sample_served.post(session, server, "/completions", body)
                )
            return read(answer, pair)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(pair)) for pair in pairs]
        return [task.result() for task in tasks]


def read(answer: dict[str, Any], pair: Pair) -> tuple[float, bool]:
    """Read vLLM's `prompt_logprobs`: for each token of the prompt its own entry, with its rank.

    Raises:
        DataError: They are not there.
    """
    try:
        rows = answer["choices"][0]["prompt_logprobs"][-len(pair.continuation) :]
        own = [row[str(token)] for row, token in zip(rows, pair.continuation, strict=True)]
        return sum(float(one["logprob"]) for one in own), all(int(one["rank"]) == 1 for one in own)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"endpoint: got a reply without the prompt's log-probabilities ({error}); expected vLLM's "
            "prompt_logprobs; evaluate the model's folder instead."
        ) from error
