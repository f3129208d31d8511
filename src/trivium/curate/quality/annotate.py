"""Labels from a language model: a question about each text, and the yes or no in its reply."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.llm.cache import CallCache
from trivium.llm.calls import Backend, Request
from trivium.llm.client import ask
from trivium.records import Message

QUESTION = (
    "Below is an extract from a document.\n\n---\n{text}\n---\n\n"
    "Would this extract help a student to learn a subject, because it explains or teaches something? "
    "Answer with one word, yes or no."
)
"""Asked of the annotator unless another question is given; {text} stands for the extract."""
MAX_CHARS = 1_200
"""Characters of a text that the annotator reads."""
MAX_TOKENS = 6


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the annotator said of a row."""

    row: int
    label: bool | None
    """None: neither yes nor no."""
    reply: str


def choose_rows(sources: Sequence[str], count: int, seed: int) -> list[int]:
    """Draw rows to annotate, as many of each source as there are; in order.

    Args:
        sources: Source of each row.
        count: Rows wanted.
        seed: Of the draw.
    """
    rng = random.Random(seed)
    queues: dict[str, list[int]] = {}
    for row in rng.sample(range(len(sources)), len(sources)):
        queues.setdefault(sources[row], []).append(row)
    chosen: list[int] = []
    while len(chosen) < count and any(queues.values()):
        for source in sorted(queues):
            if queues[source] and len(chosen) < count:
                chosen.append(queues[source].pop())
    return sorted(chosen)


def annotate(
    texts: Sequence[str], rows: Sequence[int], backend: Backend, question: str = QUESTION,
    cache: CallCache | None = None, model: str = "", on_reply: Callable[[], None] | None = None,
) -> list[Annotation]:  # fmt: skip
    """Ask about some of the texts; a killed call goes on from its cache.

    Args:
        texts: All texts.
        rows: Which of them to ask about.
        backend: The annotator.
        question: With {text} in it; the reply is to begin with yes or no.
        cache: Keeps replies.
        model: Name of the model at a remote endpoint.
        on_reply: Called after every reply.
    """
    requests = [
        Request(
            messages=(Message(role="user", content=question.replace("{text}", texts[row][:MAX_CHARS])),),
            model=model,
            max_tokens=MAX_TOKENS,
        )
        for row in rows
    ]
    replies = ask(requests, backend, cache, on_reply=on_reply)
    return [Annotation(row, read(reply.text), reply.text) for row, reply in zip(rows, replies, strict=True)]


def read(reply: str) -> bool | None:
    """Read yes or no from the first word of a reply."""
    words = reply.lower().replace("*", " ").split()
    first = words[0].strip(".,!:;\"'") if words else ""
    return {"yes": True, "no": False}.get(first)


def agreement(said: Sequence[bool], known: Sequence[bool]) -> dict[str, float | int]:
    """Return how often two lists of labels agree, and Cohen's kappa (0: no better than by chance)."""
    count = len(said)
    if not count:
        return {"rows": 0, "agree": 0.0, "kappa": 0.0}
    agree = sum(a == b for a, b in zip(said, known, strict=True)) / count
    yes, known_yes = sum(said) / count, sum(known) / count
    chance = yes * known_yes + (1 - yes) * (1 - known_yes)
    kappa = (agree - chance) / (1 - chance) if chance < 1 else 1.0
    return {"rows": count, "agree": round(agree, 4), "kappa": round(kappa, 4), "yes": round(yes, 4),
            "known_yes": round(known_yes, 4)}  # fmt: skip
