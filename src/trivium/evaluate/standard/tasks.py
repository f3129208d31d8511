"""All tasks of the field, by name. Adding one is one entry in its family's file."""

from __future__ import annotations

from trivium.errors import ConfigError
from trivium.evaluate.standard import (
    choices,
    cruxeval,
    drop,
    facts,
    gpqa,
    ifbench,
    instructions,
    judged,
    mmlu_pro,
    plus,
    programs,
    reasoning,
    refusals,
    ruler,
    turns,
    words,
)
from trivium.evaluate.standard.task import StandardTask

FAMILIES = (
    words, choices, mmlu_pro, gpqa, drop, programs, plus, cruxeval, instructions, ifbench, facts, reasoning,
    ruler, refusals, judged, turns,
)  # fmt: skip
TASKS: dict[str, StandardTask] = {task.name: task for family in FAMILIES for task in family.TASKS}


def find(name: str) -> StandardTask:
    """Return a task by its name.

    Raises:
        ConfigError: There is none.
    """
    from difflib import get_close_matches

    if name not in TASKS:
        near = get_close_matches(name, TASKS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(TASKS)}."
        raise ConfigError(f"--tasks: got {name!r}; expected a known task, {hint}")
    return TASKS[name]
