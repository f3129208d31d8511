"""What a call drew is read back as it was, and only for the same requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from planted import Planted

from trivium.models.sample import Completion, Request
from trivium.pivotal.kept import keeping


def test_a_call_is_drawn_once_and_read_back_exactly(tmp_path: Path) -> None:
    world = Planted.make(2)
    asked: list[int] = []

    def draw(requests: Sequence[Request]) -> list[Completion]:
        asked.append(len(requests))
        return world.sample(requests)

    requests = [Request((1000, 7), seed, 12) for seed in range(5)] + [Request((1001, 7), 1, 3)]
    first = keeping(tmp_path, draw)(requests)
    assert first == world.sample(requests)
    assert keeping(tmp_path, draw)(requests) == first
    assert asked == [6]
    for other in (
        requests[:5],
        requests[::-1],
        [replace(requests[0], seed=9), *requests[1:]],
        [replace(requests[0], max_new_tokens=11), *requests[1:]],
    ):
        assert keeping(tmp_path, draw)(other) == world.sample(other)
    assert asked == [6, 5, 6, 6, 6]
    assert keeping(tmp_path, draw)([]) == [] and len(asked) == 5
