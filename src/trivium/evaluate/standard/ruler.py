"""RULER's needles and chains at 1,024 to 4,096 nominal tokens; nothing is read, every item is made here.

Three kinds of Hsieh et al. 2024 (arXiv 2404.06654), with its words: a number among repeated noise, a uuid
among distracting uuids, and a chain of variables. Lengths are nominal: `TOKEN_CHARACTERS` characters count as
a token, so that a task asks every model the same. The length of an item is its group; the key-value
recall of Liu et al. is `kv_retrieval` in `reasoning`.
"""

from __future__ import annotations

import json
import random
import string
import uuid
from collections.abc import Callable

from trivium.evaluate.standard.task import (
    GENERATE,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    make_item,
)  # fmt: skip
from trivium.records import Verdict

LENGTHS = (1024, 2048, 4096)
ITEMS = 50
"""Of each length."""
TOKEN_CHARACTERS = 4
SEED = 20_240_404
HOPS = 4
"""Assignments of a chain after its first, as in the harness."""

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
ADJECTIVES = (
    "amber brisk calm daring early fuzzy gentle hollow icy jolly keen lively mellow noble odd".split()
)
NOUNS = "anchor basket candle desert engine forest garden harbor island jacket kettle lantern meadow".split()

Made = tuple[str, list[str]]
"""A prompt and the words that a reply has to hold."""


def needle(rng: random.Random, tokens: int) -> Made:
    """A number of seven digits somewhere among repeated noise (niah_single_1)."""
    key, value = f"{rng.choice(ADJECTIVES)}-{rng.choice(NOUNS)}", str(rng.randint(1_000_000, 9_999_999))
    lines = [NOISE] * (tokens * TOKEN_CHARACTERS // (len(NOISE) + 1))
    lines.insert(rng.randrange(len(lines) + 1), _hidden("numbers", key, value))
    return _asked("number", key, lines), [value]


def uuids(rng: random.Random, tokens: int) -> Made:
    """A uuid under a uuid among others of the same sentence (niah_multikey_3)."""
    size = len(_hidden("uuids", _uuid(rng), _uuid(rng))) + 1
    pairs = [(_uuid(rng), _uuid(rng)) for _ in range(max(2, tokens * TOKEN_CHARACTERS // size))]
    key, value = rng.choice(pairs)
    return _asked("uuid", key, [_hidden("uuids", *pair) for pair in pairs]), [value]


def chain(rng: random.Random, tokens: int) -> Made:
    """Five variables that all have one value, told hop by hop among repeated noise (vt)."""
    names = ["".join(rng.choices(string.ascii_uppercase, k=5)) for _ in range(HOPS + 1)]
    value = rng.randint(10_000, 99_999)
    told = [f"VAR {names[0]} = {value}"]
    told += [f"VAR {after} = VAR {before}" for before, after in zip(names, names[1:], strict=False)]
    lines = [NOISE] * max(HOPS + 1, tokens * TOKEN_CHARACTERS // (len(NOISE) + 1))
    places = sorted(rng.sample(range(len(lines)), HOPS + 1), reverse=True)
    for place, line in zip(places, told[::-1], strict=True):
        lines.insert(place, line)
    text = "\n".join(lines)
    prompt = (
        "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
        f"{text}\nQuestion: Find all variables that are assigned the value {value} in the text above. "
        "Answer: According to the chain(s) of variable assignment in the text above, "
        f"{HOPS + 1} variables are assigned the value {value}, they are:"
    )
    return prompt, names


def _hidden(kind: str, key: str, value: str) -> str:
    return f"One of the special magic {kind} for {key} is: {value}."


def _asked(kind: str, key: str, lines: list[str]) -> str:
    text = "\n".join(lines)
    return (
        f"A special magic {kind} is hidden within the following text. Make sure to memorize it. I will quiz "
        f"you about the {kind} afterwards.\n{text}\nWhat is the special magic {kind} for {key} mentioned in "
        f"the provided text? The special magic {kind} for {key} mentioned in the provided text is"
    )


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def make(name: str, maker: Callable[[random.Random, int], Made]) -> Callable[[Rows], list[Item]]:
    """Return the function that makes a task's items, shortest first; it reads no rows."""

    def read(rows: Rows) -> list[Item]:
        items: list[Item] = []
        for number in range(ITEMS):  # lengths take turns, so that --limit keeps them all
            for tokens in LENGTHS:
                prompt, wanted = maker(random.Random(f"{name} {tokens} {number} {SEED}"), tokens)
                n = len(items)
                facts = json.dumps(wanted)
                items.append(make_item(name, n, prompt=prompt, facts=facts, group=str(tokens)))
        return items

    return read


def judge(item: Item, output: Output) -> Judged:
    """The share of the wanted words that the reply holds; right is all of them."""
    wanted = json.loads(item.facts)
    share = sum(word.casefold() in output.reply.casefold() for word in wanted) / len(wanted)
    verdict = Verdict.RIGHT if share == 1 else Verdict.WRONG
    return Judged(verdict=verdict, scores=[Score("recall", share), Score("accuracy", float(share == 1))])


TASKS = tuple(
    StandardTask(
        name=name,
        follows=f"{theirs} of RULER (arXiv 2404.06654), made with our own seed; lengths are nominal",
        kind=GENERATE,
        files={},
        hub={},
        read=make(name, maker),
        judge=judge,
        metrics=("recall", "accuracy"),
        max_tokens=budget,
    )
    for name, theirs, maker, budget in (
        ("ruler_niah_single", "niah_single_1", needle, 128),
        ("ruler_niah_uuid", "niah_multikey_3", uuids, 128),
        ("ruler_vt", "vt", chain, 60),
    )
)
