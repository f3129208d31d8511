"""The verbs that run stages: run, report, and one a step of the recipe."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.cli import verbs
from trivium.cli.console import launcher
from trivium.errors import ConfigError, DataError, ResourceError, TriviumError

if TYPE_CHECKING:
    from trivium.recipe import Recipe
    from trivium.store.run import Run

HOME = Path(__file__).resolve().parents[3]
"""The checkout: recipes, tests and docs lie here."""

SIZES = ("nano", "micro", "mini", "small", "base", "medium", "large", "xl", "xxl")
"""Functions of recipes/ladder.py, smallest first."""

STEPS: dict[type, tuple[str, ...]] = {
    verbs.CurateVerb: ("curate",),
    verbs.SynthesizeVerb: ("items", "synthesize"),
    verbs.DecontaminateVerb: ("decontaminate",),
    verbs.MixVerb: ("tokenize", "mix"),
    verbs.TrainVerb: ("pretrain", "midtrain"),
    verbs.PivotVerb: ("pivotal",),
    verbs.AlignVerb: ("sft_data", "sft", "dpo1", "judge", "dpo2"),
    verbs.EvaluateVerb: ("evaluate",),
}
"""Stage verb -> the stages it stands for, first to last."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where shards run, and where the finished run is copied to."""

    executor: str = "local"
    publish: str | None = None


def run_recipe(command: verbs.RunVerb) -> int:
    """Run a recipe and say where the results are."""
    recipe = load(command.recipe, command.settings)
    folder = run_folder(recipe, command.out)
    where = Where(command.executor, command.publish)
    return walk(recipe, folder, command.start, command.until, command.workers, where)


def run_step(command: verbs.StageVerb | verbs.PivotVerb | verbs.EvaluateVerb) -> int:
    """Run a recipe up to one step, or that step alone."""
    recipe = load(command.recipe, command.settings)
    step = STEPS[type(command)]
    ours = [stage for stage in step if stage in recipe.stages]
    if not ours:
        raise ConfigError(
            f"{recipe.name}: got a recipe without {' or '.join(step)}; "
            f"expected one of its stages: {', '.join(recipe.stages)}."
        )
    if command.only and command.start:
        raise ConfigError("--only and --from: got both; expected one, --only is --from this step.")
    start = ours[0] if command.only else command.start
    folder = run_folder(recipe, command.out)
    where = Where(command.executor, command.publish) if isinstance(command, verbs.StageVerb) else Where()
    return walk(recipe, folder, start, ours[-1], command.workers, where)


def report(command: verbs.ReportVerb) -> int:
    """Write a run's report anew from what is on disk."""
    from trivium import pipeline
    from trivium import recipe as recipes
    from trivium.store.run import Run

    run = Run.open(command.run)
    if command.table:
        return _print_table(run)
    pipeline.run(recipes.load(run.path / "recipe.json"), run.path, start="report", stop="report")
    page = report_page(run.path)
    if page is None:
        raise DataError(
            f"{run.path}: got no page from the report stage; expected report.html, run the recipe."
        )
    print(page)
    return 0


def _print_table(run: Run) -> int:
    from trivium.store import files

    folder = run.finished().get("evaluate")
    if folder is None:
        raise DataError(f"{run.path}: got no evaluated checkpoint; expected some, run the recipe to its end.")
    print((folder / "table.md").read_text(encoding="utf-8"))
    for check in files.read_json(folder / "checks.json"):
        print(f"- {'holds' if check['holds'] else 'fails'}: {check['name']}: {check['detail']}")
    return 0


def load(name: str, settings: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe by file or by name, with the settings of the command line."""
    from trivium import recipe

    return recipe.load_with(recipe_path(name), settings)


def recipe_path(name: str) -> Path:
    """Find a recipe: a path as it stands, else a name in ./recipes or in the checkout's recipes.

    `ladder:mini` is the function mini of ladder.py; a size of the ladder needs no more than its own name.
    """
    if "/" not in name and not Path(name).exists() and not name.endswith((".py", ".json")):
        known = {path.stem: path for path in known_recipes()}
        if "ladder" in known:
            known = {size: Path(f"{known['ladder']}:{size}") for size in SIZES} | known
        stem, _, maker = name.partition(":")
        if stem not in known:
            names = ", ".join(sorted(known))
            raise ConfigError(f"{name}: got no such recipe; expected a file, or one of: {names}.")
        return Path(f"{known[stem]}:{maker}") if maker else known[stem]
    shipped = Path(name)
    if not shipped.exists() and shipped.parent == Path("recipes"):
        from trivium.recipe import shipped_folder

        shipped = shipped_folder() / shipped.name
    return shipped if shipped.exists() else Path(name)


def known_recipes() -> list[Path]:
    """Return the recipes that a name can mean, those of ./recipes last, so that they win."""
    from trivium.recipe import shipped_folder

    return [*sorted(shipped_folder().glob("*.py")), *sorted(Path("recipes").glob("*.py"))]


def run_folder(recipe: Recipe, out: str | None) -> Path:
    """Return the run folder, or say in one sentence why it cannot be written to."""
    if out and "://" in out:
        raise ConfigError(
            f"--out: got {out}; expected a folder on a disk, give one and add --publish {out} to have the "
            "finished run copied there."
        )
    folder = Path(out) if out else Path("runs") / recipe.name
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not os.access(nearest, os.W_OK):
        raise ResourceError(
            f"{nearest}: got a folder that cannot be written to; expected room for {folder}. "
            "Choose another with --out."
        )
    return folder


def walk(
    recipe: Recipe,
    folder: Path,
    start: str | None,
    stop: str | None,
    workers: int | None,
    where: Where | None = None,
) -> int:
    """Run the stages and print what to look at next."""
    from trivium import pipeline
    from trivium.models import runtime
    from trivium.store.publish import open_store, publish

    if workers is not None and workers < 1:
        raise ConfigError(f"--workers: got {workers}; expected 1 or more.")
    if runtime.torchrun_rank():
        runtime.serve_ranks()
    where = where or Where()
    if where.publish:
        open_store(where.publish)  # a mistake in the URL is told before the work, not after it
    try:
        run = pipeline.run(recipe, folder, start=start, stop=stop, workers=workers, executor=where.executor)
    except (TriviumError, KeyboardInterrupt):
        runtime.release_ranks()
        raise
    runtime.release_ranks()
    print(f"run     {run.path}")
    if where.publish:
        print(f"copied  {', '.join(publish(run, where.publish)) or 'nothing new'} to {where.publish}")
    if (page := report_page(run.path)) is not None:
        print(f"report  {page}")
    if any((path / "model").is_dir() for path in run.finished().values()):
        print(f"talk    {launcher()} chat {shlex.quote(str(run.path))}")
    return 0


def report_page(run: Path) -> Path | None:
    """Return a run's report page: at its root, else in the report stage's folder."""
    found = [run / "report.html", *sorted(run.glob("*-report/*.html"))]
    return next((page for page in found if page.exists()), None)


def resume_command(command: verbs.RunVerb | verbs.StageVerb) -> str:
    """Return the command that goes on where this one was stopped.

    Without --from: the stage that was cut short goes on with its partial work instead of starting anew.
    """
    name = next(name for name, cls in verbs.VERBS.items() if cls is type(command))
    words = [launcher(), name, command.recipe, *getattr(command, "more", ())]
    for setting in command.settings:
        words += ["--set", setting]
    if command.out:
        words += ["--out", command.out]
    if isinstance(command, verbs.RunVerb) and command.until:
        words += ["--until", command.until]
    if command.workers:
        words += ["--workers", str(command.workers)]
    if command.executor != "local":
        words += ["--executor", command.executor]
    if command.publish:
        words += ["--publish", command.publish]
    return shlex.join(words)
