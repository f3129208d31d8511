"""The order of the stages, and how a recipe walks through them. The only file that knows the order."""

from __future__ import annotations

import importlib
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.config import to_json
from trivium.errors import ConfigError, StageError
from trivium.store import files
from trivium.store.fingerprint import changed_parts, combined_hash, stage_fingerprint
from trivium.store.progress import write_started
from trivium.store.run import (
    METRICS_FILE,
    RECORD_FILE,
    SCRATCH,
    STARTED_FILE,
    Run,
    StageDir,
    clear,
    damaged_outputs,
    hash_outputs,
)

if TYPE_CHECKING:
    from trivium.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """A place in the order: its name in a recipe and a run folder, and the module that has Config and run."""

    name: str
    module: str


STAGES = (
    Stage("curate", "trivium.curate.stage"),
    Stage("items", "trivium.evaluate.items_stage"),
    Stage("synthesize", "trivium.synthesize.stage"),
    Stage("decontaminate", "trivium.curate.decontaminate_stage"),
    Stage("tokenize", "trivium.train.tokenize_stage"),
    Stage("mix", "trivium.mix.stage"),
    Stage("pretrain", "trivium.train.pretrain_stage"),
    Stage("midtrain", "trivium.train.midtrain_stage"),
    Stage("sft_data", "trivium.align.sft_data_stage"),
    Stage("sft", "trivium.train.sft_stage"),
    Stage("pivotal", "trivium.pivotal.stage"),
    Stage("dpo1", "trivium.train.dpo_stage"),
    Stage("judge", "trivium.align.judge_stage"),
    Stage("dpo2", "trivium.train.dpo_stage"),
    Stage("evaluate", "trivium.evaluate.stage"),
    Stage("report", "trivium.report.stage"),
    Stage("export", "trivium.pivotal.export_stage"),
    Stage("guard", "trivium.evaluate.guard_stage"),
)
WHOLE = tuple(stage.name for stage in STAGES if stage.name not in ("export", "guard"))
"""From sources to the report; the rest only goes with a recipe that has files or a model from outside."""

Say = Callable[[str], None]


def say_on_stderr(line: str) -> None:
    """Print a line of the run's log."""
    print(line, file=sys.stderr, flush=True)


def run(
    recipe: Recipe,
    out: Path | str,
    *,
    start: str | None = None,
    stop: str | None = None,
    workers: int | None = None,
    executor: str = "local",
    say: Say = say_on_stderr,
) -> Run:
    """Run a recipe's stages in order, reusing every stage whose fingerprint still matches.

    Args:
        recipe: What to do.
        out: The run folder; made when missing, resumed when it holds partial work.
        start: First stage to run anew; the stages before it must be finished and are taken as they are.
        stop: Last stage to run.
        workers: Processes for sharded work; the recipe's own number when None. Results do not depend on it.
        executor: `local` (a process pool) or `ray` (a Ray cluster); results do not depend on it.
        say: Where log lines go.

    Returns:
        The run folder.

    Raises:
        ConfigError: A stage name is unknown.
        StageError: `start` needs a stage that is not finished.
    """
    chain = chosen_stages(recipe)
    names = [stage.name for stage in chain]
    first, last = _position(names, start, 0), _position(names, stop, len(names) - 1)
    folder = _prepare(recipe, Path(out))
    finished: dict[str, Path] = {}
    hashes: dict[str, str] = {}
    for number, stage in enumerate(chain[: last + 1]):
        path = folder / f"{STAGES.index(stage) + 1:02d}-{stage.name}"
        say(f"[{number + 1}/{len(chain)}] {stage.name}")
        print_parts = stage_fingerprint(stage.module, recipe.stage_config(stage.name), recipe.seed, hashes)
        record = _read_record(path)
        if number < first:
            if record is None:
                raise StageError(
                    f"--from {start}: got no finished {stage.name} in {folder}; run without --from."
                )
            say("    taken as it is")
        elif not _reusable(path, record, print_parts, forced=number == first and start is not None, say=say):
            record = _run_stage(recipe, stage, path, finished, print_parts, (executor, workers), say)
        assert record is not None
        finished[stage.name], hashes[stage.name] = path, record["output_hash"]
    return Run(folder)


def chosen_stages(recipe: Recipe) -> list[Stage]:
    """Return the recipe's stages in pipeline order.

    Raises:
        ConfigError: The recipe names an unknown stage.
    """
    known = [stage.name for stage in STAGES]
    for name in recipe.stages:
        if name not in known:
            raise ConfigError(f"recipe.stages: got {name!r}; expected some of {', '.join(known)}.")
    return [stage for stage in STAGES if stage.name in recipe.stages]


def _position(names: list[str], wanted: str | None, default: int) -> int:
    if wanted is None:
        return default
    if wanted not in names:
        raise ConfigError(
            f"stage {wanted!r}: got an unknown name; this recipe's stages are {', '.join(names)}."
        )
    return names.index(wanted)


def _prepare(recipe: Recipe, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / "recipe.json", to_json(recipe))
        files.write_json(folder / "environment.json", environment())
    except NotADirectoryError:
        raise ConfigError(
            f"{folder}: got a file; expected a folder for the run, choose another --out."
        ) from None
    return folder


def environment() -> dict[str, Any]:
    """Describe the machine and the libraries a run used."""
    from importlib import metadata

    names = ("torch", "transformers", "tokenizers", "numpy", "pyarrow", "xllamacpp")
    versions: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {"python": platform.python_version(), "machine": platform.machine(), "packages": versions}


def _read_record(path: Path) -> dict[str, Any] | None:
    return files.read_json(path / RECORD_FILE) if (path / RECORD_FILE).exists() else None


def _reusable(
    path: Path, record: dict[str, Any] | None, parts: dict[str, Any], *, forced: bool, say: Say
) -> bool:
    if record is None:
        return False
    changed = changed_parts(record["fingerprint"], _plain(parts)) or damaged_outputs(path, record)
    if forced or changed:
        say(f"    made anew: {'asked for by --from' if forced else 'changed ' + ', '.join(changed)}")
        return False
    say(f"    unchanged, kept ({record['output_hash']})")
    return True


def _plain(parts: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(parts))


def _run_stage(
    recipe: Recipe,
    stage: Stage,
    path: Path,
    finished: dict[str, Path],
    parts: dict[str, Any],
    where: tuple[str, int | None],
    say: Say,
) -> dict[str, Any]:
    _open_stage(path, parts, say)
    write_started(path / SCRATCH, stage.name)
    door = StageDir(
        name=stage.name,
        path=path,
        seed=recipe.seed,
        workers=where[1] or recipe.workers,
        executor=where[0],
        inputs=dict(finished),
    )
    began = time.perf_counter()
    metrics = importlib.import_module(stage.module).run(recipe.stage_config(stage.name), door)
    door.write_drops()
    return _close_stage(path, parts, metrics, time.perf_counter() - began, door.num_drops, say)


def _open_stage(path: Path, parts: dict[str, Any], say: Say) -> None:
    """Keep partial work of the same fingerprint, clear anything else."""
    started = path / STARTED_FILE
    plain = _plain(parts)
    if started.exists() and not (path / RECORD_FILE).exists() and files.read_json(started) == plain:
        say("    resuming partial work")
        return
    clear(path)
    files.write_json(started, plain)


def _close_stage(
    path: Path, parts: dict[str, Any], metrics: dict[str, Any], seconds: float, dropped: int, say: Say
) -> dict[str, Any]:
    import shutil

    files.write_json(path / METRICS_FILE, metrics)
    outputs = hash_outputs(path)
    record = {
        "fingerprint": _plain(parts),
        "outputs": outputs,
        "output_hash": combined_hash(outputs),
        "rows_dropped": dropped,
        "seconds": round(seconds, 2),
        "peak_memory_mib": peak_memory_mib(),
    }
    files.write_json(path / RECORD_FILE, record)
    shutil.rmtree(path / SCRATCH, ignore_errors=True)
    (path / STARTED_FILE).unlink(missing_ok=True)
    say(f"    done in {seconds:,.1f} s, {record['output_hash']}")
    return record


def peak_memory_mib() -> dict[str, int]:
    """Return the largest resident size of this process and of its largest finished child, in MiB."""
    return {
        "process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "largest_child": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }
