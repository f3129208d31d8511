"""The verb pivot: a search for any model and question file, as a run of its own, or the stage of a recipe."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli import run as runs
from trivium.cli import verbs
from trivium.cli.console import launcher
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.recipe import Recipe

STAGES = ("pivotal", "report", "export")
WALKED = 2
"""Replies of each question that a search walks along when not told otherwise: a wrong and a right one."""
ROLLOUTS = 24
EVERY = 2**31
THOROUGH: dict[str, Any] = {
    "min_apparent_gap": 0.2,
    "max_candidates": 16,
    "looks": (4, 8, 16, 32, 64),
    "level": 0.97,
    "patience": 8,
}
"""Finds more, and narrower, pivots of a question than a recipe's search, at the same 5 % error."""

EFFORTS: dict[str, dict[str, Any]] = {"thorough": THOROUGH, "quick": {}}
"""Quick is as a recipe searches."""

SHARD_QUESTIONS = 16
"""Smaller pieces than a recipe's: a model may be slow, and Ctrl-C loses the pieces under way."""


def pivot(command: verbs.PivotVerb) -> int:
    """Search, and say where the results are."""
    if command.recipe:
        if command.model or command.questions:
            raise ConfigError("pivot: got a recipe and --model or --questions; expected one or the other.")
        return runs.run_step(command)
    recipe = make_recipe(command)
    if command.only:
        raise ConfigError("--only: got it without a recipe; expected --from pivotal to search anew.")
    folder = runs.run_folder(recipe, command.out)
    done = runs.walk(recipe, folder, command.start, None, command.workers)
    found = next(folder.glob("*-export"), None)
    if found is not None:
        print(f"exports {found}")
    return done


def make_recipe(command: verbs.PivotVerb) -> Recipe:
    """Return the recipe of a search of its own: three stages, everything else at its default.

    Raises:
        ConfigError: Model or questions are missing.
    """
    if not command.model or not command.questions:
        raise ConfigError(
            "pivot: got no recipe and not both of --model and --questions; expected e.g. "
            "trivium pivot --model FOLDER --questions FILE.jsonl --verifier number."
        )
    from trivium import recipe as recipes
    from trivium.store.row_files import SUFFIXES, is_file

    if not is_file(command.questions):
        raise ConfigError(f"--questions: got {command.questions}; expected a file {', '.join(SUFFIXES)}.")
    made = recipes.blank(
        name=_name(Path(command.model), Path(command.questions)),
        stages=STAGES,
        seed=command.seed,
        pivotal=_search_config(command),
    )
    made = dataclasses.replace(
        made, export=dataclasses.replace(made.export, model=command.model, layer=command.layer)
    )
    return recipes.with_settings(made, command.settings)


def resume_command(command: verbs.PivotVerb) -> str:
    """Return the command that goes on where this one was stopped: the same one, without --from."""
    words = [launcher(), "pivot"]
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if value == field.default or field.name in ("start", "only"):
            continue
        if field.name == "recipe":
            words.append(value)
        elif field.name == "settings":
            words += [word for setting in value for word in ("--set", setting)]
        else:
            words += [f"--{field.name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _search_config(command: verbs.PivotVerb) -> Any:
    from trivium.pivotal.stage import PivotalConfig
    from trivium.pivotal.verifiers import JudgeModel

    return PivotalConfig(
        model=command.model or "",
        questions=command.questions or "",
        question_column=command.question_column or "",
        answer_column=command.answer_column or "",
        verifier=command.verifier or "",
        judge=JudgeModel(endpoint=command.judge_endpoint or "", model=command.judge_model or ""),
        prompt_style=command.style,
        prompt=command.prompt or "{question}",
        system=command.system or "",
        skill="",
        num_questions=command.limit or EVERY,
        temperature=command.temperature,
        max_reply_tokens=command.max_tokens,
        search=command.search,
        traces=WALKED if command.traces is None else command.traces,
        trace_rollouts=command.rollouts or ROLLOUTS,
        gap=command.gap,
        fdr=command.fdr,
        **EFFORTS[command.effort],
        shard_questions=SHARD_QUESTIONS,
        first_shard=2,
        device=command.device,
        engine=command.engine,
        endpoint=command.endpoint or "",
        served_name=command.served_name or "",
    )


def _name(model: Path, questions: Path) -> str:
    model = model.resolve()
    return (
        f"pivot-{model.parent.name if model.name == 'model' else model.name}-{questions.name.split('.')[0]}"
    )
