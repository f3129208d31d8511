"""A backend that answers from a table or a function: for tests and for replaying a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trivium.llm.calls import Reply, Request, prompt_hash


@dataclass(kw_only=True)
class Scripted:
    """Answers by prompt hash, else by the function; what neither knows is a bad request."""

    replies: Mapping[str, str] = field(default_factory=dict)
    """Reply text by `prompt_hash` of the request."""
    function: Callable[[Request], str | None] | None = None
    """Called with what the table does not know; None means it does not know either."""
    identity: str = "scripted"
    concurrency: int = 64
    asked: list[Request] = field(default_factory=list)
    """Every request that reached the backend, in order of arrival."""

    async def complete(self, request: Request) -> Reply:
        """Answer; tokens are counted as words, and the reply is cut at max_tokens of them."""
        self.asked.append(request)
        text = self.replies.get(prompt_hash(request))
        if text is None and self.function is not None:
            text = self.function(request)
        if text is None:
            return Reply(finish="error", error=f"bad_request: no scripted reply for {prompt_hash(request)}")
        return cut(text, request)

    async def release(self) -> None:
        """Nothing belongs to the loop."""

    def close(self) -> None:
        """Nothing is held."""


def cut(text: str, request: Request) -> Reply:
    """Return the reply that a model with one token a word would give under the request's limit."""
    words = text.split(" ")
    kept = " ".join(words[: request.max_tokens])
    return Reply(
        text=kept,
        finish="stop" if len(words) <= request.max_tokens else "length",
        prompt_tokens=len(request.text().split()),
        completion_tokens=min(len(words), request.max_tokens),
        raw=text,
    )
