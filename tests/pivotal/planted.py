"""A policy whose success probabilities are known exactly, so that every claim of the search can be checked.

A reply has one token for each position of a table and a stop token. A position offers tokens with their
sampling probabilities and what each does to the chance of success; the last position says right or wrong.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trivium.models.sample import Completion, Request
from trivium.models.sample_draw import uniforms
from trivium.pivotal.rollouts import Policy, Problem
from trivium.records import Verdict

STOP, RIGHT, WRONG = 1, 2, 3
POSITIONS = 10
BUDGET = POSITIONS + 2


@dataclass(frozen=True)
class Option:
    token: int
    prob: float
    factor: float
    """What is left of the chance of success after this token."""


@dataclass
class Table:
    """Options by position for one question. Token ids of positions do not overlap."""

    options: list[list[Option]]

    def after(self, reply: Sequence[int]) -> float:
        """Exact probability of success after these tokens."""
        if len(reply) > len(self.options):
            return float(reply[len(self.options)] == RIGHT)
        chance = 1.0
        for position, options in enumerate(self.options):
            if position < len(reply):
                chance *= next(o.factor for o in options if o.token == reply[position])
            else:
                chance *= sum(o.prob * o.factor for o in options)
        return chance

    def next_probs(self, reply: Sequence[int]) -> list[tuple[int, float]]:
        if len(reply) < len(self.options):
            return [(o.token, o.prob) for o in self.options[len(reply)]]
        if len(reply) == len(self.options):
            chance = self.after(reply)
            return [(RIGHT, chance), (WRONG, 1 - chance)]
        return [(STOP, 1.0)]


def make_table(seed: int) -> Table:
    """Fillers without effect, certain tokens, slips (rare and fatal) and choices (both common)."""
    rng = random.Random(seed)
    kinds = ["certain", "filler", "filler", "slip", "slip", "choice"]
    options = []
    for position in range(POSITIONS):
        first = 10 * (position + 1)
        kind = rng.choice(kinds)
        if kind == "certain":
            options.append([Option(first, 1.0, 1.0)])
        elif kind == "filler":
            options.append([Option(first, 0.6, 1.0), Option(first + 1, 0.4, 1.0)])
        elif kind == "slip":
            pi = rng.choice([0.7, 0.8, 0.9])
            options.append([Option(first, pi, 1.0), Option(first + 1, 1 - pi, 0.05)])
        else:
            options.append(
                [Option(first, 0.5, 0.95), Option(first + 1, 0.3, 0.3), Option(first + 2, 0.2, 0.9)]
            )
    return Table(options)


def pick(offers: list[tuple[int, float]], draw: float) -> tuple[int, float]:
    for token, prob in offers:
        draw -= prob
        if draw < 0:
            return token, prob
    return offers[-1]


@dataclass
class Planted:
    """Questions with their tables, and a policy over them that counts what is asked of it."""

    tables: dict[int, Table]
    asked: Counter[tuple[int, ...]] = field(default_factory=Counter)

    @classmethod
    def make(cls, count: int, seed: int = 0) -> Planted:
        return cls({1000 + i: make_table(seed * 10_000 + i) for i in range(count)})

    @property
    def problems(self) -> list[Problem]:
        return [Problem(f"q{prompt}", (prompt, 7), "", "planted") for prompt in self.tables]

    def table(self, problem: Problem) -> Table:
        return self.tables[problem.prompt_ids[0]]

    def policy(self, seed: int = 0) -> Policy:
        return Policy(self.sample, self.judge, frozenset({STOP}), BUDGET, seed)

    def judge(self, replies: Sequence[tuple[Problem, Sequence[int]]]) -> list[Verdict]:
        assert not any(STOP in reply for _, reply in replies)
        return [Verdict.RIGHT if RIGHT in reply else Verdict.WRONG for _, reply in replies]

    def sample(self, requests: Sequence[Request]) -> list[Completion]:
        return [self._complete(request) for request in requests]

    def _complete(self, request: Request) -> Completion:
        self.asked[request.prefix_ids] += 1
        table = self.tables[request.prefix_ids[0]]
        reply, logprobs = list(request.prefix_ids[2:]), []
        start, budget = len(reply), request.max_new_tokens
        draws = uniforms(np.full(budget, request.seed, np.uint64), np.arange(budget)).tolist()
        while len(logprobs) < budget:
            token, prob = pick(table.next_probs(reply), draws[len(logprobs)])
            logprobs.append(math.log(prob))
            if token == STOP:
                return Completion(tuple(reply[start:]), tuple(logprobs), "eos", STOP)
            reply.append(token)
        return Completion(tuple(reply[start:]), tuple(logprobs), "length")
