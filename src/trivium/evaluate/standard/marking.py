"""Verdicts on all outputs: by each task's own judge, or by a model that is asked and whose calls are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trivium.errors import ConfigError
from trivium.evaluate.standard.task import Item, Judged, Output, StandardTask
from trivium.llm.calls import Backend, Reply

JUDGES = ("rules", "teacher")
TEACHER_CONTEXT = 4096
"""Instruction, reply and notes; longer ones are refused by the server and stay without a verdict."""

Known = tuple[StandardTask, Item, Output]


def check(tasks: Sequence[StandardTask], judge: str) -> None:
    """Refuse a task that needs a judge without one, before anything is asked.

    Raises:
        ConfigError: There is no judge, or an unknown one.
    """
    needing = [task.name for task in tasks if task.ask_judge is not None]
    if needing and not judge:
        raise ConfigError(
            f"--judge: got none for {', '.join(needing)}; expected rules, teacher or an address such as "
            "http://127.0.0.1:8000/v1."
        )
    if judge and judge not in JUDGES and not judge.startswith(("http://", "https://")):
        raise ConfigError(f"--judge: got {judge!r}; expected rules, teacher or an address.")


def judge_all(out: Path, known: Sequence[Known], judge: str) -> list[Judged]:
    """Return the verdict on every output, in order; a judge's calls are kept in OUT/judge.sqlite."""
    asked = [(task, item, output) for task, item, output in known if task.ask_judge is not None]
    replies = iter(_ask(out, asked, judge) if asked else [])
    return [
        task.mark(item, output, next(replies)) if task.mark is not None else task.judge(item, output)
        for task, item, output in known
    ]


def _ask(out: Path, asked: Sequence[Known], judge: str) -> list[list[Reply]]:
    from trivium.llm import CallCache, ask

    groups = [task.ask_judge(item, output) for task, item, output in asked if task.ask_judge is not None]
    with CallCache(out / "judge.sqlite") as cache, opened(judge) as backend:
        rest = iter(ask([one for group in groups for one in group], backend, cache))
    return [[next(rest) for _ in group] for group in groups]


@contextmanager
def opened(judge: str) -> Iterator[Backend]:
    """Yield a judge by its name or address; its key is read from OPENAI_API_KEY."""
    backend = _backend(judge)
    try:
        yield backend
    finally:
        backend.close()


def _backend(judge: str) -> Backend:
    from trivium.llm.backends.llama_cpp import LlamaCpp
    from trivium.llm.backends.openai_http import OpenAIHTTP
    from trivium.llm.judge_rules import rules
    from trivium.llm.teacher import HOW_TO_GET, find_weights

    if judge == "rules":
        return rules()
    if judge != "teacher":
        return OpenAIHTTP(judge, "", api_key=os.environ.get("OPENAI_API_KEY", ""))
    weights = find_weights()
    if weights is None:
        raise ConfigError(f"--judge teacher: got no local teacher; expected its weights; {HOW_TO_GET}.")
    return LlamaCpp(weights, context=TEACHER_CONTEXT)
