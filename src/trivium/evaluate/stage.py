"""Evaluate: every checkpoint on the same items, and on a contest drawn after training ended.

Reads questions of `items`, held-out rows of `tokenize` and the checkpoints; writes `contest` (the problems),
`items_log` (every reply with its verdict), table.json (here and in the run folder), table.txt, table.md,
checks.json and contamination.json.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.store.run import StageDir

STYLES = {"pretrain": "plain", "midtrain": "plain", "sft": "chat", "dpo1": "chat", "dpo2": "chat"}
"""Stages that train a model -> how its checkpoint is asked."""
LABELS = {"pretrain": "base"}
"""Names of checkpoints in the table where they differ from the stage's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Which checkpoints are tested, on how much, and how far they may write."""

    checkpoints: tuple[str, ...] = ("pretrain", "midtrain", "sft", "dpo1", "dpo2")
    """Training stages, in order; those that a recipe leaves out are skipped."""
    contest: int = 2_400
    """Problems of the contest, sampled at T=1; paired differences of 2 points need 2,000 and more."""
    contest_greedy: int = 1_200
    """The first so many of them are answered greedily too."""
    contest_steps: tuple[int, int] = (2, 6)
    """Fewest and most operations of a contest problem."""
    limit: int = 0
    """At most this many items of every task, for a quick look; 0 = all."""
    solution_tokens: int = 160
    """Token limit of a worked solution."""
    answer_tokens: int = 32
    """Token limit of a bare answer."""
    instruction_tokens: int = 96
    """Token limit of a reply to a request with constraints."""
    held_out_bytes: int = 12_000
    """Held-out text scored for every source, in bytes, about."""
    chunk: int = 600
    """Items of one shard of work; fixed, so that nothing depends on the number of workers."""
    batch_size: int = 256
    """Replies that are written at once."""

    def __post_init__(self) -> None:
        """Refuse unknown checkpoints."""
        for name in self.checkpoints:
            if name not in STYLES:
                raise ConfigError(
                    f"evaluate.checkpoints: got {name!r}; expected some of {', '.join(STYLES)}."
                )
        if self.contest < 1 or self.chunk < 1:
            raise ConfigError(
                f"evaluate: got contest={self.contest} and chunk={self.chunk}; expected at least 1 of each."
            )


def run(config: EvaluateConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk; prints the stage table and what it shows.

    Returns:
        Checkpoints, items by task, replies, generated tokens, checks that hold, contamination of the contest.

    Raises:
        StageError: The recipe has none of the checkpoints, or no evaluation items.
    """
    from trivium.evaluate import gather
    from trivium.records import Question

    began = time.perf_counter()
    checkpoints = gather.checkpoints(config, stage)
    contest_seed = gather.contest_seed(checkpoints)
    contest = gather.draw_contest(config, contest_seed)
    stage.write("contest", Question, contest)
    logs = gather.answer_all(config, stage, checkpoints)
    asked_seconds = time.perf_counter() - began
    rows = gather.tabulate(logs, checkpoints, stage.seed, contest_seed)
    contamination = gather.contamination(stage, contest)
    found = gather.publish(stage, rows, contamination)
    return gather.metrics(checkpoints, logs, found, contamination) | {
        "contest_seed": contest_seed,
        "ask_seconds": round(asked_seconds, 2),
        "count_seconds": round(time.perf_counter() - began - asked_seconds, 2),
    }
