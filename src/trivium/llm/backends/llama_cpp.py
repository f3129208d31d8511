"""A GGUF model in this process, through xllamacpp; the same request gives the same bytes on every run.

Each server has one slot, one thread and no prompt cache, so that no reply depends on what was asked before
it, on its neighbours or on the number of threads. More cores mean more servers over the same mapped weights:
two threads in one server gain little and lose everything when another program wants a core, since each of the
hundreds of barriers a token then waits for the scheduler.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.metadata
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from trivium.errors import ResourceError
from trivium.llm.calls import Reply, Request

CONTEXT = 1024
"""Most tokens of prompt and reply together; short on purpose, since the keys and values are held a server."""


class LlamaCpp:
    """A local model behind the backend protocol."""

    def __init__(self, weights: Path, *, servers: int = 1, context: int = CONTEXT) -> None:
        """Remember the weights; the servers start with the first request.

        Raises:
            ResourceError: xllamacpp is not installed, or the weights cannot be read.
        """
        self.weights = weights
        self.servers = servers
        self.context = context
        try:
            version = importlib.metadata.version("xllamacpp")
            self.weights_hash = _file_hash(weights)
        except importlib.metadata.PackageNotFoundError:
            raise ResourceError(
                "local teacher: got no package xllamacpp; expected it installed; run: pip install xllamacpp."
            ) from None
        except OSError as error:
            raise ResourceError(
                f"local teacher {weights}: got {error.strerror}; expected a readable GGUF file; "
                "set TRIVIUM_TEACHER."
            ) from error
        self._identity = f"llama_cpp xllamacpp={version} weights={self.weights_hash} context={context}"
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        self._sockets: tempfile.TemporaryDirectory[str] | None = None

    @property
    def identity(self) -> str:
        """Library version, hash of the weights and context length; the number of servers changes nothing."""
        return self._identity

    @property
    def concurrency(self) -> int:
        """One request a server."""
        return self.servers

    async def complete(self, request: Request) -> Reply:
        """Answer one request in a thread of its own."""
        if self._pool is None:
            self._start()
        assert self._pool is not None
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, request)

    async def release(self) -> None:
        """Nothing belongs to the loop."""

    def close(self) -> None:
        """Stop the servers and free the weights."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        while not self._free.empty():
            self._free.get()
        if self._sockets is not None:
            self._sockets.cleanup()
            self._sockets = None

    def _start(self) -> None:
        self._sockets = tempfile.TemporaryDirectory(prefix="trivium-")
        for number in range(self.servers):
            self._free.put(_server(self.weights, self.context, Path(self._sockets.name) / f"{number}.sock"))
        self._pool = ThreadPoolExecutor(self.servers, thread_name_prefix="teacher")

    def _answer(self, request: Request) -> Reply:
        server = self._free.get()
        try:
            if request.messages:
                return read_reply(server.handle_chat_completions(body_of(request)))
            return read_reply(server.handle_completions(body_of(request)))
        finally:
            self._free.put(server)


def body_of(request: Request) -> dict[str, object]:
    """Return the request in the server's own JSON; every sampling default is spelled out."""
    body: dict[str, object] = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": 0,
        "min_p": 0.0,
        "seed": request.seed * 1_000_003 + request.sample & 0x7FFFFFFF,
        "cache_prompt": False,
    }
    if request.messages:
        body["messages"] = [
            {"role": message.role, "content": message.content} for message in request.messages
        ]
    else:
        body["prompt"] = request.prompt
    if request.stop:
        body["stop"] = list(request.stop)
    if request.schema:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"schema": json.loads(request.schema)},
        }
    return body


def read_reply(answer: dict[str, Any]) -> Reply:
    """Turn the server's JSON into a reply; the raw text leaves out what differs from call to call."""
    if "error" in answer:
        kind = "bad_request" if int(answer["error"].get("code", 500)) < 500 else "unavailable"
        return Reply(
            finish="error", error=f"{kind}: {answer['error'].get('message', '')}", raw=json.dumps(answer)
        )
    choice = answer["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return Reply(
        text=text or "",
        finish="length" if choice["finish_reason"] == "length" else "stop",
        prompt_tokens=int(answer["usage"]["prompt_tokens"]),
        completion_tokens=int(answer["usage"]["completion_tokens"]),
        raw=json.dumps({"choice": choice, "usage": answer["usage"]}, sort_keys=True),
    )


def _server(weights: Path, context: int, socket: Path) -> Any:
    # The module has no types, and mypy and pyright disagree about what that means.
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = context
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = -1
    # The library insists on listening; a socket in a private folder opens no port.
    params.hostnames = [str(socket)]
    params.n_threads_http = 1
    params.ui = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ResourceError(
            f"local teacher {weights}: got {error}; expected a whole GGUF file that fits in memory; "
            "fetch it again."
        ) from error


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
