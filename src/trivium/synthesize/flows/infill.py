"""Fill-in-the-middle reasoning: take a step out of a worked solution and reason it back from the rest.

Phi-4 report, appendix D.2. Several solvers see the problem and the steps around the gap. Kept is a gap that
some of them close with the right value and some do not: one that all close teaches nothing, one that none
closes may not be determined by the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.equations import false_equation
from trivium.synthesize.session import Session
from trivium.synthesize.votes import same_answer

SOLVERS = 4
GAP = "[missing step]"
_NOTE = re.compile(r"<<([^<>=]*)=([^<>]*)>>")


@dataclass(frozen=True, slots=True)
class Gap:
    """A solution with one step taken out."""

    shown: str
    step: str
    value: str
    """What the step finds."""


async def grow(at: Session) -> list[Example]:
    """Cut a step, let solvers put it back, compare the value."""
    gap = cut(at.seed.solution, at.random.random())
    if isinstance(gap, str):
        at.object_if("cut", gap, at.seed.solution)
        return []
    replies = [
        await at.draw(
            "fill",
            n,
            max_tokens=70,
            stop=("\n",),
            question=at.seed.text,
            solution=gap.shown,
        )
        for n in range(SOLVERS)
    ]
    right = [reply for reply in replies if closes(reply, gap)]
    at.object_if("fill", "closed by nobody" if not right else None, "\n".join(replies))
    at.object_if("fill", "closed by everybody" if len(right) == SOLVERS else None, "\n".join(replies))
    asked = f"{at.seed.text}\n\n{gap.shown}\n\nWhat is the missing step?"
    meta = {"value": gap.value, "solved": len(right), "solvers": SOLVERS}
    return [
        at.chat(asked, f"{gap.step}\nAnswer: {gap.value}", difficulty=1 - len(right) / SOLVERS, meta=meta)
    ]


def cut(solution: str, place: float) -> Gap | str:
    """Take out a step that finds a value and is not the last; return why not if there is none.

    Args:
        solution: One step a line; `<<expression=value>>` marks what a step finds (GSM8K's notes).
        place: Which of the able steps, in [0, 1).
    """
    lines = [line for line in solution.split("\n") if line.strip()]
    able = [i for i, line in enumerate(lines[:-1]) if _NOTE.search(line)]
    if not able:
        return "no step to take out"
    index = able[int(place * len(able))]
    value = _NOTE.findall(lines[index])[-1][1].strip()
    clean = [_NOTE.sub("", line).strip() for line in lines]
    if wrong := false_equation(" \n ".join(clean)):
        return f"false equation in the solution: {wrong}"
    if value not in words.numbers(clean[index]):
        return "the step does not say its value"
    if any(words.copied_share(clean[index], other, 4) > 0.7 for i, other in enumerate(clean) if i != index):
        return "the step stands elsewhere too"
    shown = "\n".join(GAP if i == index else line for i, line in enumerate(clean))
    return Gap(shown, clean[index], value)


def closes(reply: str, gap: Gap) -> bool:
    """Say whether a reply finds the value of the gap, by sums that hold and in words that are a step."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", reply)
    return (
        bool(found)
        and same_answer(found[-1], gap.value)
        and false_equation(reply) is None
        and len(found) > 1
        and not filters.bad_form(reply.rstrip(". ") + ".")
    )
