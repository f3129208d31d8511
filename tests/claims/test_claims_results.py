"""Verdicts, and what the claims read off scans and outcomes of known content."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trivium.claims import charts, claim_11, claim_12
from trivium.claims.measure import Outcome
from trivium.claims.pairs import capped, distinct, parted, whole_pairs
from trivium.claims.results import difference, finding, judge, matrices, num_problems
from trivium.claims.settings import TRAINED, ExperimentConfig, at_edge, settings_of
from trivium.records import Rollout


@pytest.mark.parametrize(
    ("low", "high", "threshold", "direction", "verdict"),
    [
        (0.01, 0.05, 0.0, "above", "holds"),
        (-0.05, -0.01, 0.0, "above", "fails"),
        (-0.01, 0.05, 0.0, "above", "undecided"),
        (0.0, 0.05, 0.0, "above", "undecided"),
        (-0.01, 0.05, -0.02, "above", "holds"),
        (0.02, 0.06, 0.1, "below", "holds"),
        (0.2, 0.3, 0.1, "below", "fails"),
    ],
)
def test_an_interval_decides_only_when_it_lies_on_one_side(
    low: float, high: float, threshold: float, direction: str, verdict: str
) -> None:
    assert judge(low, high, threshold, direction) == verdict


def test_one_seed_decides_nothing_about_training() -> None:
    sure = (0.05, 0.04, 0.06)
    verdicts = [finding(13, "s", "m", sure, n=9, seeds=seeds, trained=True).verdict for seeds in (1, 2)]
    assert verdicts == ["undecided", "holds"]
    assert finding(11, "s", "m", sure, n=9, seeds=1).verdict == "holds"


def test_an_interval_without_bounds_is_undecided_and_drawn_to_the_edges() -> None:
    row = finding(3, "s", "m", (8.0, -np.inf, np.inf), n=9, seeds=2, unit="share", threshold=0.5)
    assert row.verdict == "undecided"
    drawn = charts.figure([row])
    assert f'x1="{charts.LEFT}.0"' in drawn and f'x2="{charts.LEFT + charts.WIDTH}.0"' in drawn
    assert "nan" not in drawn and "inf" not in drawn


def test_a_figure_tells_lines_of_one_statement_apart() -> None:
    sure = (0.05, 0.04, 0.06)
    rows = [finding(13, "s", metric, sure, n=9, seeds=2) for metric in ("greedy", "at T=1")]
    rows.append(finding(13, "long words " * 12, "m", sure, n=9, seeds=2))
    assert [len(label) for label in charts.labels(rows)] == [1, 1, 2]
    drawn = charts.figure(rows)
    assert ">s, greedy<" in drawn and ">s, at T=1<" in drawn


def outcome(arm: str, seed: int, item: int, greedy: float, right: int) -> Outcome:
    return Outcome(
        arm=arm,
        seed=seed,
        item_id=f"i{item:03d}",
        greedy=greedy,
        right=right,
        samples=4,
        tokens=40,
        nats=8.0,
        greedy_tokens=10,
        kl_nats=0.5,
        kl_tokens=10,
    )


def test_differences_are_paired_by_problem_whatever_the_order() -> None:
    rows = [outcome("sft", 0, i, i % 2, i % 5) for i in range(40)]
    rows += [outcome("pivotal", s, i, 1.0 if i % 4 else i % 2, i % 5) for s in (0, 1) for i in range(40)][
        ::-1
    ]
    cells = matrices(rows)
    assert cells["pivotal"]["greedy"].shape == (2, 40)
    value, low, high = difference(cells, "pivotal", "sft", "greedy")
    assert value == pytest.approx(10 / 40)
    assert low < value < high
    assert difference(cells, "pivotal", "sft", "sampled") == (0.0, 0.0, 0.0)
    assert cells["sft"]["entropy"].mean() == pytest.approx(0.2)
    assert cells["sft"]["pass"].mean() == pytest.approx(32 / 40)


def test_spread_problems_are_paired_within_their_seed() -> None:
    rows = [outcome("sft", i // 20, i, i % 2, 0) for i in range(40)]
    rows += [outcome("pivotal", i // 20, i, 1.0 if i % 4 else i % 2, 0) for i in range(40)][::-1]
    cells = matrices(rows)
    assert cells["sft"]["greedy"].shape == cells["pivotal"]["greedy"].shape == (2, 20)
    assert difference(cells, "pivotal", "sft", "greedy")[0] == pytest.approx(10 / 40)
    assert [num_problems(cells["sft"]["greedy"], spread) for spread in (False, True)] == [20, 40]


def scanned(name: str, probs: list[float], values: list[float]) -> list[dict[str, Any]]:
    return [
        {"question_id": name, "place": i, "prob": prob, "p_before": values[i], "p_after": values[i + 1]}
        for i, prob in enumerate(probs)
    ]


def test_claim_11_counts_pivots_and_improbable_tokens() -> None:
    # Token 1 moves p by 0.3 and is likely enough to; token 3 is rare and moves nothing; token 4 seems to move
    # p by 0.2 but at probability 0.9 it cannot.
    rows = scanned("a", [1.0, 0.6, 1.0, 0.05, 0.9], [0.5, 0.5, 0.8, 0.8, 0.8, 1.0])
    assert [claim_11.moves(row, 0.2) for row in rows] == [False, True, False, False, False]
    few, common, rare = claim_11.findings(rows + scanned("b", [1.0] * 5, [0.4] * 6), 0.2)
    assert (few.value, common.value, rare.value) == (0.1, 0.0, 0.0)
    assert few.n == 2


def test_a_difference_of_exactly_the_gap_counts() -> None:
    assert claim_11.moves({"prob": 0.5, "p_before": 0.5, "p_after": 0.7}, 0.2)
    assert claim_11.moves({"prob": 0.5, "p_before": 0.7, "p_after": 0.5}, 0.2)


def test_claim_12_plays_both_cuts_on_the_scan() -> None:
    # All the log-probability is spent on the last four tokens, and p jumps at one of them.
    probs, values = [1.0] * 12 + [0.5] * 4, [0.4] * 15 + [0.9, 0.9]
    rows = scanned("a", probs, values)
    mass, count = (claim_12.search(rows, 0.2, by_count=flag) for flag in (False, True))
    assert mass[0] == count[0] == {14}
    assert (mass[1], count[1]) == (2, 4)
    found, fewer, more = claim_12.findings(rows, 0.2)
    assert found.value == 1.0
    assert fewer.value == mass[1] - count[1] < 0
    assert more.value == 0.0


def rollout(ids: list[int], verdict: str, question: str = "q", finish: str = "eos") -> Rollout:
    return Rollout(
        id=f"{question}{ids}", question_id=question, prefix_ids=[1, 2], completion_ids=ids,
        logprobs=[-0.5] * len(ids), verdict=verdict, finish=finish,
    )  # type: ignore[arg-type]  # fmt: skip


REPLIES = [
    rollout([5, 6, 9], "right"),
    rollout([5, 6, 9], "right"),
    rollout([5, 7, 9], "wrong"),
    rollout([5, 7, 8, 9], "refused"),
    rollout([5, 6, 8, 9], "right"),
    rollout([4, 9], "error"),
    rollout([5, 6, 3], "right", finish="length"),
]


def test_replies_are_used_once_and_only_when_finished_and_judged() -> None:
    kept = distinct(REPLIES, 8)
    assert [row.completion_ids for row in kept] == [[5, 6, 9], [5, 7, 9], [5, 7, 8, 9], [5, 6, 8, 9]]
    assert len(distinct(REPLIES, 1)) == 2
    pairs = whole_pairs(REPLIES, 8)
    assert [(p.chosen_ids, p.rejected_ids) for p in pairs] == [
        ([5, 6, 9], [5, 7, 9]),
        ([5, 6, 8, 9], [5, 7, 8, 9]),
    ]


def test_placebo_pairs_lie_where_right_and_wrong_replies_part() -> None:
    found = parted(REPLIES, 4, seed=0)
    assert [(p.prompt_ids, p.chosen_ids, p.rejected_ids) for p in found] == [([1, 2, 5], [6], [7])]
    assert parted(REPLIES, 8, seed=0) == []
    assert parted([row for row in REPLIES if row.verdict == "right"], 1, seed=0) == []


def test_no_question_gives_more_than_its_share() -> None:
    forks = [([5, 6, 8], "right"), ([5, 6, 9], "wrong"), ([5, 7, 8], "wrong"), ([5, 7, 9], "right")]
    pairs = [pair for q in "abc" for pair in parted([rollout(ids, v, q) for ids, v in forks], 2, 0)]
    assert len(pairs) == 9
    assert len(capped(pairs, 1, 9)) == 3
    assert len(capped(pairs, 9, 2)) == 2


def test_every_arm_chooses_from_as_much() -> None:
    for base in ("pocket", "pretrained"):
        full, small = (ExperimentConfig(grid=grid, base=base) for grid in ("full", "small"))
        sizes = {arm: len(settings_of(arm, full)) for arm in TRAINED}
        assert len({sizes[arm] for arm in TRAINED if arm != "rejection"}) == 1
        assert len({setting for arm in TRAINED for setting in settings_of(arm, full)}) == sum(sizes.values())
        by_rate = sorted(settings_of("pivotal", full), key=lambda setting: setting.learning_rate)
        assert at_edge(by_rate[0], full) and at_edge(by_rate[-1], full)
        (middle,) = settings_of("pivotal", small)
        assert not at_edge(middle, small)
        assert not at_edge(middle, full)
        rates = settings_of("whole", ExperimentConfig(grid="rates", base=base))
        assert len({setting.learning_rate for setting in rates}) == len(rates) == 5


def test_what_can_be_detected_is_larger_than_half_the_interval() -> None:
    # A standard error of 0.01: 1.96 of them on either side, and 1.96 + 0.84 are found four times in five.
    row = finding(13, "s", "m", (0.0, -0.0196, 0.0196), n=9, seeds=2, trained=True)
    assert row.detectable == pytest.approx(0.028, abs=1e-4)
    rng = np.random.default_rng(0)
    found = rng.normal(row.detectable, 0.01, 20_000) - 0.0196 > 0
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_entropies_are_those_of_the_next_token(finished_run: Any) -> None:
    import torch

    from trivium.claims.pairs import entropies
    from trivium.models.load import load_model

    model = load_model(finished_run / "10-sft" / "model")
    pairs = parted(REPLIES, 2, seed=0)
    got = entropies(model, pairs)
    for pair, value in zip(pairs, got, strict=True):
        with torch.no_grad():
            logps = model(input_ids=torch.tensor([pair.prompt_ids])).logits[0, -1].log_softmax(-1)
        assert value == pytest.approx(float(-(logps.exp() * logps).sum()), abs=1e-4)
    assert np.min(got) > 0
