"""Progress: what a person reads while a stage works."""

import pytest

from trivium.store.progress import BarProgress, PlainProgress, rate_text


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (12_345.6, "12,346/s"),
        (12.34, "12.3/s"),
        (1.0, "1.0/s"),
        (0.05, "3.0/min"),
        (0.005, "18.0/h"),
        (0.0, "0.0/h"),
    ],
)
def test_a_slow_rate_is_no_zero(rate: float, shown: str) -> None:
    assert rate_text(rate) == shown


def test_a_plain_line_says_count_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    bar = PlainProgress("asking", 10, "shards")
    bar.started -= 100.0
    bar.printed -= 100.0
    bar.advance(5)
    line = capsys.readouterr().err
    assert line.startswith("    asking: 5/10 shards, 3.0/min, 1") and line.endswith(" s left\n")


def test_the_rate_after_a_resumption_leaves_out_what_was_done_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bar = PlainProgress("sft", 1_000, "tokens")
    bar.resume(900)
    bar.started -= 10.0
    bar.printed -= 10.0
    bar.advance(50)
    assert capsys.readouterr().err.startswith("    sft: 950/1,000 tokens, 5.0/s, 10 s left")


def test_a_resumed_bar_starts_where_it_was_and_knows_no_speed_yet() -> None:
    with BarProgress("sft", 1_000, "tokens") as bar:
        bar.resume(900)
        (task,) = bar.bar.tasks
        assert (task.completed, task.speed) == (900, None)
