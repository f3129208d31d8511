"""What crosses the boundary to a model: one request, one reply, and what may go wrong between them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Protocol

from trivium.records import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One call: either `messages` (chat) or `prompt` (raw completion)."""

    messages: tuple[Message, ...] = ()
    """The conversation; empty when `prompt` is used."""
    prompt: str = ""
    """Raw text to continue; empty when `messages` is used."""
    model: str = ""
    """Name of the model at the endpoint; a local backend serves one model and ignores it."""
    max_tokens: int = 256
    """Longest reply, in the model's own tokens."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """Nucleus of the distribution to sample from, in (0, 1]."""
    seed: int = 0
    """Sampling seed; a remote endpoint may ignore it."""
    sample: int = 0
    """Index among repeated draws of one request; tells them apart where the seed is ignored."""
    stop: tuple[str, ...] = ()
    """Strings that end the reply; they are not part of it."""
    schema: str = ""
    """JSON schema that the reply must follow, as text; empty for free text."""

    def shape(self) -> dict[str, object]:
        """Return everything that changes the reply, but for its length limit, as plain JSON values."""
        return {
            "messages": [[message.role, message.content] for message in self.messages],
            "prompt": self.prompt,
            "model": self.model,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "sample": self.sample,
            "stop": list(self.stop),
            "schema": self.schema,
        }

    def text(self) -> str:
        """Return the words that the model reads, for prompt hashes and length estimates."""
        return self.prompt or "\n".join(f"{message.role}: {message.content}" for message in self.messages)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came back; `error` is empty exactly when `text` is the model's own."""

    text: str = ""
    finish: str = "stop"
    """stop | length (cut at max_tokens) | error | budget (never asked)."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str = ""
    """Class of the failure, a colon, and what was said: `bad_request: ...` or `unavailable: ...`."""
    raw: str = ""
    """The reply as it came, before any parsing."""


class Overloaded(Exception):
    """The endpoint asks to slow down (HTTP 429)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep the wait in seconds that the endpoint asked for, None when it named none."""
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Exception):
    """A passing failure: 5xx, a dropped connection, a reply cut in the middle."""


class Backend(Protocol):
    """Somewhere a request can be answered."""

    @property
    def identity(self) -> str:
        """Everything about the backend that changes replies; part of every cache key."""
        ...

    @property
    def concurrency(self) -> int:
        """Most requests worth having under way at once."""
        ...

    async def complete(self, request: Request) -> Reply:
        """Answer one request; raises Overloaded or Unavailable for what may pass."""
        ...

    async def release(self) -> None:
        """Let go of what belongs to the running event loop; the backend may be used again from another."""
        ...

    def close(self) -> None:
        """Release everything; the backend is not used again."""
        ...


def call_key(identity: str, request: Request) -> str:
    """Return the cache key: a hash of all that changes a reply and of nothing that does not.

    The length limit is left out on purpose: a reply that ended by itself answers any larger limit.
    """
    canonical = json.dumps(
        [identity, request.shape()], sort_keys=True, ensure_ascii=True, separators=(",", ":")
    )
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def prompt_hash(request: Request) -> str:
    """Return a hash of the words alone, for provenance and scripted replies."""
    return hashlib.blake2b(request.text().encode(), digest_size=10).hexdigest()
