"""Staged orders with their control, arithmetic inside prose, votes, and alarms of diversity."""

from __future__ import annotations

from collections import Counter

import pytest

from trivium.records import Example
from trivium.synthesize.curriculum import LONG_TEXT, stages_table
from trivium.synthesize.diversity import LEAST_ROWS, alarms, measure
from trivium.synthesize.equations import false_equation
from trivium.synthesize.rows import plain
from trivium.synthesize.votes import same_answer, tally


def rows() -> list[Example]:
    short = [plain("f", "synthetic", f"row {n}", difficulty=n / 20) for n in range(20)]
    return short[::-1] + [
        plain("f", "synthetic", f"{n} " + "x" * LONG_TEXT, difficulty=0.1) for n in range(10)
    ]


def test_stages_go_from_easy_to_hard_with_replay_and_a_control_over_the_same_rows() -> None:
    made = rows()
    table = stages_table(made, 3).to_pylist()
    stages = [row["stage"] for row in table]
    assert stages == sorted(stages, key=("foundation", "reasoning", "long").index)
    hard = {row.id: row.difficulty for row in made}
    assert [hard[row["id"]] for row in table[:10]] == sorted(hard[row["id"]] for row in table[:10])
    assert max(hard[row["id"]] for row in table[:10]) <= 0.45
    again = Counter(row["id"] for row in table)
    assert set(again) == set(hard) and Counter(again.values()) == {1: 26, 2: 4}
    assert [row["rank"] for row in table] == list(range(34))
    assert (
        sorted(row["shuffled_rank"] for row in table)
        == list(range(34))
        != [r["shuffled_rank"] for r in table]
    )
    assert stages_table(made[::-1], 3).to_pylist() == table, "the order of what comes in does not matter"
    assert stages_table([], 0).num_rows == 0


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ("3 x 4 = 12 and 12 - 2 = 10", None),
        ("3 x 4 = 13", "3 x 4 = 13"),
        ("$48/2 = $24 clips", None),
        ("100 / 3 = 33.33", None),
        ("100 / 3 = 35", "100 / 3 = 35"),
        ("(2 + 3) * 4 = 20", None),
        ("1,000 + 24 = 1,024", None),
        ("x = 5 and y = 7", None),
        ("2 + 2 = 4 + 1", None),
        ("7 / 0 = 3", None),
        ("it is 5 - 7 = 2", "5 - 7 = 2"),
    ],
)
def test_false_equations(text: str, false: str | None) -> None:
    assert false_equation(text) == false


def test_votes_are_counted_by_equivalence_and_what_cannot_be_read_is_no_vote() -> None:
    votes = tally(["12", "12.0", "", "$12", "13", "a dozen", "A dozen."])
    assert votes.clusters == ((0, 1, 3), (5, 6), (4,)) and votes.unparsed == 1
    assert (votes.share, votes.margin) == (0.5, 1)
    assert tally([]).share == 0.0 and tally([""]).margin == 0
    assert same_answer("1/2", "0.5") and not same_answer("1/2", "0.6")


def test_alarms_of_a_prompt_that_has_collapsed() -> None:
    same = [f"Once upon a time there was a small town and {n} people" for n in range(LEAST_ROWS)]
    assert alarms(same) and "100%" in alarms(same)[0]
    assert alarms(same[:-1]) == [], "too few rows say nothing"
    varied = [" ".join(f"{letter}{n}" for letter in "abcdefghijkl") for n in range(LEAST_ROWS)]
    assert alarms(varied) == []
    assert measure(varied)["entropy"] > measure(same)["entropy"]
    assert measure([])["rows"] == 0
