"""The stage table in words, and what it is checked for."""

import itertools

import pytest

from trivium.evaluate import checks, table
from trivium.evaluate.estimate import TableRow

ORDER = ("base", "midtrain", "sft", "dpo1", "dpo2")

GOOD = {
    ("contest", "accuracy"): dict(base=0.3, midtrain=0.4, sft=0.5, dpo1=0.55, dpo2=0.55),
    ("contest", "accuracy_sampled"): dict(base=0.2, midtrain=0.3, sft=0.4, dpo1=0.45, dpo2=0.46),
    ("recall_4x", "accuracy"): dict(base=0.1, midtrain=0.9, sft=0.8, dpo1=0.8, dpo2=0.8),
    ("facts_unknown", "wrong"): dict(base=1.0, midtrain=0.9, sft=0.3, dpo1=0.3, dpo2=0.2),
    ("facts_known", "right"): dict(base=0.6, midtrain=0.8, sft=0.75, dpo1=0.75, dpo2=0.74),
    ("instructions", "strict"): dict(base=0.1, midtrain=0.2, sft=0.6, dpo1=0.59, dpo2=0.6),
}


def row(stage, task, metric, value, n):
    low, high = value - 0.02, value + 0.02
    return TableRow(stage=stage, task=task, metric=metric, value=value, low=low, high=high, n=n, seed=0)


def rows_of(values, n=2400):
    rows = []
    for (task, metric), stages in values.items():
        rows += [row(stage, task, metric, value, n) for stage, value in stages.items()]
        for before, after in itertools.pairwise(stages):
            gap = stages[after] - stages[before]
            rows.append(row(after, task, f"{metric}_minus_previous", gap, n))
    return sorted(rows, key=lambda row: ORDER.index(row.stage))


def failing(values, n=2400):
    return {check.name for check in checks.checks(rows_of(values, n)) if not check.holds}


def changed(task, metric, **stages):
    return {**GOOD, (task, metric): {**GOOD[task, metric], **stages}}


def test_a_sound_table_passes_every_check():
    found = checks.checks(rows_of(GOOD))
    assert len(found) == 10 and all(check.holds for check in found)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (changed("contest", "accuracy", midtrain=0.3), "contest accuracy: base < midtrain"),
        (changed("contest", "accuracy", sft=0.39), "contest accuracy: base < midtrain"),
        (changed("contest", "accuracy_sampled", dpo1=0.4), "contest accuracy_sampled: base"),
        (changed("contest", "accuracy_sampled", dpo1=0.41), "dpo1 gains on the contest"),
        (changed("contest", "accuracy", sft=0.81, dpo1=0.9), "contest is hard enough"),
        (changed("recall_4x", "accuracy", base=0.31), "recall at 4x"),
        (changed("recall_4x", "accuracy", midtrain=0.79), "recall at 4x"),
        (changed("facts_unknown", "wrong", dpo2=0.37), "wrong on unknowable facts"),
        (changed("facts_known", "right", dpo2=0.71), "right on known facts"),
        (changed("instructions", "strict", dpo1=0.2, dpo2=0.2), "strict instruction following rises"),
        (changed("instructions", "strict", dpo1=0.55, dpo2=0.55), "dpo1 does not lower"),
        (changed("instructions", "strict", dpo2=0.5), "dpo2 does not lower"),
    ],
)
def test_each_check_fails_alone_on_its_smallest_trigger(values, words):
    assert any(name.startswith(words) for name in failing(values))


def test_a_gain_on_too_few_problems_does_not_hold():
    assert {name for name in failing(GOOD, n=1999) if "gains" in name}


def test_checks_without_numbers_are_left_out():
    only_base = {key: {"base": stages["base"]} for key, stages in GOOD.items()}
    assert checks.checks(rows_of(only_base)) == []


def test_text_and_markdown_show_the_same_numbers():
    rows = rows_of(GOOD)
    text, markdown = table.to_text(rows), table.to_markdown(rows)
    for shown in ("contest, greedy", "30.0 [28.0, 32.0]", "recall at 4x context", "dpo2", "2,400"):
        assert shown in text and shown in markdown
    assert len({line.count("|") for line in markdown.splitlines()}) == 1


def test_a_stage_without_a_task_shows_a_dash():
    rows = rows_of({("contest", "accuracy"): {"base": 0.3, "sft": 0.5}, ("bogus", "refused"): {"sft": 0.9}})
    line = next(line for line in table.to_text(rows).splitlines() if line.startswith("bogus"))
    assert line.split()[3] == "-" and "90.0" in line


def test_bits_per_byte_are_shown_unscaled():
    rows = rows_of({("bits_per_byte", "web_rewrites"): {"base": 2.125}})
    assert "bits per byte, web rewrites  2.125 [2.105, 2.145]" in table.to_text(rows)
