"""The experiment from a finished run to verdicts: rollouts, pairs, settings, training, answers, intervals.

Every step is cut into shards that the ledger keeps, so a run that was killed goes on where it was and two
processes share the work. Writes findings (table.json), arms.json and the tables behind them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.claims import claim_11, claim_12, claim_13
from trivium.claims.fit import (
    TUNING_SEED,
    Training,
    Trial,
    merge_arm,
    train_arm,
    train_first,
    try_merge,
    try_setting,
)
from trivium.claims.folder import claim
from trivium.claims.gather import choose_problems, gather
from trivium.claims.measure import CHUNK, Asked, Outcome, ask_problems, ask_untouched, untouched_shards
from trivium.claims.pairs import write_arms
from trivium.claims.results import Finding, Matrix, arm_rows, matrices, untouched_matrices
from trivium.claims.scan import SCANNED, choose_traces, scan
from trivium.claims.settings import (
    AFTER,
    MERGES,
    REJECTION,
    SFT,
    TRAINED,
    ExperimentConfig,
    setting_of,
    settings_of,
    untried,
)
from trivium.claims.world import (
    HELDOUT,
    Model,
    World,
    open_model,
    open_world,
    write_problems,
    write_replay,
)
from trivium.config import to_json
from trivium.errors import DataError
from trivium.evaluate.logs import ItemLog
from trivium.models.load import model_hash
from trivium.pivotal import shards
from trivium.pivotal.mine import Searched
from trivium.records import Rollout, from_table
from trivium.store import files
from trivium.store.fingerprint import code_hash
from trivium.store.ledger import run_shards
from trivium.store.run import Run, StageDir

if TYPE_CHECKING:
    from trivium.pivotal.rollouts import Problem

RECORD = "experiment.json"


def run(
    numbers: Sequence[int], subject: Path | Model, out: Path, config: ExperimentConfig, workers: int
) -> list[Finding]:
    """Test claims on a finished run, or on any model, and write what came out.

    Args:
        numbers: Some of 11, 12 and 13.
        subject: Folder of the run, or a model with its question files.
        out: Folder of the experiment; partial work of the same experiment there goes on.
        config: Sizes.
        workers: Processes; the results do not depend on it.

    Raises:
        ConfigError: The folder holds another experiment.
        DataError: The run lacks a stage, or its model gives nothing to compare.
    """
    if isinstance(subject, Model):
        world = open_model(subject, out, config)
    else:
        world = open_world(Run.open(subject), out, config)
    _claim_folder(world)
    stage = StageDir(name="claims", path=out, seed=world.seed, workers=workers)
    write_problems(world)
    found: list[Finding] = []
    trained = claim_13.NUMBER in numbers
    problems = [collect(world, stage, number) for number in range(config.seeds if trained else 1)]
    if {claim_11.NUMBER, claim_12.NUMBER} & set(numbers):
        scanned = scan_traces(world, stage, problems[SCANNED])
        found += claim_11.findings(scanned, world.pivotal.gap) if claim_11.NUMBER in numbers else []
        found += claim_12.findings(scanned, world.pivotal.gap) if claim_12.NUMBER in numbers else []
    experiment = compare(world, stage) if trained else None
    if experiment is not None:
        found += experiment.pop("findings")
        stage.write_json("arms", experiment)
    stage.write_json("table", [to_json(row) for row in found])
    return found


def collect(world: World, stage: StageDir, number: int) -> list[Problem]:
    """Spend one seed's budget of rollouts and write them; returns the questions."""
    problems = choose_problems(world, number)
    cut = shards.cut(problems, world.pivotal.shard_questions, world.pivotal.first_shard)
    pieces = [(number, piece) for piece in cut]
    label = f"rollouts, seed {number + 1} of {world.config.seeds}"
    tables = run_shards(stage, f"gather-{number}", functools.partial(gather, world), pieces, label=label)
    if not tables["preferences"].num_rows:
        raise DataError(
            f"claims: got no pivotal pair from {len(problems):,} questions; expected some, raise --questions."
        )
    for name, table in tables.items():
        files.write_parquet(world.seed_folder(number) / f"{name}.parquet", table)
    return problems


def scan_traces(world: World, stage: StageDir, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Estimate every token of some sampled solutions."""
    folder = world.seed_folder(SCANNED)
    searched = from_table(Searched, files.read_parquet(folder / "searched.parquet"))
    rolled = from_table(Rollout, files.read_parquet(folder / "rollouts.parquet"))
    traces = choose_traces(world, problems, searched, rolled)
    tables = run_shards(stage, "scan", functools.partial(scan, world), traces, label="scanned solutions")
    stage.write_table("scanned", tables["scanned"])
    return tables["scanned"].to_pylist()


def compare(world: World, stage: StageDir) -> dict[str, Any]:
    """Choose settings, train every arm for every seed, ask all of them, and compare."""
    config = world.config
    write_replay(world)
    numbers = range(config.seeds)
    counts = run_shards(stage, "arms", functools.partial(write_arms, world), numbers, label="pairs")["counts"]
    chosen = choose(world, stage, "tune", TRAINED)
    if config.after or config.merged:
        first = [Training(setting_of(chosen[REJECTION]), number) for number in numbers]
        run_shards(stage, "first", functools.partial(train_first, world), first, label="right replies first")
    if config.after:
        chosen |= choose(world, stage, "tune-after", (AFTER,))
    trainings = [Training(setting_of(chosen[arm]), number) for number in numbers for arm in chosen]
    trained = run_shards(stage, "train", functools.partial(train_arm, world), trainings, label="training")
    if config.merged:
        scales = choose(world, stage, "tune-merged", tuple(MERGES))
        merges = [Training(setting_of(scales[arm]), number) for number in numbers for arm in scales]
        run_shards(stage, "merge", functools.partial(merge_arm, world), merges, label="merged models")
        chosen, trainings = chosen | scales, trainings + merges
    models = [(SFT, 0, world.sft), *((t.setting.arm, t.number, _model(world, t)) for t in trainings)]
    outcomes = from_table(Outcome, ask_all(world, stage, models))
    stage.write_table("trained", trained["trained"])
    cells, kept = matrices(outcomes), ask_others(world, stage, models)
    arms = (SFT, *chosen)
    return {
        "findings": claim_13.findings(cells, kept, config),
        "rows": arm_rows(cells, arms, spread=config.spread),
        "untouched": arm_rows(kept, arms) if kept else [],
        "chosen": chosen,
        "counts": counts.to_pylist(),
    }


def choose(world: World, stage: StageDir, name: str, arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Try every arm's settings on the development problems; arm -> the best row, the mildest of equals."""
    if world.config.grid == "given":
        return {arm: untried(arm, world.config) for arm in arms}
    settings = [setting for arm in arms for setting in settings_of(arm, world.config)]
    trials = [Trial(index, setting) for index, setting in enumerate(settings)]
    attempt = try_merge if set(arms) <= set(MERGES) else try_setting
    tables = run_shards(stage, name, functools.partial(attempt, world), trials, label="settings")
    stage.write_table(name, tables["trials"])
    rows = tables["trials"].to_pylist()
    assert {row["seed"] for row in rows} == {TUNING_SEED}
    return {arm: max((r for r in rows if r["arm"] == arm), key=lambda r: r["score"]) for arm in arms}


def ask_all(world: World, stage: StageDir, models: Sequence[tuple[str, int, Path]]) -> Any:
    """Have every model answer all held-out problems; returns the table of outcomes."""
    config = world.config
    pieces = [
        Asked(
            arm=arm,
            number=number,
            model=model,
            split=HELDOUT,
            start=start,
            stop=min(start + CHUNK, last),
            samples=config.samples,
            drift=max(0, config.drift + first - start),
        )
        for arm, number, model in spread_over(models, config)
        for first, last in (config.slice_of(number),)
        for start in range(first, last, CHUNK)
    ]
    tables = run_shards(
        stage, "ask", functools.partial(ask_problems, world), pieces, label="held-out problems"
    )
    stage.write_table("outcomes", tables["outcomes"])
    return tables["outcomes"]


def spread_over(
    models: Sequence[tuple[str, int, Path]], config: ExperimentConfig
) -> list[tuple[str, int, Path]]:
    """Name SFT, which is one model, once for each seed where every seed has problems of its own."""
    if not config.spread:
        return list(models)
    start = [(arm, number, model) for arm, _, model in models if arm == SFT for number in range(config.seeds)]
    return [*start, *(model for model in models if model[0] != SFT)]


def ask_others(
    world: World, stage: StageDir, models: Sequence[tuple[str, int, Path]]
) -> dict[str, dict[str, Matrix]]:
    """Measure every model on tasks that the questions are not about; nothing where there are none."""
    left = [shard for model in models for shard in untouched_shards(world, *model)]
    if not left:
        return {}
    logs = run_shards(stage, "untouched", functools.partial(ask_untouched, world), left, label="other tasks")
    stage.write_table("untouched", logs["logs"])
    return untouched_matrices(from_table(ItemLog, logs["logs"]))


def _claim_folder(world: World) -> None:
    """Make the folder this experiment's own, or see that it already is."""
    parts = {
        "config": to_json(world.config),
        "seed": world.seed,
        "inputs": {"sft": model_hash(world.sft), **question_files(world)},
        "code": code_hash("trivium.claims.experiment"),
    }
    claim(world.out / RECORD, "another experiment", parts)


def question_files(world: World) -> dict[str, str]:
    """Hashes of the files that the problems come from, and how they are asked; nothing for a run."""
    if not world.heldout:
        return {}
    names = (world.pivotal.questions, world.heldout, *world.untouched)
    asked = (
        world.pivotal.verifier,
        world.pivotal.prompt_style,
        world.pivotal.system,
        world.pivotal.prompt,
        str(world.pivotal.max_reply_tokens),
    )
    return {
        "files": ",".join(files.file_hash(Path(name)) for name in names),
        "asked": "|".join(asked),
    }


def _model(world: World, training: Training) -> Path:
    return world.model_folder(training.setting.arm, training.number) / "model"
