"""Story sentences of the word problems, by operation family.

Slots: {n} the owner, {o} another person, {it} the things, {x} the starting number, {a} the operand. A
training sentence is a core behind one of many openers, so that a reader learns which words carry the
operation and which do not. The contest set states the same operations in sentences that no training problem
uses.
"""

from __future__ import annotations

import random

Sentences = dict[str, tuple[str, ...]]

PLACES = ("On Monday", "On Friday", "At home", "At school", "At the shop", "In the garden", "One day")
TURNS = ("Then", "Next,", "Soon", "Later", "Now", "After that,", "In a game", "In the end,", "The next day")
OPENERS = {"start": PLACES, "ask": ("Now", "In the end,", "After that,")}
"""What may stand before a core of these families; before all others, every place and turn."""
BARE_FRAC = 0.5
"""Share of the sentences that stand without an opener."""

_TAKEN = ("{a} {it}", "{a} of them", "{a} of the {it}")
_GIVEN = ("{a} {it}", "{a} more", "{a} more {it}", "another {a} {it}")
_ALL = ("them", "the {it}")


def _forms(cores: tuple[str, ...], objects: tuple[str, ...]) -> tuple[str, ...]:
    """Every core with every object in the place of its star."""
    return tuple(core.replace("*", thing) for core in cores for thing in objects)


CORES: Sentences = {
    "start": (
        "{n} has {x} {it}",
        "{n} starts with {x} {it}",
        "{n} counts {x} {it}",
        "{n} brings {x} {it} along",
        "{n} is given {x} {it}",
        "{n} carries {x} {it} home",
        "{n} and {o} see {x} {it}",
        "there are {x} {it} in the bag of {n}",
        "there are {x} {it} on the table of {n}",
        "{n} keeps {x} {it} in a box",
        "{x} {it} belong to {n}",
        "a shelf of {n} holds {x} {it}",
    ),
    "add": _forms(
        (
            "{n} finds *",
            "{n} buys *",
            "{n} makes *",
            "{n} picks up *",
            "{n} wins * in a game",
            "{n} gets * from {o}",
            "{n} is given *",
            "{o} gives {n} *",
            "{o} adds *",
            "{o} brings {n} *",
            "* come in the mail",
            "* are put on top",
        ),
        _GIVEN,
    ),
    "sub": _forms(
        (
            "{n} loses *",
            "{n} sells *",
            "{n} uses up *",
            "{n} gives * to {o}",
            "{n} gives * away",
            "{n} throws * out",
            "{n} leaves * behind",
            "{o} takes *",
            "{o} breaks *",
            "{o} buys * from {n}",
            "* break",
            "* are lost",
            "* go missing",
        ),
        _TAKEN,
    ),
    "mul": (
        "{n} gets {a} times as many {it}",
        "{n} ends up with {a} times as many",
        "{n} owns {a} times as many {it} as before",
        "there are {a} times as many {it}",
        "the number of {it} grows {a} times",
        "their number becomes {a} times as large",
        "each of them turns into {a} {it}",
        "each of the {it} becomes {a}",
        "{n} trades every one for {a} {it}",
        "{n} trades each of the {it} for {a} new ones",
        "{o} swaps each one for {a} {it}",
        "{o} gives {n} {a} {it} for every one",
        "a trick makes {a} {it} out of each",
        "{n} cuts each of the {it} into {a}",
    ),
    "double": (
        "the number of {it} doubles",
        "the {it} double",
        "{o} doubles the {it}",
        "{n} doubles the number",
        "{n} gets twice as many {it}",
        "there are twice as many",
        "{n} owns twice as many {it} as before",
        "{o} gives {n} as many again",
        "{n} finds as many {it} again",
        "{n} buys as many again",
        "as many {it} come in the mail again",
    ),
    "half": _forms(
        (
            "half of * break",
            "half of * are lost",
            "half of * go missing",
            "{n} gives half of * to {o}",
            "{n} loses half of *",
            "{n} sells half of *",
            "{n} keeps only half of *",
            "{n} throws half of * out",
            "{n} uses up half of *",
            "{o} takes half of *",
        ),
        _ALL,
    ),
    "share": _forms(
        (
            "{n} shares * with friends in {a} equal parts and keeps one part",
            "{n} splits * into {a} equal piles and keeps one pile",
            "{n} cuts * into {a} equal parts and takes one part",
            "{n} puts * in {a} equal boxes and keeps one box",
            "{o} splits * into {a} equal parts and leaves {n} one part",
            "{o} makes {a} equal piles of * and {n} takes one pile",
            "{a} friends share * and {n}, who is one of them, keeps one equal part",
        ),
        _ALL,
    ),
    "ask": (
        "how many {it} does {n} have?",
        "how many {it} does {n} have now?",
        "how many {it} does {n} have in the end?",
        "how many {it} are there now?",
        "how many {it} are left?",
        "how many of them are left?",
        "how many does {n} keep?",
        "what is the number of {it}?",
        "what is the number of {it} now?",
        "{n} has how many {it}?",
        "count the {it} of {n}.",
    ),
}
"""Training sentences without their opener and full stop."""

CONTEST: Sentences = {
    "start": (
        "At home {n} keeps {x} {it} in a bag.",
        "{n} owns {x} {it} on Monday.",
        "The box of {n} has {x} {it}.",
        "At school there are {x} {it} for {n}.",
    ),
    "add": (
        "In the mail {n} gets {a} more.",
        "{o} finds {a} {it} and gives them to {n}.",
        "Soon {n} wins {a} more {it}.",
        "At home {o} makes {a} new {it} for {n}.",
        "{n} buys {a} more at school.",
    ),
    "sub": (
        "{o} loses {a} of the {it}.",
        "At school {a} of them break.",
        "{n} throws {a} of the {it} away.",
        "Soon {n} sells {a} of them to {o}.",
        "In a game {o} takes {a} {it}.",
    ),
    "mul": (
        "Then {n} has {a} times as many.",
        "Every one turns into {a} at home.",
        "{n} swaps each of the {it} for {a}.",
        "{o} makes {a} {it} out of every one.",
    ),
    "double": (
        "Soon {o} doubles the number of {it}.",
        "At the shop {n} gets as many again.",
        "Now {n} has twice as many {it}.",
    ),
    "half": (
        "At school half of them are lost.",
        "{n} throws half of the {it} away.",
        "Soon {o} sells half of the {it}.",
    ),
    "share": (
        "At home {n} splits them into {a} equal piles and keeps one.",
        "With friends {n} makes {a} equal parts and gets one.",
        "{o} puts the {it} into {a} equal boxes and {n} takes one box.",
    ),
    "ask": (
        "In the end, how many {it} are there?",
        "How many of the {it} does {n} have now?",
        "What number of {it} is left for {n}?",
    ),
}

_OF_CONTEST = frozenset(sentence for family in CONTEST.values() for sentence in family)


def draw(rng: random.Random, family: str, *, contest: bool) -> tuple[str, str]:
    """Draw a sentence of a family with its slots open; returns it and the key of its core, such as `add3`."""
    pool = (CONTEST if contest else CORES)[family]
    index = rng.randrange(len(pool))
    sentence = pool[index] if contest else _open(rng, pool[index], OPENERS.get(family, PLACES + TURNS))
    return sentence, f"{family}{index}"


def _open(rng: random.Random, core: str, openers: tuple[str, ...]) -> str:
    """Put an opener before a core, or none; a sentence of the contest set is never made."""
    opener = rng.choice(openers) + " " if rng.random() >= BARE_FRAC else ""
    sentence = _told(opener + core)
    return _told(core) if sentence in _OF_CONTEST else sentence


def _told(text: str) -> str:
    """Begin with a capital and end with a mark."""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?" else ".")
