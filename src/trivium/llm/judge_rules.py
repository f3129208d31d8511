"""A judge of rules: the same requests as any judge, answered by faults that a program can find.

It lists the faults of both replies and prefers the one with fewer; between equals the one that takes up more
of the instruction's words, then the shorter. It knows no facts and runs nothing, so it is the floor that a
judge model has to beat; it has no favourite place by construction.
"""

from __future__ import annotations

import json
import re

from trivium.llm import marks
from trivium.llm.backends.scripted import Scripted
from trivium.llm.calls import Request
from trivium.llm.judge import FIRST, INSTRUCTION, QUESTION, SECOND

REFUSING = re.compile(r"^(i'?m sorry|i am sorry|sorry|i can'?t|i cannot|as an ai|unfortunately)\b", re.I)
WORD = re.compile(r"[a-z']{4,}|\d+", re.I)
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
COUNTED = re.compile(
    r"\b(\d{1,2}|" + "|".join(NUMBERS) + r")\s+(?:\w+\s+){0,2}?"
    r"(sentences?|words?|items|examples|reasons|ways|ideas|names|questions|bullet points|tips|steps)\b",
    re.I,
)
FAULT_COST = 3
"""Marks that a fault costs, of ten."""
LISTED = re.compile(r"^\s*(?:[-*\u2022]|\d+[.)])\s", re.M)
CODE = re.compile(r"\b(code|function|script|program|regex|sql|query|html|python|javascript|java)\b", re.I)
CODED = re.compile(r"```|[{};]|\bdef |\breturn\b|=>|==|\bselect\b.*\bfrom\b", re.I | re.S)


def faults(instruction: str, reply: str) -> list[str]:
    """List what is wrong with the form of a reply."""
    said = reply.strip()
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", said) if part.strip()]
    counted = COUNTED.search(instruction)
    found = {
        "empty": not said,
        "refuses": bool(REFUSING.match(said)),
        "repeats itself": len(set(sentences)) < len(sentences),
        "repeats the instruction": len(said) > 20 and said.casefold() in instruction.casefold(),
        "no code where code is asked for": bool(CODE.search(instruction)) and not CODED.search(said),
        "wrong count": counted is not None and not _counts(counted, said, sentences),
        "cut off": bool(said) and len(said) > 200 and said[-1].isalnum(),
    }
    return [fault for fault, present in found.items() if present]


def _counts(counted: re.Match[str], said: str, sentences: list[str]) -> bool:
    """Whether the reply has as many sentences, words or list entries as were asked for, or no list at all."""
    wanted = NUMBERS.get(counted[1].casefold()) or int(counted[1])
    kind = counted[2].casefold().rstrip("s")
    if kind == "sentence":
        return abs(len(sentences) - wanted) <= wanted // 4
    if kind == "word":
        return abs(len(said.split()) - wanted) <= max(1, wanted // 4)
    entries = len(LISTED.findall(said))
    return entries in (0, wanted)


def coverage(instruction: str, reply: str) -> float:
    """Share of the instruction's words of four letters or more, and numbers, that the reply takes up."""
    wanted = {word.casefold() for word in WORD.findall(instruction)}
    return len(wanted & {word.casefold() for word in WORD.findall(reply)}) / max(1, len(wanted))


def better(instruction: str, first: str, second: str) -> str:
    """Return A or B."""
    sides = [
        (len(faults(instruction, reply)), -round(coverage(instruction, reply), 2), len(reply), reply)
        for reply in (first, second)
    ]
    return "A" if sides[0] <= sides[1] else "B"


def answer(request: Request) -> str | None:
    """Answer a judge's request about a pair or a single reply; None for any other."""
    text = request.messages[0].content if request.messages else ""
    if not text.startswith(INSTRUCTION):
        return None
    instruction, _, rest = text.removeprefix(INSTRUCTION).partition(FIRST)
    if text.endswith(QUESTION) and SECOND in rest:
        first, _, second = rest.removesuffix(QUESTION).partition(SECOND)
        return json.dumps({"better": better(instruction, first, second)})
    instruction, _, rest = text.removeprefix(INSTRUCTION).partition(marks.REPLY)
    if not text.endswith(marks.QUESTION):
        return None
    reply = rest.removesuffix(marks.QUESTION).split(marks.NOTES)[0].split(marks.REFERENCE)[0]
    found = faults(instruction, reply)
    return json.dumps({"faults": found, "mark": max(marks.LEAST, marks.MOST - FAULT_COST * len(found))})


def rules() -> Scripted:
    """Return the judge as a backend."""
    return Scripted(function=answer, identity="judge_rules 1")
