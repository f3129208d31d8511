"""Agent trajectories into self-contained reasoning: the calls are run again, then told without the tool.

A worked solution with calculator notes is a trajectory: calls and observations. A call whose result does not
hold is thrown out before anybody writes about it; the retelling must use every observation, invent no number,
hold in every equation, end in the same answer and never speak of a tool that its reader does not have.
"""

from __future__ import annotations

import re

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.equations import false_equation, value_of
from trivium.synthesize.session import WRITE, Session, quoted
from trivium.synthesize.votes import same_answer
from trivium.verify.final import marked_answer

_CALL = re.compile(r"<<([^<>=]*)=([^<>]*)>>")
_TOOL = re.compile(
    r"\b(?:calculator|tool|api|observation|function call|the call|call(?:s|ed|ing) (?:the|returned)|agent"
    r"|returned|output of)\b",
    re.IGNORECASE,
)
LEAST_CALLS = 2
SMALL = frozenset({"0", "1", "2", "10", "100"})
"""Numbers that a retelling may bring in: halves, doubles, percentages."""


async def grow(at: Session) -> list[Example]:
    """Replay the calls, have them retold, compare."""
    calls = [(call.strip(), value.strip()) for call, value in _CALL.findall(at.seed.solution)]
    at.object_if("replay", unsound(calls), at.seed.solution)
    log = quoted([f"calculator({call}) returned {value}" for call, value in calls])
    told = await at.ask(
        "retell",
        max_tokens=220,
        sampling=WRITE,
        stop=("\n\n\n",),
        question=at.seed.text,
        log=log,
        answer=at.seed.answer,
    )
    at.object_if("retell", objection(told, at.seed.text, calls, at.seed.answer), told)
    meta = {"calls": [f"{call} = {value}" for call, value in calls], "answer": at.seed.answer}
    return [at.chat(at.seed.text, told, difficulty=min(len(calls) / 8, 1.0), meta=meta)]


def unsound(calls: list[tuple[str, str]]) -> str | None:
    """Say which call does not return what the trajectory says, or that there are too few."""
    if len(calls) < LEAST_CALLS:
        return "too few calls"
    for call, value in calls:
        if value_of(call) is None:
            return f"a call that cannot be run: {call}"
        if false_equation(f"{call} = {value}"):
            return f"a result that does not hold: {call} = {value}"
    return None


def objection(told: str, question: str, calls: list[tuple[str, str]], answer: str) -> str | None:
    """Say what is wrong with a retelling."""
    if match := _TOOL.search(told):
        return f"speaks of the tool: {match.group(0).lower()}"
    final = marked_answer(told)
    if final is None or not same_answer(final, answer):
        return "another answer, or none"
    if wrong := false_equation(told):
        return f"false equation: {wrong}"
    steps = told.rpartition("Answer:")[0] or told
    known = words.numbers(question) | {n for call, value in calls for n in words.numbers(f"{call} {value}")}
    if strange := sorted(words.numbers(told) - known - SMALL - words.numbers(answer)):
        return f"new number: {strange[0]}"
    if missing := [value for _, value in calls if not words.numbers(value) <= words.numbers(steps)]:
        return f"a step left out: {missing[0]}"
    if filters.bad_form(" ".join(steps.split()).rstrip(".") + "."):
        return "form"
    return None
