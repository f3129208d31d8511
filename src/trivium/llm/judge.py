"""Which of two replies is better: a judge asked in both orders, so that no place wins by itself.

A judge is any backend: an endpoint, the local teacher, or `judge_rules`, which answers the same requests by
rules. Faults come before the verdict, as in the Phi-4 report's judge (Appendix A.2). What a judge does by
itself, favouring a place or the longer reply, is measured on pairs that people have labelled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.llm.cache import CallCache
from trivium.llm.calls import Backend, Reply, Request
from trivium.llm.client import ask
from trivium.records import Message

INSTRUCTION, FIRST, SECOND = "## Instruction\n", "\n\n## Reply A\n", "\n\n## Reply B\n"
QUESTION = (
    "\n\n## Your task\nWhich reply follows the instruction better, A or B? Judge what is said, not how much, "
    'and not where it stands. Answer in JSON: {"better": "A"} or {"better": "B"}.'
)
SCHEMA = json.dumps(
    {"type": "object", "properties": {"better": {"enum": ["A", "B"]}}, "required": ["better"]}
)
UNREAD = "?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Versus:
    """Two replies to one instruction."""

    instruction: str
    one: str
    other: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """What a judge said of one pair: A or B with `one` first, the same with `one` second."""

    forward: str
    backward: str

    @property
    def worth(self) -> float:
        """How `one` fares: 1 if it is better in both orders, 0 if in none; an unread verdict is half."""
        return (_worth(self.forward, "A") + _worth(self.backward, "B")) / 2

    @property
    def consistent(self) -> bool:
        """Whether the order changed nothing."""
        return self.worth in (0, 1)


def _worth(said: str, own: str) -> float:
    return 0.5 if said == UNREAD else float(said == own)


def request_for(pair: Versus, *, model: str = "", swapped: bool = False) -> Request:
    """Return what the judge is asked about a pair, greedily."""
    first, second = (pair.other, pair.one) if swapped else (pair.one, pair.other)
    text = f"{INSTRUCTION}{pair.instruction}{FIRST}{first}{SECOND}{second}{QUESTION}"
    return Request(messages=(Message(role="user", content=text),), model=model, max_tokens=16, schema=SCHEMA)


def letter(reply: Reply) -> str:
    """Read a verdict: the JSON that was asked for, or the last letter that stands alone in brackets."""
    if found := re.search(r'"better"\s*:\s*"([AB])"', reply.text):
        return found[1]
    alone = re.findall(r"\[\[?([AB])\]?\]", reply.text)
    return alone[-1] if alone else UNREAD


def rule_on(
    pairs: Sequence[Versus], backend: Backend, cache: CallCache | None = None, *, model: str = ""
) -> list[Ruling]:
    """Ask a judge about every pair in both orders."""
    requests = [request_for(pair, model=model, swapped=back) for pair in pairs for back in (False, True)]
    said = [letter(reply) for reply in ask(requests, backend, cache)]
    return [Ruling(forward=a, backward=b) for a, b in zip(said[::2], said[1::2], strict=True)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bias:
    """What a judge is worth on labelled pairs."""

    accuracy: list[float]
    """Worth of each pair's labelled winner, over both orders."""
    consistent: float
    """Share of pairs on which the order changed nothing."""
    first: float
    """Share of verdicts for the first place; one half is none preferred."""
    longer: float
    """Share of verdicts for the longer reply."""
    longer_due: float
    """Share of pairs whose labelled winner is the longer one: what an unbiased judge of them would give."""
    unread: float
    """Share of verdicts that could not be read."""


def measure(pairs: Sequence[Versus], rulings: Sequence[Ruling], one_wins: Sequence[bool]) -> Bias:
    """Hold a judge's rulings against labels.

    Args:
        pairs: What was judged.
        rulings: What was said.
        one_wins: The labels: whether `one` is the better reply.
    """
    worths = [ruling.worth for ruling in rulings]
    said = [letter for ruling in rulings for letter in (ruling.forward, ruling.backward)]
    read = max(1, sum(letter != UNREAD for letter in said))
    uneven = [
        (worth, len(pair.one) > len(pair.other), wins)
        for pair, worth, wins in zip(pairs, worths, one_wins, strict=True)
        if len(pair.one) != len(pair.other)
    ]
    count = max(1, len(uneven))
    return Bias(
        accuracy=[w if wins else 1 - w for w, wins in zip(worths, one_wins, strict=True)],
        consistent=sum(ruling.consistent for ruling in rulings) / max(1, len(rulings)),
        first=sum(letter == "A" for letter in said) / read,
        longer=sum(worth if longer else 1 - worth for worth, longer, _ in uneven) / count,
        longer_due=sum(longer == wins for _, longer, wins in uneven) / count,
        unread=1 - read / max(1, len(said)) if said else 0.0,
    )
