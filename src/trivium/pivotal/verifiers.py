"""Which verifiers a search can use, by name, and how many replies are judged at once.

A name is a key of `trivium.verify.VERIFIERS`; `module:function`, a Python callable of one's own; or `judge`,
a model behind an OpenAI-compatible endpoint that is shown the reference answer.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trivium import verify
from trivium.errors import ConfigError
from trivium.records import Message, Verdict

JUDGE = "judge"

JUDGE_PROMPT = """You grade one reply to a question. Compare its final answer with the reference answer.

Question:
{question}

Reference answer:
{answer}

Reply:
{reply}

Write one word: RIGHT if the reply's final answer means the same as the reference answer, WRONG if it means
something else, NONE if the reply gives no final answer."""

WORDS = {"RIGHT": Verdict.RIGHT, "WRONG": Verdict.WRONG, "NONE": Verdict.UNPARSED}


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeModel:
    """The model that the verifier `judge` asks."""

    endpoint: str = ""
    """Address of an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1."""
    model: str = ""
    """Name of the model there."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; the key itself is never stored."""
    prompt: str = JUDGE_PROMPT
    """Text with {question}, {answer} and {reply}; the model's first word counts."""
    max_tokens: int = 8
    """Longest reply of the judge."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A reply to judge."""

    verifier: str
    prompt: str
    reply: str
    answer: str


def check(name: str, judge: JudgeModel) -> None:
    """Refuse a verifier that cannot work, before anything is sampled.

    Raises:
        ConfigError: The name is unknown, the callable cannot be imported, or the judge has no endpoint.
    """
    if ":" in name:
        _callable(name)
    elif name == JUDGE:
        if not judge.endpoint or not judge.model:
            raise ConfigError(
                "verifier judge: got no endpoint and model; expected both, e.g. "
                "--judge-endpoint http://127.0.0.1:8000/v1 --judge-model NAME."
            )
    elif name not in verify.VERIFIERS:
        known = ", ".join(verify.VERIFIERS)
        raise ConfigError(
            f"verifier: got {name!r}; expected one of {known}, {JUDGE}, or module:function for your own."
        )


def judge_all(asked: Sequence[Asked], judge: JudgeModel, calls: Path | None = None) -> list[Verdict]:
    """Judge many replies; those of a judging model go out together.

    Args:
        asked: Replies with their verifiers.
        judge: The judging model.
        calls: Where its replies are kept, so that none is paid for twice.
    """
    verdicts = [None if one.verifier == JUDGE else _judge_one(one) for one in asked]
    sent = iter(_ask_judge([one for one in asked if one.verifier == JUDGE], judge, calls))
    return [next(sent) if verdict is None else verdict for verdict in verdicts]


def source_of(name: str) -> Path | None:
    """The file of a `module:function` verifier, for the run's fingerprint; None for the others."""
    return Path(inspect.getfile(_callable(name)[0])) if ":" in name else None


def _judge_one(one: Asked) -> Verdict:
    if ":" not in one.verifier:
        return verify.judge(one.verifier, one.reply, one.answer)
    function, wants_prompt = _callable(one.verifier)
    try:
        said = (
            function(one.reply, one.answer, one.prompt) if wants_prompt else function(one.reply, one.answer)
        )
        return _verdict_of(said)
    except Exception:  # somebody else's code: counted apart, as every verifier's own failure
        return Verdict.ERROR


def _verdict_of(said: Any) -> Verdict:
    if said is None:
        return Verdict.UNPARSED
    return Verdict(said) if isinstance(said, str) else (Verdict.RIGHT if said else Verdict.WRONG)


@lru_cache
def _callable(name: str) -> tuple[Callable[..., Any], bool]:
    """The function and whether it takes the question as a third argument."""
    module, _, function = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"verifier {name}: got {type(error).__name__} ({error}); expected module:function that can be "
            "imported from this folder, taking (reply, answer) and returning true, false or None."
        ) from error
    return found, len(inspect.signature(found).parameters) >= 3


def _ask_judge(asked: Sequence[Asked], judge: JudgeModel, calls: Path | None) -> list[Verdict]:
    if not asked:
        return []
    from trivium.llm import CallCache, Request, ask
    from trivium.llm.backends.openai_http import OpenAIHTTP

    backend = OpenAIHTTP(judge.endpoint, judge.model, api_key=os.environ.get(judge.key_variable, ""))
    requests = [
        Request(
            messages=(Message(role="user", content=_fill(judge.prompt, one)),), max_tokens=judge.max_tokens
        )
        for one in asked
    ]
    if calls is None:
        replies = ask(requests, backend)
    else:
        with CallCache(calls) as cache:
            replies = ask(requests, backend, cache)
    return [Verdict.ERROR if reply.error else _first_word(reply.text) for reply in replies]


def _fill(prompt: str, one: Asked) -> str:
    """Fill all places in one pass, so that braces in a reply are only text."""
    values = {"{question}": one.prompt, "{answer}": one.answer, "{reply}": one.reply}
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], prompt)


def _first_word(text: str) -> Verdict:
    words = text.strip().strip("*").split()
    return WORDS.get(words[0].strip(".,:*\"'").upper(), Verdict.ERROR) if words else Verdict.ERROR
