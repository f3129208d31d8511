"""Where a run stands right now: every stage's state, and how far the one at work has come.

A stage at work keeps `scratch/progress.json` (store/progress.py) and, while it trains, a log of its
steps (train/trackers.py). The first is written by rename; of the second whole lines are read.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.errors import DataError
from trivium.store.files import read_json
from trivium.store.progress import PROGRESS_FILE
from trivium.store.run import RECORD_FILE, SCRATCH, STARTED_FILE, Run
from trivium.view.tables import num_rows

STEPS_FILE = "log.jsonl"
"""What train/trackers.py writes."""
LOSS = "loss/"
"""Before the name of a source, in that file."""
POINTS = 400
"""Steps drawn of a training that goes on; more are thinned out."""


@dataclass(frozen=True)
class Work:
    """How far a piece of work has come."""

    label: str
    done: int
    total: int
    """0 where the length is not known."""
    unit: str
    words: str
    seconds: float
    """Since this process began it."""
    rate: float
    """Units a second since then; 0 while nothing was counted."""
    left_seconds: float | None
    memory_mib: int
    alive: bool
    """Whether the process that wrote this still runs on this machine."""

    @property
    def share(self) -> float:
        """Part of the work that is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True)
class StageState:
    """One line of the run page."""

    name: str
    state: str
    """done | running | stopped | waiting."""
    tables: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    seconds: float = 0.0
    memory_mib: int = 0
    work: Work | None = None


def stages(run: Run) -> list[StageState]:
    """Return the state of every stage of the recipe, in order."""
    folders = run.stage_folders()
    named = [name for name in _order() if name in set(_recipe_stages(run)) | set(folders)]
    return [_state(name, folders.get(name)) for name in named]


def _order() -> list[str]:
    from trivium.pipeline import STAGES

    return [stage.name for stage in STAGES]


def _recipe_stages(run: Run) -> list[str]:
    with contextlib.suppress(DataError):
        return list(run.recipe().get("stages", []))
    return []


def _state(name: str, folder: Path | None) -> StageState:
    if folder is None:
        return StageState(name, "waiting")
    record = _json(folder / RECORD_FILE)
    if record:
        memory = max(record.get("peak_memory_mib", {}).values(), default=0)
        sizes = {path.stem: num_rows(path) for path in sorted(folder.glob("*.parquet"))}
        tables = {table: rows for table, rows in sizes.items() if rows is not None}
        dropped, seconds = record.get("rows_dropped") or 0, record.get("seconds") or 0.0
        return StageState(name, "done", tables, dropped, seconds, memory)
    if not (folder / STARTED_FILE).exists():
        return StageState(name, "waiting")
    work = read_work(folder)
    return StageState(name, "running" if work and work.alive else "stopped", work=work)


def read_work(folder: Path, *, now: float | None = None) -> Work | None:
    """Return what a stage folder says of the work in it; None where it says nothing.

    Args:
        folder: The stage folder.
        now: Seconds since the epoch; the clock's when None.
    """
    facts = _json(folder / SCRATCH / PROGRESS_FILE)
    if not facts:
        return None
    alive = is_alive(int(facts.get("pid", 0)))
    end = (time.time() if now is None else now) if alive else float(facts["updated"])
    seconds = max(0.0, end - float(facts["started"]))
    counted = int(facts["done"]) - int(facts["done_at_start"])
    spent = float(facts["updated"]) - float(facts["started"])
    rate = counted / spent if spent > 0 and counted > 0 else 0.0
    left = (int(facts["total"]) - int(facts["done"])) / rate if rate and facts["total"] else None
    return Work(
        label=str(facts["label"]),
        done=int(facts["done"]),
        total=int(facts["total"]),
        unit=str(facts["unit"]),
        words=str(facts["words"]),
        seconds=seconds,
        rate=rate,
        left_seconds=None if left is None else max(0.0, left - (end - float(facts["updated"]))),
        memory_mib=int(facts.get("peak_memory_mib", 0)),
        alive=alive,
    )


def is_alive(pid: int) -> bool:
    """Whether a process runs on this machine; one that has ended and was not waited for does not."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def losses_so_far(folder: Path) -> list[dict[str, Any]]:
    """Return rows {step, tokens, source, loss} of a training that goes on, from its log of steps."""
    path = folder / STEPS_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # the last one may be on its way
    width = max(1, len(lines) // POINTS)
    rows: list[dict[str, Any]] = []
    for first in range(0, len(lines) - len(lines) % width, width):
        steps = [json.loads(line) for line in lines[first : first + width]]
        seen = {"step": steps[-1]["step"], "tokens": int(steps[-1]["targets"])}
        for name in sorted({key for step in steps for key in step if key.startswith(LOSS)}):
            losses = [step[name] for step in steps if name in step]
            rows.append(seen | {"source": name.removeprefix(LOSS), "loss": sum(losses) / len(losses)})
    return rows


def _json(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one where there is none (a stage may be cleared while we read)."""
    try:
        found = read_json(path) if path.exists() else {}
    except (DataError, OSError):
        return {}
    return found if isinstance(found, dict) else {}
