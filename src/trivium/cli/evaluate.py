"""The verb evaluate: any model on the tasks of the field, or the stage of a recipe."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.cli import run as runs
from trivium.cli.console import say, show_table
from trivium.cli.verb_evaluate import EvaluateVerb
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.evaluate.standard.run import Evaluation, Finished

LIST = "list"


def evaluate(command: EvaluateVerb) -> int:
    """Evaluate, print the tables and say where the page is."""
    if command.recipe:
        if command.model or command.tasks:
            raise ConfigError("evaluate: got a recipe and --model or --tasks; expected one or the other.")
        return runs.run_step(command)
    if command.tasks == LIST:
        return _list()
    if command.start or command.only or command.settings:
        raise ConfigError("evaluate: got --from, --only or --set without a recipe; expected them with one.")
    from trivium.evaluate.standard import run as standard

    if command.rescore:
        if not command.out:
            raise ConfigError("--rescore: got no --out; expected the folder of a finished evaluation.")
        return _show(standard.rescore(Path(command.out)))
    return _show(standard.evaluate(wanted(command), out_folder(command)))


def wanted(command: EvaluateVerb) -> Evaluation:
    """Turn a command line into what is evaluated.

    Raises:
        ConfigError: Models or tasks are missing or unknown.
        DataError: A model's folder is none.
    """
    if not command.model or not command.tasks:
        raise ConfigError(
            "evaluate: got no recipe and not both of --model and --tasks; expected e.g. "
            "trivium evaluate --model FOLDER --tasks gsm8k,mmlu --data FOLDER."
        )
    from trivium.evaluate.standard.ask import contestant
    from trivium.evaluate.standard.run import Evaluation
    from trivium.evaluate.standard.tasks import find

    names = tuple(part.strip() for part in command.tasks.split(",") if part.strip())
    for name in names:
        find(name.partition("=")[0])
    models = []
    for given in command.model:
        label, place = split_label(given)
        models.append(
            contestant(place, label=label, tokenizer=command.tokenizer, served_name=command.served_name)
        )
    return Evaluation(
        models=tuple(models),
        tasks=names,
        data=command.data,
        limit=command.limit,
        samples=command.samples,
        temperature=command.temperature,
        judge=command.judge,
        seed=command.seed,
        style=command.style,
        max_tokens=command.max_tokens,
        device=command.device,
        batch_size=command.batch_size,
        workers=command.workers or 1,
    )


def split_label(given: str) -> tuple[str, str]:
    """Split NAME=PLACE; a place with a = of its own is one that exists or an address."""
    name, mark, place = given.partition("=")
    if not mark or Path(given).exists() or not re.fullmatch(r"[\w.-]+", name):
        return "", given
    return name, place


def out_folder(command: EvaluateVerb) -> Path:
    """Return the folder of the evaluation."""
    if command.out:
        return Path(command.out)
    labels = [split_label(given)[0] or Path(split_label(given)[1]).name for given in command.model]
    return Path("runs") / ("evaluate-" + re.sub(r"[^\w.-]+", "-", "-".join(labels)))


def resume_command(command: EvaluateVerb) -> str:
    """Return the command that goes on where this one was stopped: the same one, without --from."""
    words = ["./trivium", "evaluate"]
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if value == field.default or field.name in ("start", "only"):
            continue
        if field.name == "recipe":
            words.append(value)
        elif isinstance(value, tuple):
            flag = "--set" if field.name == "settings" else f"--{field.name}"
            words += [word for one in value for word in (flag, one)]
        else:
            words += [f"--{field.name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)


def _show(found: Finished) -> int:
    from trivium.evaluate.standard import page

    headers, lines = page.grid(found.results)
    show_table(headers, lines, numbers=headers[2:])
    if found.pairs:
        headers, lines = page.pair_grid(found.pairs)
        show_table(headers, lines, numbers=headers[2:])
    say(f"page    {found.page}")
    return 0


def _list() -> int:
    from trivium.evaluate.standard.tasks import TASKS

    rows = [[task.name, next(iter(task.files.values()), "made"), task.follows] for task in TASKS.values()]
    show_table(("task", "file", "follows"), rows)
    return 0
