"""E-values keep their promise at every null, and e-BH bounds the share of false pivots."""

import itertools
import math
import random

import pytest

from trivium.pivotal.discoveries import STEP, Settled, within
from trivium.pivotal.estimate import Estimate, known
from trivium.pivotal.false_discovery import discovery_levels, e_value
from trivium.records import Drop, PivotalToken, Preference, from_table, to_table

GAP = 0.2


def chance(count: int, right: int, p: float) -> float:
    return math.comb(count, right) * p**right * (1 - p) ** (count - right)


@pytest.mark.parametrize("low", [0.0, 0.1, 0.35, 0.5, 0.8])
@pytest.mark.parametrize("difference", [GAP, 0.1, 0.0, -0.3])
def test_expectation_is_at_most_one_at_every_null(low: float, difference: float) -> None:
    high = min(1.0, max(0.0, low + difference))
    n = 9
    mean = sum(
        chance(n, x, high) * chance(n, y, low) * e_value(Estimate(n, x), Estimate(n, y), GAP)
        for x, y in itertools.product(range(n + 1), repeat=2)
    )
    assert mean <= 1 + 1e-6


@pytest.mark.parametrize("p", [0.8, 0.9, 1.0])
def test_expectation_beside_a_finished_reply(p: float) -> None:
    ended, n = known(True), 9
    mean = sum(chance(n, y, p) * e_value(ended, Estimate(n, y), GAP) for y in range(n + 1))
    assert mean <= 1 + 1e-9
    assert e_value(ended, Estimate(n, 0), GAP) > 20
    assert e_value(Estimate(n, n), known(False), GAP) > 20


def test_two_finished_replies_are_certain() -> None:
    right, wrong = known(True), known(False)
    assert e_value(right, wrong, GAP) == math.inf
    assert e_value(wrong, right, GAP) == 0.0
    assert discovery_levels([math.inf]) == [0.0]


def test_what_could_not_be_judged_counts_against_the_pair() -> None:
    clear = e_value(Estimate(8, 8), Estimate(8, 0), GAP)
    assert clear > 100
    assert e_value(Estimate(6, 6, num_errors=2), Estimate(8, 0), GAP) < clear
    assert e_value(Estimate(8, 8), Estimate(6, 0, num_errors=2), GAP) < clear
    assert e_value(Estimate(8, 8), Estimate(4, 0), GAP) < clear


def test_levels_are_those_of_the_procedure() -> None:
    values = [100.0, 1.0, 40.0, 30.0, 0.0]
    levels = discovery_levels(values)
    for rate in (0.01, 0.05, 0.06, 0.2, 0.9):
        ranked = sorted(values, reverse=True)
        sizes = [k for k in range(1, 6) if ranked[k - 1] >= 5 / (rate * k)]
        assert sum(level <= rate for level in levels) == max(sizes, default=0)


def test_false_share_stays_below_the_rate_with_half_the_candidates_false() -> None:
    draw = random.Random(0)
    shares, sizes = [], []
    for _ in range(150):
        truths = [(0.95, 0.1), (0.9, 0.05), (0.5, 0.35), (0.6, 0.4)] * 10
        counts = [[sum(draw.random() < p for _ in range(16)) for p in pair] for pair in truths]
        levels = discovery_levels([e_value(Estimate(16, x), Estimate(16, y), GAP) for x, y in counts])
        taken = [index for index, level in enumerate(levels) if level <= 0.1]
        false = sum(index % 4 >= 2 for index in taken)
        shares.append(false / max(len(taken), 1))
        sizes.append(len(taken))
    assert sum(sizes) / len(sizes) > 15  # of 20 that are real
    assert sum(shares) / len(shares) <= 0.1


def pair(name: str, parents: list[str]) -> Preference:
    return Preference(
        id=name,
        question_id="q",
        prompt_ids=[1],
        chosen_ids=[2],
        rejected_ids=[3],
        origin="pivotal",
        gap=0.5,
        parents=parents,
    )


def candidate(name: str, decision: str, value: float) -> Settled:
    counts = {"chosen_rollouts": 8, "chosen_right": 7, "rejected_rollouts": 8, "rejected_right": 1}
    return Settled(id=name, question_id="q", decision=decision, e_value=value, **counts)


def token(name: str) -> PivotalToken:
    return PivotalToken(
        id=name,
        question_id="q",
        prefix_ids=[1],
        token_id=2,
        token_prob=0.3,
        prob_before=0.3,
        prob_after=0.8,
        low=0.3,
        high=0.6,
        alternatives=[],
    )


def test_a_rate_keeps_only_its_discoveries() -> None:
    rows = [candidate("a", "accept", 50.0), candidate("b", "accept", 2.0), candidate("c", "futile", 0.1)]
    tables = {
        "candidates": to_table(Settled, rows),
        "preferences": to_table(Preference, [pair("a", ["ta"]), pair("b", ["tb"])]),
        "pivotal_tokens": to_table(PivotalToken, [token("ta"), token("tb")]),
        "drops": to_table(Drop, []),
    }
    free = within(tables, 0.0)
    assert free["preferences"].num_rows == 2
    assert from_table(Settled, free["candidates"])[0].level == pytest.approx(3 / 50)
    held = within(tables, 0.1)
    assert [row.id for row in from_table(Preference, held["preferences"])] == ["a"]
    assert [row.id for row in from_table(PivotalToken, held["pivotal_tokens"])] == ["ta"]
    drops = from_table(Drop, held["drops"])
    assert [(drop.id, drop.step) for drop in drops] == [("b", STEP)]
