"""Verified arithmetic: one or two operations on numbers of one to three digits, with a worked solution.

Drills are the cheapest practice of it: a chain of equations, each going on from the last value. Sheets are
practice for a model that speaks English: sums of no relation to each other, asked and answered line by line.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from trivium.problems import solutions
from trivium.problems.word import LARGEST, METHOD_SHARES, draw_chain, held_out
from trivium.records import Question, row_id

_ASKED = {
    "train": (
        "What is {e}?",
        "Compute {e}.",
        "Work out {e}.",
        "{e} = ?",
        "Find the value of {e}.",
        "How much is {e}?",
        "Solve {e}.",
        "Tell me {e}.",
    ),
    "contest": ("What do you get from {e}?", "Give the value of {e}.", "Now compute {e}."),
}

_SHEETS = ("Work out each line.", "Compute these.", "Solve every line.", "What are the results?")


def make(
    seed: int, count: int, *, split: str = "train", method_shares: Mapping[str, float] = METHOD_SHARES
) -> list[Question]:
    """Return `count` distinct verified arithmetic questions.

    Args:
        seed: decides every question; the same seed gives the same list.
        count: how many.
        split: `train`, `exam` (same wordings, other numbers) or `contest` (other wordings and numbers).
        method_shares: relative weight of each method of `solutions.METHODS` in the worked solutions.
    """
    rng = random.Random(f"arithmetic-{split}-{seed}")
    found: dict[str, Question] = {}
    while len(found) < count:
        question = _question(rng, split, method_shares)
        if question is not None:
            found.setdefault(question.prompt, question)
    return list(found.values())


def drills(seed: int, count: int, *, length: int) -> list[str]:
    """Return `count` drills of `length` equations each, with the operations of the word problems."""
    rng = random.Random(f"drills-{seed}")
    chains = (draw_chain(rng, length) for _ in range(count))
    return [
        f"Drill: {' '.join(line + '.' for line in solutions.equations(chain.start, chain.operations))}"
        for chain in chains
    ]


def sheets(seed: int, count: int, *, length: int) -> list[Question]:
    """Return `count` sheets of `length` sums each: the prompt lists them, the solution adds the results.

    Sums and differences of up to three digits in two of three lines, else products and exact quotients.
    """
    rng = random.Random(f"sheets-{seed}")
    return [_sheet(rng, length) for _ in range(count)]


def _sheet(rng: random.Random, length: int) -> Question:
    lines = [_line(rng) for _ in range(length)]
    prompt = "\n".join([rng.choice(_SHEETS), *(asked for asked, _ in lines)])
    return Question(
        id=row_id("problems.arithmetic.sheets", [], prompt),
        prompt=prompt,
        answer=str(lines[-1][1]),
        verifier="last_number",
        skill="arithmetic",
        difficulty=length,
        template="sheet",
        solution="\n".join(f"{asked} = {result}" for asked, result in lines),
        method="sheet",
    )


def _line(rng: random.Random) -> tuple[str, int]:
    """Draw one sum and its result, a whole number from 0 on."""
    sign = rng.choice("++--*/")
    if sign in "+-":
        left, right = (rng.randint(1, 10 ** rng.choice((1, 2, 2, 3)) - 1) for _ in range(2))
        left, right = (max(left, right), min(left, right)) if sign == "-" else (left, right)
        return f"{left} {sign} {right}", left + right if sign == "+" else left - right
    factor, other = rng.randint(2, 12), rng.randint(2, rng.choice((12, 99)))
    if sign == "*":
        return f"{factor} * {other}", factor * other
    return f"{factor * other} / {factor}", other


def _question(rng: random.Random, split: str, shares: Mapping[str, float]) -> Question | None:
    start, operations = _expression(rng)
    values = solutions.results(start, operations)
    if not all(0 <= value <= LARGEST for value in values):
        return None
    if held_out(repr((start, operations))) != (split != "train"):
        return None
    expression = solutions.merged(start, operations)
    asked = _ASKED["contest" if split == "contest" else "train"]
    index = rng.randrange(len(asked))
    prompt = asked[index].format(e=expression)
    method = rng.choices(list(shares), weights=list(shares.values()))[0]
    solution = solutions.solve(start, operations, method)
    wrong = solutions.errors_in(solution, values[-1])
    assert not wrong and solutions.evaluate(expression) == values[-1], (prompt, solution, wrong)
    return Question(
        id=row_id("problems.arithmetic", [], prompt),
        prompt=prompt,
        answer=str(values[-1]),
        verifier="number",
        skill="arithmetic",
        difficulty=len(operations),
        template=f"{'contest ' if split == 'contest' else ''}ask{index}",
        solution=solution,
        method=method,
    )


def _expression(rng: random.Random) -> tuple[int, list[solutions.Operation]]:
    """Draw a starting number and one or two operations; sums up to three digits, products by one digit."""
    start = rng.randint(1, 10 ** rng.randint(1, 3) - 1)
    operations: list[solutions.Operation] = []
    for _ in range(rng.randint(1, 2)):
        sign = rng.choice("++--*")
        digits = rng.randint(1, 3)
        operations.append((sign, rng.randint(2, 9) if sign == "*" else rng.randint(1, 10**digits - 1)))
    return start, operations
