"""status: the stages of a run, what each made, and whether it still fits recipe and code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trivium.cli.console import say, show_table
from trivium.cli.verbs import StatusVerb
from trivium.errors import TriviumError
from trivium.store.run import STARTED_FILE, Run


def status(command: StatusVerb) -> int:
    """Print one line a stage."""
    run = Run.open(command.run)
    states, note = stage_states(run)
    rows = [stage_row(run, name, state) for name, state in states.items()]
    show_table(
        ("stage", "state", "made", "dropped", "seconds", "output"), rows, numbers=("dropped", "seconds")
    )
    done = sum(state != "waiting" for state in states.values())
    say(f"{run.path}: {done} of {len(states)} stages, output {run.output_hash()}")
    if note:
        say(note, style="yellow")
    return 0


def stage_states(run: Run) -> tuple[dict[str, str], str]:
    """Return stage -> done | partial | out of date | waiting, and a note when the recipe cannot be read."""
    from trivium import pipeline
    from trivium import recipe as recipes
    from trivium.store.fingerprint import changed_parts, stage_fingerprint

    folders, finished = run.stage_folders(), run.finished()
    try:
        recipe = recipes.load(run.path / "recipe.json")
    except TriviumError as error:
        known = {name: "done" if name in finished else "partial" for name in folders}
        return known, f"made by another version, so nothing is checked: {error}"
    states: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for stage in pipeline.chosen_stages(recipe):
        if stage.name not in finished:
            started = stage.name in folders and (folders[stage.name] / STARTED_FILE).exists()
            states[stage.name] = "partial" if started else "waiting"
            continue
        record = run.record(stage.name)
        parts = stage_fingerprint(stage.module, recipe.stage_config(stage.name), recipe.seed, hashes)
        states[stage.name] = "out of date" if changed_parts(record["fingerprint"], parts) else "done"
        hashes[stage.name] = record["output_hash"]
    return states, ""


def stage_row(run: Run, name: str, state: str) -> list[str]:
    """Return the cells of one stage."""
    if name not in run.finished():
        return [name, state, "", "", "", ""]
    record: dict[str, Any] = run.record(name)
    sizes = table_sizes(run.finished()[name])
    made = [f"{rows:,} {table}" if rows >= 0 else f"{table} DAMAGED" for table, rows in sizes.items()]
    dropped = record.get("rows_dropped") or 0
    return [
        name,
        state,
        ", ".join(made),
        f"{dropped:,}" if dropped else "",
        f"{record['seconds']:,.1f}",
        record["output_hash"],
    ]


def table_sizes(folder: Path) -> dict[str, int]:
    """Return table -> rows of a stage folder, from the Parquet footers; -1 for a file that cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sizes: dict[str, int] = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            sizes[path.stem] = pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError):
            sizes[path.stem] = -1
    return sizes
