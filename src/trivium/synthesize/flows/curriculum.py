"""Scores for an order: how hard a problem is (by solving it), how deep (its steps), how good (by a rubric).

Phi-4 report, section 2.1. An easy-to-hard order helps only with a mild decay of the learning rate or averaged
checkpoints (arXiv:2511.18903), so `synthesize.curriculum.stages_table` always ships a
shuffled control beside it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from trivium.records import Example
from trivium.synthesize.equations import false_equation
from trivium.synthesize.rubrics import load
from trivium.synthesize.session import Session
from trivium.synthesize.votes import answer_in, same_answer

SOLVERS = 4
DEEPEST = 8
"""Steps that count as fully deep."""
WEIGHTS = {"difficulty": 0.5, "depth": 0.3, "quality": -0.2}
"""What each score adds to a row's place; a bad row comes late. Ours."""


async def grow(at: Session) -> list[Example]:
    """Check the worked solution, let solvers try, let a judge score; the row is both."""
    steps = [line for line in clean(at.seed.solution).split("\n") if line.strip()]
    at.object_if("seed", objection(steps, at.seed.answer), at.seed.solution)
    worked = "\n".join(steps)
    rubric = load("curriculum")
    said = await at.ask(
        "judge_quality", scored, max_tokens=60, schema=rubric.shape(),
        question=at.seed.text, solution=worked, dimensions=rubric.lines(),
    )  # fmt: skip
    scores, _ = rubric.read(json.dumps(said))
    at.object_if("quality", None if rubric.passes(scores) else "below the rubric's floors", worked)
    replies = [await at.draw("solve", n, max_tokens=150, question=at.seed.text) for n in range(SOLVERS)]
    right = sum(bool(found := answer_in(reply)) and same_answer(found, at.seed.answer) for reply in replies)
    quality = rubric.total(scores) / (3 * len(rubric.dimensions))
    parts = {"difficulty": 1 - right / SOLVERS, "depth": min(len(steps) / DEEPEST, 1.0), "quality": quality}
    place = sum(WEIGHTS[name] * value for name, value in parts.items()) + 0.2
    meta = {**{name: round(value, 3) for name, value in parts.items()}, "answer": at.seed.answer}
    return [
        at.chat(
            at.seed.text,
            f"{worked}\nAnswer: {at.seed.answer}",
            difficulty=round(min(max(place, 0), 1), 4),
            meta=meta,
        )
    ]


def clean(solution: str) -> str:
    """Return a solution without calculator notes."""
    return re.sub(r"<<[^<>]*>>", "", solution)


def objection(steps: list[str], answer: str) -> str | None:
    """Say why a problem cannot be scored."""
    if not answer or not steps:
        return "no worked solution with an answer"
    if wrong := false_equation(" \n ".join(steps)):
        return f"false equation in the solution: {wrong}"
    if (found := answer_in(steps[-1])) and not same_answer(found, answer) and answer not in steps[-1]:
        return "the solution ends in another answer"
    return None


def scored(reply: str) -> dict[str, Any]:
    """Read scores; raises ValueError unless every dimension has one."""
    data = json.loads(reply)
    names = {entry.name for entry in load("curriculum").dimensions}
    if not isinstance(data, dict) or not names <= set(data):
        raise ValueError(f"a JSON object with fault, {', '.join(sorted(names))} was expected")
    return data
