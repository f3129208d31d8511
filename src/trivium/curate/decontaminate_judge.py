"""A language model as the last word on rephrased items."""

from __future__ import annotations

from collections.abc import Sequence

from trivium.curate.decontaminate_rephrased import Judge
from trivium.llm.cache import CallCache
from trivium.llm.calls import Backend, Request
from trivium.llm.client import ask
from trivium.records import Message

QUESTION = (
    "Two texts follow. Does the second ask for the same thing as the first, so that a solution of one "
    "solves the other? Other names, other words and another order do not matter; other numbers do. "
    "Answer with yes or no.\n\nFirst: {item}\n\nSecond: {window}"
)
MAX_TOKENS = 4


def make_judge(backend: Backend, cache: CallCache | None = None, model: str = "") -> Judge:
    """Return a judge that asks a backend; a reply that is neither yes nor no is no opinion."""

    def judge(pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        requests = [
            Request(
                messages=(Message(role="user", content=QUESTION.format(item=item, window=window)),),
                model=model,
                max_tokens=MAX_TOKENS,
            )
            for item, window in pairs
        ]
        return [read(reply.text) for reply in ask(requests, backend, cache)]

    return judge


def read(reply: str) -> bool | None:
    """Read yes or no from the first word of a reply."""
    words = reply.lower().split()
    first = words[0].strip(".,!*\"'") if words else ""
    return {"yes": True, "no": False}.get(first)
