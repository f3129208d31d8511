"""Facts as documents: stated, asked, in one wording or many, right or with errors in the seeds.

A fact is an entry of one of Python's own tables. One seed draws which ones there are, which of them
fine-tuning shows, which of them the rewriter saw and which seeds are wrong.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence

from trivium.problems import facts
from trivium.problems.facts import Fact
from trivium.problems.wordings import TABLES

LINES = 8
"""Statements of one document."""
PAIRS = 4
"""Questions and answers of one document."""
CHOICES = 4
"""Values that a tested fact is chosen from, all of its own table."""
WRONG_SEEDS = 0.2
"""Part of the mentions of a fact that are wrong, in the claim about errors in seeds."""

Line = Callable[[random.Random, Fact], str]


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """Which facts there are."""

    shown: tuple[Fact, ...]
    """Asked in fine-tuning, so that every model learns the form."""
    tested: tuple[Fact, ...]
    seen: frozenset[str]
    """Ids of those that the rewriter saw: half of each."""

    @property
    def every(self) -> tuple[Fact, ...]:
        """All of them."""
        return (*self.shown, *self.tested)


def choose(count: int, seed: int) -> Facts:
    """Draw facts; a quarter is shown, half of each part is seen by the rewriter."""
    rows = sorted(facts.tables())
    random.Random(f"claims-facts-{seed}").shuffle(rows)
    rows = rows[:count]
    cut = len(rows) // 4
    shown, tested = rows[:cut], rows[cut:]
    seen = {fact.id for part in (shown, tested) for fact in part[::2]}
    return Facts(tuple(shown), tuple(tested), frozenset(seen))


def wrong_values(fact: Fact, seed: int) -> list[str]:
    """Other values of the fact's table, to choose from beside its own."""
    others = sorted({other.value for other in facts.tables() if other.table == fact.table} - {fact.value})
    return random.Random(f"claims-choices-{seed}-{fact.id}").sample(others, min(CHOICES - 1, len(others)))


def stated(rng: random.Random, fact: Fact) -> str:
    """State a fact in one of its table's wordings."""
    return rng.choice(TABLES[fact.table].statements).format(k=fact.key, v=fact.value)


def plain(_: random.Random, fact: Fact) -> str:
    """State a fact in the first wording: the original text."""
    return TABLES[fact.table].statements[0].format(k=fact.key, v=fact.value)


def asked(rng: random.Random, fact: Fact) -> str:
    """Ask for a fact in one of the training wordings and answer."""
    prompt = rng.choice(TABLES[fact.table].questions).format(k=fact.key)
    return f"Problem: {prompt}\nSolution: Answer: {fact.value}"


def documents(
    rows: Sequence[Fact], line: Line, rounds: int, seed: int, *, wrong: str = ""
) -> list[tuple[str, str]]:
    """Write documents in which every fact stands once a round, in company drawn anew.

    Args:
        rows: Facts.
        line: How one is put into words.
        rounds: How often each stands somewhere.
        seed: Draws company, wordings and errors.
        wrong: Empty for none; `mentions`: a part of the mentions is wrong, each for itself; `seeds`: of a
            part of the facts the one seed is wrong, and so is everything that was made from it.

    Returns:
        (name, text) of every document.
    """
    made = []
    size = PAIRS if line is asked else LINES
    joint = "\n\n" if line is asked else "\n"
    for number in range(rounds):
        rng = random.Random(f"claims-{line.__name__}-{wrong}-{seed}-{number}")
        order = list(rows)
        rng.shuffle(order)
        for start in range(0, len(order), size):
            group = [_maybe_wrong(fact, wrong, number, seed) for fact in order[start : start + size]]
            text = joint.join(line(rng, fact) for fact in group)
            made.append((f"{line.__name__}{wrong}-{number}-{start}", text))
    return made


def _maybe_wrong(fact: Fact, wrong: str, number: int, seed: int) -> Fact:
    """Give a fact another value of its table, as often as seeds are wrong."""
    if not wrong:
        return fact
    mention = f"{number}" if wrong == "mentions" else "the one seed"
    rng = random.Random(f"claims-wrong-{seed}-{fact.id}-{mention}")
    if rng.random() >= WRONG_SEEDS:
        return fact
    return dataclasses.replace(fact, value=rng.choice(wrong_values(fact, rng.randrange(1 << 30))))
