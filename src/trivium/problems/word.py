"""Verified word problems of 1-8 steps, each a chain of operations told as a story.

A problem is a pure function of its seed. Its numbers decide its split (a hash of the operation chain), so
train and exam never share a chain; the contest is of exam chains told with sentences, names and things that
no training problem uses, so it measures transfer and not recall.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trivium.problems import solutions, stories
from trivium.problems.vocabulary import CONTEST_NAMES, CONTEST_THINGS, TRAIN_NAMES, TRAIN_THINGS
from trivium.records import Question, row_id

LARGEST = 999
METHOD_SHARES = {"longhand": 0.2, "steps": 0.45, "skip": 0.2, "direct": 0.15}
"""How often authors write each method; `steps` is the commonest, so greedy decoding finds it."""

_WEIGHTS = {"add": 6, "sub": 6, "mul": 2, "double": 1, "half": 2, "share": 1}
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "double": "*", "half": "/", "share": "/"}


@dataclass(frozen=True, slots=True)
class Chain:
    """A starting number and the operations done to it, as (family, operand)."""

    start: int
    moves: tuple[tuple[str, int], ...]

    @property
    def operations(self) -> list[solutions.Operation]:
        """The moves as (sign, operand)."""
        return [(_SIGNS[family], operand) for family, operand in self.moves]


def make(
    seed: int,
    count: int,
    *,
    split: str = "train",
    steps: tuple[int, int] = (1, 6),
    method_shares: Mapping[str, float] = METHOD_SHARES,
) -> list[Question]:
    """Return `count` distinct verified word problems.

    Args:
        seed: decides every problem; the same seed gives the same list.
        count: how many.
        split: `train`, `exam` (same sentences, other numbers) or `contest` (other sentences, names, things).
        steps: least and greatest number of operations, drawn evenly; 1-8.
        method_shares: relative weight of each method of `solutions.METHODS` in the worked solutions.
    """
    rng = random.Random(f"word-{split}-{seed}")
    found: dict[str, Question] = {}
    while len(found) < count:
        question = _question(rng, split, rng.randint(*steps), method_shares)
        if question is not None:
            found.setdefault(question.prompt, question)
    return list(found.values())


def held_out(signature: str) -> bool:
    """Say whether a problem with this signature belongs to the exam and contest side (1 in 10)."""
    return hashlib.blake2b(signature.encode(), digest_size=4).digest()[0] % 10 == 0


def _question(rng: random.Random, split: str, steps: int, shares: Mapping[str, float]) -> Question | None:
    chain = draw_chain(rng, steps)
    if held_out(repr((chain.start, chain.operations))) != (split != "train"):
        return None
    prompt, template = _story(rng, chain, split)
    method = rng.choices(list(shares), weights=list(shares.values()))[0]
    answer = solutions.results(chain.start, chain.operations)[-1]
    solution = solutions.solve(chain.start, chain.operations, method)
    wrong = solutions.errors_in(solution, answer)
    assert not wrong, (prompt, solution, wrong)
    return Question(
        id=row_id("problems.word", [], prompt),
        prompt=prompt,
        answer=str(answer),
        verifier="number",
        skill="word",
        difficulty=steps,
        template=template,
        solution=solution,
        method=method,
        meta=json.dumps({"start": chain.start, "operations": chain.operations}),
    )


def draw_chain(rng: random.Random, steps: int) -> Chain:
    """Draw a chain whose values all stay within 1..LARGEST."""
    value = start = rng.randint(2, 40)
    moves = []
    for _ in range(steps):
        choices = dict(_possible(rng, value))
        family = rng.choices(list(choices), weights=[_WEIGHTS[name] for name in choices])[0]
        moves.append((family, choices[family]))
        value = solutions.results(value, [(_SIGNS[family], choices[family])])[-1]
    return Chain(start, tuple(moves))


def _possible(rng: random.Random, value: int) -> Iterator[tuple[str, int]]:
    """Yield the families that keep the value within 1..LARGEST, each with an operand."""
    if value <= LARGEST - 50:
        yield "add", rng.randint(2, 50)
    if value > 2:
        yield "sub", rng.randint(1, min(value - 1, 60))
    factor = rng.randint(3, 6)
    if value * factor <= 300:
        yield "mul", factor
    if value <= 150:
        yield "double", 2
    if value % 2 == 0 and value > 2:
        yield "half", 2
    divisors = [d for d in range(3, 10) if value % d == 0 and value > d]
    if divisors:
        yield "share", rng.choice(divisors)


def _story(rng: random.Random, chain: Chain, split: str) -> tuple[str, str]:
    """Tell the chain; return the prompt and the key of the sentences used, such as `start0 add3 ask1`."""
    contest = split == "contest"
    owner, other = rng.sample(CONTEST_NAMES if contest else TRAIN_NAMES, 2)
    things = rng.choice(CONTEST_THINGS if contest else TRAIN_THINGS)
    told, keys = [], []
    for family, operand in (("start", chain.start), *chain.moves, ("ask", 0)):
        sentence, key = stories.draw(rng, family, contest=contest)
        told.append(sentence.format(n=owner, o=other, it=things, x=chain.start, a=operand))
        keys.append(key)
    return " ".join(told), ("contest " if contest else "") + " ".join(keys)
