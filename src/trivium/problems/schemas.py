"""Word problems of one or two steps by the schemas that textbooks know, with the unknown in any place.

Change, combine and compare (Riley, Greeno & Heller 1983, "Development of children's problem-solving ability
in arithmetic"), equal groups and rates; a third of them also state a number that nobody needs. For models
that speak English already: the chains of `problems.word` always ask for the end of a story.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trivium.problems.solutions import evaluate
from trivium.problems.vocabulary import TRAIN_NAMES, TRAIN_THINGS
from trivium.records import Question, row_id

LARGEST = 2_000
EXTRA_FRAC = 0.33
"""Share of the problems that state a number which is not needed."""
LARGE_FRAC = 0.15
"""Share of the problems whose amounts may have three digits."""

HOLDERS = ("boxes", "bags", "baskets", "packs", "rows", "jars")
THINGS = (
    *(thing for thing in TRAIN_THINGS if thing not in HOLDERS),
    *("stickers", "pencils", "cookies", "balloons", "tickets", "roses", "toy cars", "bottles"),
)
KINDS = (("red", "blue"), ("big", "small"), ("old", "new"), ("green", "yellow"), ("round", "flat"))
GAINS = (
    ("bought", "buy"), ("found", "find"), ("made", "make"), ("won", "win"), ("picked up", "pick up"),
    ("was given", "get"), ("collected", "collect"),
)  # fmt: skip
LOSSES = (
    ("gave away", "give away"), ("lost", "lose"), ("sold", "sell"), ("threw out", "throw out"),
    ("used up", "use up"), ("sent off", "send off"),
)  # fmt: skip
WHENS = ("yesterday", "on Sunday", "last week", "in the morning", "this month", "at the fair")
EXTRAS = (
    "{o} has {x} {z}.", "{n} has {x} {z}.", "It took {x} minutes.", "{n} is {x} years old.",
    "There are {x} {z} on the table.", "The shop is {x} miles away.", "{o} saw {x} birds {when}.",
)  # fmt: skip

FACTORS, SIZES = "mk", "gh"
"""Slots of numbers of groups, and of what is in a group; the others are amounts."""

Step = tuple[str, str]
"""What is worked out, in words, and the expression, whose slots may be earlier results r1, r2."""


class Case(NamedTuple):
    """One schema with one unknown."""

    schema: str
    told: tuple[str, ...]
    asks: tuple[str, ...]
    steps: tuple[Step, ...]


CASES = (
    Case("change", ("{n} had {a} {it}.", "{n} {got} {b} more {when}."),
         ("How many {it} does {n} have now?", "How many {it} are there in all now?"),
         (("{n} started with {a} {it} and {got} {b} more", "a + b"),)),
    Case("change", ("{n} {got} {b} {it} {when}.", "Now {n} has {c} {it}."),
         ("How many {it} did {n} have before that?", "How many {it} did {n} start with?"),
         (("Before that there were {b} fewer than the {c} now", "c - b"),)),
    Case("change", ("{n} had {a} {it}.", "{n} {got} some more {when} and has {c} now."),
         ("How many {it} did {n} {get}?", "How many more {it} did {n} {get}?"),
         (("The number grew from {a} to {c}", "c - a"),)),
    Case("change", ("{n} had {a} {it}.", "{n} {lost} {b} of them {when}."),
         ("How many {it} are left?", "How many {it} does {n} still have?"),
         (("{n} had {a} and {lost} {b}", "a - b"),)),
    Case("change", ("{n} {lost} {b} {it} {when}.", "Now {n} has {c} {it} left."),
         ("How many {it} did {n} have at first?", "How many {it} were there to begin with?"),
         (("At first there were the {c} that are left and the {b} that are gone", "c + b"),)),
    Case("change", ("{n} had {a} {it} {when}.", "After {n} {lost} some of them, {c} were left."),
         ("How many {it} did {n} {lose}?", "How many of the {it} are gone?"),
         (("The number fell from {a} to {c}", "a - c"),)),
    Case("combine", ("{n} has {a} {p} {it} and {b} {q} {it}.",),
         ("How many {it} does {n} have in all?", "How many {it} is that together?"),
         (("All {it} are the {p} ones and the {q} ones", "a + b"),)),
    Case("combine", ("{n} has {c} {it}.", "{a} of them are {p} and the others are {q}."),
         ("How many {q} {it} does {n} have?", "How many of the {it} are {q}?"),
         (("The {q} ones are all but the {p} ones", "c - a"),)),
    Case("combine", ("{n} has {a} {it}.", "{o} has {b} {it}."),
         ("How many {it} do {n} and {o} have together?", "What is the total number of {it}?"),
         (("Together they have", "a + b"),)),
    Case("combine", ("{n} and {o} have {c} {it} together.", "{a} of them belong to {n}."),
         ("How many {it} does {o} have?", "How many of the {it} belong to {o}?"),
         (("{o} has what is not of {n}", "c - a"),)),
    Case("compare", ("{n} has {a} {it} and {o} has {b}.",),
         ("How many more {it} does {n} have than {o}?", "How many fewer {it} does {o} have than {n}?"),
         (("The difference between {a} and {b}", "a - b"),)),
    Case("compare", ("{n} has {a} {it} and {b} {j}.",),
         ("How many more {it} than {j} does {n} have?", "What is the difference between the two numbers?"),
         (("The {it} are more by", "a - b"),)),
    Case("compare", ("{n} has {a} {it}.", "{o} has {b} more {it} than {n}."),
         ("How many {it} does {o} have?",),
         (("{o} has {b} more than {a}", "a + b"),)),
    Case("compare", ("{n} has {a} {it}.", "{o} has {b} fewer {it} than {n}."),
         ("How many {it} does {o} have?",),
         (("{o} has {b} fewer than {a}", "a - b"),)),
    Case("compare", ("{n} has {a} {it}.", "That is {b} more than {o} has."),
         ("How many {it} does {o} have?",),
         (("{n} has {b} more than {o}, so {o} has {b} fewer than {n}", "a - b"),)),
    Case("compare", ("{n} has {a} {it}.", "That is {b} fewer than {o} has."),
         ("How many {it} does {o} have?",),
         (("{n} has {b} fewer than {o}, so {o} has {b} more than {n}", "a + b"),)),
    Case("compare", ("{n} needs {c} {it} but has only {a} so far.",),
         ("How many more {it} does {n} need?", "How many {it} are missing?"),
         (("What is missing up to {c}", "c - a"),)),
    Case("times", ("{n} has {a} {it}.", "{o} has {m} times as many."),
         ("How many {it} does {o} have?",),
         (("{o} has {m} times {a}", "m * a"),)),
    Case("times", ("{n} has {c} {it}, which is {m} times as many as {o} has.",),
         ("How many {it} does {o} have?",),
         (("{c} is {m} times what {o} has", "c / m"),)),
    Case("groups", ("There are {m} {box}.", "In each of them are {g} {it}."),
         ("How many {it} are there?", "What is the number of {it} in all?"),
         (("{m} times {g} {it}", "m * g"),)),
    Case("groups", ("{n} puts {c} {it} into {box}, {g} in each.",),
         ("How many {box} does {n} need?", "How many {box} are filled?"),
         (("{c} {it} in groups of {g}", "c / g"),)),
    Case("groups", ("{n} puts {c} {it} into {m} {box}, the same number in each.",),
         ("How many {it} are in each of the {box}?", "How big is each group?"),
         (("{c} {it} in {m} equal parts", "c / m"),)),
    Case("groups", ("{n} shares {c} {it} equally among {m} friends.",),
         ("How many {it} does each friend get?",),
         (("{c} {it} for {m} friends", "c / m"),)),
    Case("rate", ("{n} buys {m} {it} for {g} dollars each.",),
         ("How many dollars does {n} pay?", "What is the total cost in dollars?"),
         (("{m} times {g} dollars", "m * g"),)),
    Case("rate", ("{n} pays {c} dollars for {m} {it} of the same price.",),
         ("How many dollars does each cost?",),
         (("{c} dollars for {m} {it}", "c / m"),)),
    Case("rate", ("{n} reads {g} pages a day.", "The book has {c} pages."),
         ("How many days does {n} need for the book?",),
         (("{c} pages at {g} a day", "c / g"),)),
    Case("rate", ("{n} earns {g} dollars an hour and worked {m} hours {when}.",),
         ("How many dollars did {n} earn?",),
         (("{m} hours at {g} dollars", "m * g"),)),
    Case("two", ("{n} had {a} {it}.", "{n} {got} {b} more {when} and then {lost} {c}."),
         ("How many {it} does {n} have now?",),
         (("After the first change", "a + b"), ("After the second", "r1 - c"))),
    Case("two", ("{n} bought {m} {box} with {g} {it} in each.", "{n} {lost} {b} of them {when}."),
         ("How many {it} are left?",),
         (("{n} bought", "m * g"), ("{b} of them are gone", "r1 - b"))),
    Case("two", ("{n} has {a} {it}.", "{o} has {b} more than {n}."),
         ("How many {it} do they have together?",),
         (("{o} has", "a + b"), ("Together they have", "a + r1"))),
    Case("two", ("{n} has {a} {p} and {b} {q} {it}.", "{n} puts them into {m} {box}, as many in each."),
         ("How many {it} are in each of the {box}?",),
         (("All {it} are", "a + b"), ("In each of the {box} are", "r1 / m"))),
    Case("two", ("{n} buys {m} {it} for {g} dollars each and {k} {j} for {h} dollars each.",),
         ("How many dollars does {n} pay in all?",),
         (("The {it} cost", "m * g"), ("The {j} cost", "k * h"), ("In all", "r1 + r2"))),
    Case("two", ("{n} has {c} dollars and buys {m} {it} for {g} dollars each.",),
         ("How many dollars are left?",),
         (("The {it} cost", "m * g"), ("What is left is", "c - r1"))),
)  # fmt: skip


def make(seed: int, count: int) -> list[Question]:
    """Return `count` distinct problems; the same seed gives the same list.

    The field `solution` says each step in words with its equation and ends in `The answer is N.`; `template`
    names the schema and the case.
    """
    rng = random.Random(f"schemas-{seed}")
    found: dict[str, Question] = {}
    while len(found) < count:
        place = rng.randrange(len(CASES))
        question = _question(rng, place, CASES[place])
        found.setdefault(question.prompt, question)
    return list(found.values())


def _question(rng: random.Random, place: int, case: Case) -> Question:
    numbers, values = _numbers(rng, case)
    words = _words(rng) | {slot: str(number) for slot, number in numbers.items()}
    told = list(case.told)
    if rng.random() < EXTRA_FRAC:
        told.insert(rng.choice((0, len(told))), rng.choice(EXTRAS))
    told.append(rng.choice(case.asks))
    lines = [
        f"{words_of.format(**words)}: {_written(expression, numbers, values)} = {value}."
        for (words_of, expression), value in zip(case.steps, values, strict=True)
    ]
    prompt = " ".join(told).format(**words)
    return Question(
        id=row_id("problems.schemas", [], prompt),
        prompt=prompt,
        answer=str(values[-1]),
        verifier="last_number",
        skill="word",
        difficulty=len(case.steps),
        template=f"{case.schema} {place}",
        solution="\n".join([*lines, f"The answer is {values[-1]}."]),
        method="schema",
        meta=json.dumps({"numbers": numbers}),
    )


def _words(rng: random.Random) -> dict[str, str]:
    """Draw what is not a number."""
    owner, other = rng.sample(TRAIN_NAMES, 2)
    things, others, besides = rng.sample(THINGS, 3)
    (got, get), (lost, lose) = rng.choice(GAINS), rng.choice(LOSSES)
    first, second = rng.choice(KINDS)
    return {
        "n": owner, "o": other, "it": things, "j": others, "z": besides, "p": first, "q": second,
        "got": got, "get": get, "lost": lost, "lose": lose, "box": rng.choice(HOLDERS),
        "when": rng.choice(WHENS), "x": str(rng.randint(2, 60)),
    }  # fmt: skip


def _numbers(rng: random.Random, case: Case) -> tuple[dict[str, int], list[int]]:
    """Draw numbers that differ until every step gives a whole number from 1 to LARGEST."""
    slots = sorted(set(re.findall(r"\b[a-z]\b", " ".join(step for _, step in case.steps))))
    amounts = 900 if rng.random() < LARGE_FRAC else 99
    most = {slot: 9 if slot in FACTORS else 25 if slot in SIZES else amounts for slot in slots}
    while True:
        numbers = {slot: rng.randint(2, most[slot]) for slot in slots}
        values = _values(case, numbers)
        if values and len(set(numbers.values())) == len(numbers):
            return numbers, values


def _values(case: Case, numbers: Mapping[str, int]) -> list[int]:
    """Work out the steps; nothing where one is not a number of things."""
    values: list[int] = []
    for _, expression in case.steps:
        value = evaluate(_written(expression, numbers, values))
        if value != int(value) or not 1 <= value <= LARGEST:
            return []
        values.append(int(value))
    return values


def _written(expression: str, numbers: Mapping[str, int], values: Sequence[int]) -> str:
    """Put numbers in the place of the slots, and earlier results in the place of r1, r2."""
    known = {**numbers, **{f"r{n}": value for n, value in enumerate(values, 1)}}
    return " ".join(str(known.get(part, part)) for part in expression.split())
