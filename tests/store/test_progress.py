"""Progress: what a person reads while a stage works."""

import pytest

from trivium.store.progress import PlainProgress, rate_text


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
