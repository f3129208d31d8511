"""Numbers of the table: values, intervals and paired differences."""

import numpy as np
import pytest

from trivium.evaluate import estimate
from trivium.evaluate.logs import (
    GREEDY,
    SAMPLED,
    ItemLog,
    Measure,
    accuracy_measures,
    right,
    verdict_measures,
)
from trivium.records import Verdict
from trivium.stats import wilson


def log(stage: str, item: str, verdict: str = "right", *, mode: str = GREEDY, group: str = "") -> ItemLog:
    return ItemLog(
        stage=stage, task="t", item_id=item, cluster=item, group=group, mode=mode, verdict=verdict,
        value=float(verdict == "right"), weight=1.0, reply="", detail="", num_tokens=1, finish="eos",
    )  # fmt: skip


ACCURACY = Measure(metric="accuracy", mode=GREEDY, value_of=right)


def cell(values, weights=None, clusters=None):
    weights = weights or [1.0] * len(values)
    clusters = clusters or [str(i) for i in range(len(values))]
    return {str(i): row for i, row in enumerate(zip(values, weights, clusters, strict=True))}


def test_a_plain_proportion_gets_the_wilson_interval():
    assert estimate.estimate(cell([1.0] * 7 + [0.0] * 3)) == (0.7, *wilson(7, 10))


def test_weights_count():
    value, low, high = estimate.estimate(cell([2.0, 5.0], weights=[3.0, 1.0]))
    assert value == pytest.approx(2.75) and low < value < high


def test_copies_in_one_cluster_do_not_narrow_the_interval():
    values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    value, low, high = estimate.estimate(cell(values * 5, clusters=[str(i) for i in range(8)] * 5))
    once_low, once_high = wilson(5, 8)
    assert value == 0.625 and low < once_low and high > once_high


def test_clusters_that_all_agree_count_once_each():
    _, low, high = estimate.estimate(cell([0.0] * 40, clusters=[str(i // 5) for i in range(40)]))
    assert (low, high) == wilson(0, 8)


def test_clustered_intervals_cover_the_truth():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(600):
        chance = rng.beta(2, 2, size=60)
        values = (rng.random((60, 5)) < chance[:, None]).astype(float)
        clusters = [str(i) for i in range(60) for _ in range(5)]
        _, low, high = estimate.estimate(cell(values.ravel().tolist(), clusters=clusters))
        held += low <= 0.5 <= high
    assert 0.92 <= held / 600 <= 0.98


def test_the_paired_difference_is_the_difference_over_shared_items():
    after, before = cell([1.0, 1.0, 0.0, 1.0]), cell([0.0, 1.0, 0.0, 0.0])
    before["only before"] = (0.0, 1.0, "x")
    value, low, high = estimate.difference(after, before, seed=0)
    assert value == pytest.approx(0.5) and low <= value <= high
    assert estimate.difference(after, after, seed=0) == (0.0, 0.0, 0.0)


def test_pairing_removes_what_items_share():
    rng = np.random.default_rng(1)
    before = (rng.random(400) < 0.5).astype(float)
    after = np.where(rng.random(400) < 0.05, 1.0, before)
    _, low, high = estimate.difference(cell(after.tolist()), cell(before.tolist()), seed=0)
    _, free_low, free_high = estimate.estimate(cell(after.tolist()))
    assert high - low < 0.6 * (free_high - free_low)


def test_each_stage_gets_a_row_and_each_step_a_difference():
    logs = [log("base", "a", "wrong"), log("base", "b"), log("sft", "a"), log("sft", "b")]
    rows = estimate.table_rows(["base", "midtrain", "sft"], "t", logs, [ACCURACY], seed=3)
    found = {(row.stage, row.metric): row for row in rows}
    assert set(found) == {("base", "accuracy"), ("sft", "accuracy"), ("sft", "accuracy_minus_previous")}
    assert found["sft", "accuracy_minus_previous"].value == 0.5
    assert {row.seed for row in rows} == {3} and {row.n for row in rows} == {2}


def test_verdict_shares_add_up_to_one():
    logs = [log("sft", str(i), verdict) for i, verdict in enumerate([*Verdict, Verdict.WRONG])]
    rows = estimate.table_rows(["sft"], "t", logs, verdict_measures(logs), seed=0)
    assert [row.metric for row in rows] == [str(verdict) for verdict in Verdict]
    assert sum(row.value for row in rows) == pytest.approx(1.0, abs=1e-5)


def test_accuracy_is_broken_down_by_group_and_mode():
    logs = [
        log("sft", "a", group="1_step"),
        log("sft", "b", "wrong", group="2_steps"),
        log("sft", "b", mode=SAMPLED, group="2_steps"),
    ]
    rows = estimate.table_rows(["sft"], "t", logs, accuracy_measures(logs), seed=0)
    values = {row.metric: (row.value, row.n) for row in rows}
    assert values["accuracy"] == (0.5, 2) and values["accuracy_2_steps"] == (0.0, 1)
    assert values["accuracy_sampled"] == (1.0, 1) and "accuracy_sampled_1_step" not in values
