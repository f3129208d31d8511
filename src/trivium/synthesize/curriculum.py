"""How hard a row is, in [0, 1], and the easy-to-hard order that a trainer may follow or ignore.

Phi-4 report, section 2.1: synthetic data lets learning go gradually. An ascending order helps only with a
mild decay of the learning rate or with averaging of checkpoints (arXiv:2511.18903), so the order is offered
and never forced; within a source it is total, and the mixture draws its sources as it always does.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.records import Example

if TYPE_CHECKING:
    import pyarrow as pa

MOST_STEPS = 8
STAGES = ("foundation", "reasoning", "long")
REPLAY = 0.2
"""Share of a later stage that is repeated from earlier ones; ours, within the usual 10 to 30 %."""
METHOD_LOAD = {"longhand": -0.05, "steps": 0.0, "skip": 0.05, "direct": 0.1}
"""What a method leaves to the reader: long-hand nothing, a bare answer everything."""
LONG_TEXT = 1_500
"""Characters at which a text counts as fully long."""


def problem_difficulty(steps: int, method: str) -> float:
    """Score a solved problem by its number of steps and by how much its solution leaves unsaid."""
    return _unit((steps - 0.5) / MOST_STEPS + METHOD_LOAD.get(method, 0.0))


def text_difficulty(text: str) -> float:
    """Score a text: half its length, half its density (what zlib cannot squeeze out of it)."""
    raw = text.encode()
    dense = len(zlib.compress(raw, 6)) / max(len(raw), 1)
    return _unit(0.5 * min(len(text) / LONG_TEXT, 1.0) + 0.5 * min(dense, 1.0))


def order_table(examples: Sequence[Example]) -> pa.Table:
    """Return (id, source, difficulty, rank): rank counts from 0, easiest first, within each source."""
    import pyarrow as pa

    ordered = sorted(examples, key=lambda row: (row.source, row.difficulty, row.id))
    ranks: list[int] = []
    for index, row in enumerate(ordered):
        ranks.append(ranks[-1] + 1 if index and ordered[index - 1].source == row.source else 0)
    return pa.table(
        {
            "id": [row.id for row in ordered],
            "source": [row.source for row in ordered],
            "difficulty": pa.array([row.difficulty for row in ordered], pa.float64()),
            "rank": pa.array(ranks, pa.int64()),
        }
    )


def stages_table(examples: Sequence[Example], seed: int) -> pa.Table:
    """Return (id, stage, rank, shuffled_rank): a staged order and, over the same rows, its shuffled control.

    Stages are foundation (the easier half of the short rows), reasoning (the harder half) and long. A later
    stage repeats a share of the earlier ones, mixed in. Rows that are repeated stand there once a stage.

    Args:
        examples: Scored rows; `difficulty` orders them.
        seed: Draws the replay, the mixing and the control.
    """
    import pyarrow as pa

    rng = random.Random(f"stages-{seed}")
    short = sorted(
        (row for row in examples if _chars(row) < LONG_TEXT), key=lambda row: (row.difficulty, row.id)
    )
    long = sorted(
        (row for row in examples if _chars(row) >= LONG_TEXT), key=lambda row: (row.difficulty, row.id)
    )
    half = (len(short) + 1) // 2
    order: list[tuple[str, str]] = []
    seen: list[Example] = []
    for stage, rows in zip(STAGES, (short[:half], short[half:], long), strict=True):
        again = rng.sample(seen, min(round(REPLAY * len(rows)), len(seen)))
        placed = [(number / max(len(rows), 1), row.id) for number, row in enumerate(rows)]
        placed += [(rng.random(), row.id) for row in again]
        order += [(row, stage) for _, row in sorted(placed)]
        seen += rows
    control = list(range(len(order)))
    rng.shuffle(control)
    return pa.table(
        {
            "id": [row for row, _ in order],
            "stage": [stage for _, stage in order],
            "rank": pa.array(range(len(order)), pa.int64()),
            "shuffled_rank": pa.array(control, pa.int64()),
        }
    )


def _chars(row: Example) -> int:
    return len(row.text) + sum(len(message.content) for message in row.messages)


def _unit(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)
