"""The steps of the evaluate stage: find checkpoints, draw the contest, cut the work, count, publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import records
from trivium.errors import StageError
from trivium.evaluate import checks, table, work
from trivium.evaluate import contamination as overlap
from trivium.evaluate.estimate import TableRow, table_rows
from trivium.evaluate.logs import GREEDY, ItemLog
from trivium.evaluate.stage import LABELS, STYLES, EvaluateConfig
from trivium.evaluate.tasks import TASKS, bits_per_byte, contest, recall
from trivium.records import Example, Question
from trivium.store import files
from trivium.store.ledger import run_shards

if TYPE_CHECKING:
    from trivium.store.run import StageDir

TRAINING_ROWS = (("decontaminate", "examples"), ("sft_data", "examples"))
"""Tables of everything that any checkpoint was trained on as text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A model to test."""

    label: str
    style: str
    path: str


def checkpoints(config: EvaluateConfig, stage: StageDir) -> list[Checkpoint]:
    """List the checkpoints that this run has, in training order.

    Raises:
        StageError: There is none.
    """
    found = [
        Checkpoint(label=LABELS.get(name, name), style=STYLES[name], path=str(stage.inputs[name] / "model"))
        for name in config.checkpoints
        if name in stage.inputs
    ]
    if not found:
        raise StageError(
            f"{stage.name}: got no trained checkpoint; expected one of {', '.join(config.checkpoints)}, "
            "add one to the recipe's stages."
        )
    return found


def contest_seed(found: Sequence[Checkpoint]) -> int:
    """Return the contest's seed: it hangs on the last checkpoint's weights and nothing else."""
    return contest.seed_from_weights(Path(found[-1].path))


def draw_contest(config: EvaluateConfig, seed: int) -> list[Question]:
    """Draw the contest."""
    count = min(config.contest, config.limit or config.contest)
    return contest.items(seed, count, config.contest_steps)


def answer_all(config: EvaluateConfig, stage: StageDir, found: Sequence[Checkpoint]) -> list[ItemLog]:
    """Have every checkpoint answer every item; a killed stage does only what is left."""
    setting = _setting(config, stage, found)
    shards = list(plan(config, setting, found))
    tables = run_shards(stage, "answers", partial(work.run_shard, setting), shards, label="answering")
    stage.write_table("items_log", tables["logs"])
    return records.from_table(ItemLog, tables["logs"])


def plan(config: EvaluateConfig, setting: work.Setting, found: Sequence[Checkpoint]) -> Iterator[work.Shard]:
    """Cut the work: checkpoint by checkpoint, task by task, mode by mode, chunk by chunk."""
    sizes = {name: len(rows) for name, rows in work.questions_by_task(setting.tables).items()}
    modes = {name: task.modes for name, task in TASKS.items()} | {name: (GREEDY,) for name in recall.TASKS}
    if setting.held_out:
        sizes[bits_per_byte.NAME] = len(work.held_out_rows(setting.held_out, setting.held_out_bytes))
        modes[bits_per_byte.NAME] = (bits_per_byte.MODE,)
    for checkpoint in found:
        for task, task_modes in modes.items():
            for mode in task_modes:
                size = min(sizes.get(task, 0), _most(config, task, mode) or sizes.get(task, 0))
                for start in range(0, size, config.chunk):
                    yield work.Shard(
                        checkpoint=checkpoint.label,
                        model=checkpoint.path,
                        style=checkpoint.style,
                        task=task,
                        mode=mode,
                        start=start,
                        stop=min(start + config.chunk, size),
                    )


def _most(config: EvaluateConfig, task: str, mode: str) -> int:
    """Return the most items of a task in a mode; 0 for no bound."""
    if task == contest.NAME and mode == GREEDY:
        return min(config.contest_greedy, config.limit or config.contest_greedy)
    return config.limit


def tabulate(
    logs: Sequence[ItemLog], found: Sequence[Checkpoint], seed: int, contest_seed: int
) -> list[TableRow]:
    """Turn all logs into the stage table, task by task."""
    labels = [checkpoint.label for checkpoint in found]
    groups: dict[str, list[ItemLog]] = {}
    for log in logs:
        groups.setdefault(log.task, []).append(log)
    rows: list[TableRow] = []
    for task, own in groups.items():
        task_seed = contest_seed if task == contest.NAME else seed
        rows += table_rows(labels, task, own, measures_of(task, own), task_seed)
    return rows


def measures_of(task: str, logs: Sequence[ItemLog]) -> Sequence[Any]:
    """Return the measures of a task."""
    if task in TASKS:
        return TASKS[task].measures(logs)
    return bits_per_byte.measures(logs) if task == bits_per_byte.NAME else recall.MEASURES


def contamination(stage: StageDir, contest_items: Sequence[Question]) -> dict[str, Any]:
    """Compare the contest with every training row that this run kept."""
    training: dict[str, Example] = {}
    for source, name in TRAINING_ROWS:
        if source in stage.inputs:
            training.update((row.id, row) for row in stage.rows(source, name, Example))
    return overlap.report(contest_items, training.values())


def publish(stage: StageDir, rows: Sequence[TableRow], overlaps: dict[str, Any]) -> list[checks.Check]:
    """Write and print the table and the checks; table.json goes to the run folder too."""
    plain = [asdict(row) for row in rows]
    found = checks.checks(rows)
    stage.write_json("table", plain)
    files.write_json(stage.path.parent / "table.json", plain)
    stage.write_text("table.txt", table.to_text(rows))
    stage.write_text("table.md", table.to_markdown(rows))
    stage.write_json("checks", [check._asdict() for check in found])
    stage.write_json("contamination", overlaps)
    print(f"{table.to_text(rows)}\n{checks.to_text(found)}", flush=True)
    return found


def metrics(
    found: Sequence[Checkpoint],
    logs: Sequence[ItemLog],
    checked: Sequence[checks.Check],
    overlaps: dict[str, Any],
) -> dict[str, Any]:
    """Return the stage's counts; the verdicts of every judged reply add up to `replies`."""
    judged = [log for log in logs if log.verdict]
    last = [log for log in judged if log.stage == found[-1].label]
    return {
        "checkpoints": [checkpoint.label for checkpoint in found],
        "items": dict(sorted(Counter(log.task for log in last if log.mode == GREEDY).items())),
        "replies": len(judged),
        "verdicts": dict(sorted(Counter(log.verdict for log in judged).items())),
        "generated_tokens": sum(log.num_tokens for log in judged),
        "checks_hold": sum(check.holds for check in checked),
        "checks_fail": [check.name for check in checked if not check.holds],
        "contamination": overlaps,
    }


def _setting(config: EvaluateConfig, stage: StageDir, found: Sequence[Checkpoint]) -> work.Setting:
    questions = stage.folder("items") / "questions.parquet"
    held_out = stage.inputs["tokenize"] / "heldout.parquet" if "tokenize" in stage.inputs else None
    return work.Setting(
        tables=(str(questions), str(stage.path / "contest.parquet")),
        held_out=str(held_out) if held_out is not None and held_out.exists() else "",
        held_out_bytes=config.held_out_bytes,
        window=min(context_of(checkpoint) for checkpoint in found),
        seed=stage.seed,
        tokens={
            "solution_tokens": config.solution_tokens,
            "answer_tokens": config.answer_tokens,
            "instruction_tokens": config.instruction_tokens,
        },
        batch_size=config.batch_size,
    )


def context_of(checkpoint: Checkpoint) -> int:
    """Return the number of positions that a checkpoint was trained on."""
    return int(files.read_json(Path(checkpoint.path) / "config.json")["max_position_embeddings"])
