"""Calls to language models: one client, many backends, every reply kept."""

from trivium.llm.budget import Budget
from trivium.llm.cache import CallCache
from trivium.llm.calls import Backend, Overloaded, Reply, Request, Unavailable, call_key, prompt_hash
from trivium.llm.client import RetryConfig, ask, ask_async

__all__ = [
    "Backend",
    "Budget",
    "CallCache",
    "Overloaded",
    "Reply",
    "Request",
    "RetryConfig",
    "Unavailable",
    "ask",
    "ask_async",
    "call_key",
    "prompt_hash",
]
