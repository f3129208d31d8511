"""The tasks: one file each, pure functions from items to measures. Adding one is one file and one line."""

from __future__ import annotations

from trivium.evaluate.logs import Task
from trivium.evaluate.tasks import arithmetic, bogus, contest, facts, instructions, programs

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        contest.TASK,
        arithmetic.TASK,
        programs.TASK,
        facts.KNOWN_TASK,
        facts.UNKNOWN_TASK,
        bogus.TASK,
        instructions.TASK,
    )
}
"""Tasks answered by writing, in the order of the table; recall and bits per byte are scored in one pass."""
