"""Word problems of one or two steps by the schemas that textbooks know, with the unknown in any place.

Change, combine and compare (Riley, Greeno & Heller 1983, "Development of children's problem-solving ability
in arithmetic"), equal groups, rates and money; half of them also state numbers that nobody needs. For models
that speak English already: the chains of `problems.word` always ask for the end of a story.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence

from trivium.problems.schema_cases import CASES, FACTORS, SIZES, Case
from trivium.problems.solutions import evaluate
from trivium.problems.vocabulary import TRAIN_NAMES, TRAIN_THINGS
from trivium.records import Question, row_id

LARGEST = 2_000
EXTRA_FRAC = 0.33
"""Share of the problems that get a number which is not needed, of those whose case has none of its own."""
LARGE_FRAC = 0.25
"""Share of the problems whose amounts may have three digits."""
PRONOUN_FRAC, IF_FRAC = 0.5, 0.2
"""Share of the problems about one person who is named once, and of those whose question begins with `If`."""

MORE_WOMEN = ("Maria", "Sarah", "Linda", "Julia", "Laura", "Nina", "Ruth", "Tara")
NAMES = (*TRAIN_NAMES, *MORE_WOMEN, "David", "James", "Peter", "Mark", "Kevin")
SHE = frozenset(
    (*"Ann Cara Eve Gia Iris Kim Mia Ora Pam Rosa Una Vera Zoe Amy Cleo Dora Fay Hana".split(), *MORE_WOMEN)
)
"""Of the names, those that are taken up by `she`."""
PEOPLE = ("students", "visitors", "passengers", "players", "workers", "guests", "customers", "friends")
PLACES = (
    "in the park",
    "in the room",
    "at the fair",
    "on the bus",
    "in the shop",
    "in the hall",
    "at school",
)

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

OWNER = re.compile(r"(^|\b(?:Now|After|and|does|did) )\{n\} ")
OPENING = re.compile(r"\{n\} |There |A ")
ARTICLE = re.compile(r"^(?:There|A)\b")
UNNEEDED = re.compile(r"\{[xyw]\}")


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
    told = _told(rng, case)
    lines = [
        f"{words_of.format(**words)}: {_written(expression, numbers, values)} = {value}."
        for (words_of, expression), value in zip(case.steps, values, strict=True)
    ]
    prompt = told.format(**words)
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


def _told(rng: random.Random, case: Case) -> str:
    """Put the sentences together, with a number that nobody needs, pronouns and `If` now and then."""
    told, asked = list(case.told), rng.choice(case.asks)
    alone = "{o}" not in " ".join((*told, asked)) and "{n} " in told[0]
    named_once = alone and rng.random() < PRONOUN_FRAC
    if named_once:
        *told[1:], asked = (OWNER.sub(_pronoun, part) for part in (*told[1:], asked))
    if rng.random() < IF_FRAC and OPENING.match(told[-1]):
        last = ARTICLE.sub(lambda word: word[0].lower(), told.pop())
        asked = f"If {last[:-1]}, {asked[0].lower()}{asked[1:]}"
    if not UNNEEDED.search(" ".join(told)) and rng.random() < EXTRA_FRAC:
        told.insert(0 if named_once else rng.choice((0, len(told))), rng.choice(EXTRAS))
    return " ".join((*told, asked))


def _pronoun(found: re.Match[str]) -> str:
    return found[1] + ("{he} " if found[1] else "{He} ")


def _words(rng: random.Random) -> dict[str, str]:
    """Draw what no step needs: words, and numbers that are only told."""
    owner, other = rng.sample(NAMES, 2)
    things, others, besides = rng.sample(THINGS, 3)
    (got, get), (lost, lose) = rng.choice(GAINS), rng.choice(LOSSES)
    first, second = rng.choice(KINDS)
    he, least = "she" if owner in SHE else "he", rng.randint(2, 60)
    return {
        "n": owner, "o": other, "he": he, "He": he.title(), "u": rng.choice(PEOPLE),
        "place": rng.choice(PLACES), "it": things, "j": others, "z": besides, "p": first, "q": second,
        "got": got, "get": get, "lost": lost, "lose": lose, "box": rng.choice(HOLDERS),
        "when": rng.choice(WHENS), "x": str(least), "y": str(least + rng.randint(1, 60)),
        "w": str(rng.randint(2, 90)),
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
