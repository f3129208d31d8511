"""The search from a finished run to a mixture: a first round, laws, later rounds, confirmation, page.

Every trained model is one shard of the ledger, so a search that was killed goes on where it was, and any
number of processes gives the same tables. Writes the tables runs and confirmed, search.json and the page.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.config import to_json
from trivium.errors import ConfigError
from trivium.mix.search.design import PRIOR, UNIFORM, first_round
from trivium.mix.search.propose import next_round, optimum
from trivium.mix.search.space import distance, plain
from trivium.mix.search.study import SURE, Study, spearman
from trivium.proxies import verdict
from trivium.proxies.confirm import BY_LOSS, CHOSEN, confirm
from trivium.proxies.measured import AFTER, LOSS, named, studies, study_facts
from trivium.proxies.proxy import Trial, run_trial
from trivium.proxies.settings import RUNS_PER_SOURCE, SearchConfig
from trivium.proxies.world import PROXY, World, open_world, prepare
from trivium.store import files
from trivium.store.fingerprint import changed_parts, code_hash
from trivium.store.ledger import run_shards
from trivium.store.run import Run, StageDir

if TYPE_CHECKING:
    import pyarrow as pa

RECORD, PAGE = "experiment.json", "mixture.html"


def search(
    source: Path, out: Path, config: SearchConfig, workers: int, executor: str = "local"
) -> dict[str, Any]:
    """Search the mixture of a run and write what came out.

    Args:
        source: Folder of a run whose data are finished.
        out: Folder of the search; partial work of the same search there goes on.
        config: Sizes.
        workers: Processes; the results do not depend on it.
        executor: `local` (processes of this machine) or `ray` (a Ray cluster).

    Returns:
        What search.json holds.

    Raises:
        ConfigError: The folder holds another search, or the sizes do not fit the run.
        DataError: The run lacks a stage or items.
    """
    run = Run.open(source)
    world = open_world(run, out, config)
    _claim_folder(world, run)
    stage = StageDir(name="mix search", path=out, seed=world.seed, workers=workers, executor=executor)
    scored = prepare(world)
    runs = _all_rounds(world, stage)
    stage.write_table("runs", runs)
    found = studies(world, runs)
    best = {name: _optimum(world, one) for name, one in found.items()}
    arms = {
        CHOSEN: plain(best[AFTER]),
        PRIOR: world.space.prior,
        UNIFORM: plain(world.space.uniform()),
        BY_LOSS: plain(best[LOSS]),
    }
    result = {
        "config": to_json(config),
        **_facts(world, scored, runs, found, best),
        "confirmation": confirm(world, stage, arms) if config.confirm_seeds else None,
    }
    result["sentences"] = verdict.sentences(result)
    stage.write_json("search", result)
    from trivium.proxies.page import page

    stage.write_text(PAGE, page(world, runs, found, best, result))
    return result


def _all_rounds(world: World, stage: StageDir) -> pa.Table:
    """Train the first round and the noise seeds, then the later rounds where the laws point."""
    import pyarrow as pa

    count = world.config.mixtures or RUNS_PER_SOURCE * (len(world.space.sources) + 1)
    made = first_round(world.space, count, world.seed)
    trials = [Trial(label=m.label, size=PROXY, shares=m.shares, number=0) for m in made]
    for number in range(1, world.config.noise_seeds + 1):
        trials.append(Trial(label=PRIOR, size=PROXY, shares=world.space.prior, number=number))
    runs = _round(world, stage, 1, trials)
    for number, size in enumerate(world.config.rounds, 2):
        rows = _kept(stage, f"round-{number}", functools.partial(_propose, world, runs, size, number))
        trials = [
            Trial(label=f"round {number}", size=PROXY, shares=tuple(shares), number=0) for shares in rows
        ]
        if trials:
            runs = pa.concat_tables([runs, _round(world, stage, number, trials)])
    return runs


def _round(world: World, stage: StageDir, number: int, trials: Sequence[Trial]) -> pa.Table:
    work = functools.partial(run_trial, world)
    label = f"proxies, round {number} of {1 + len(world.config.rounds)}"
    return run_shards(stage, f"round-{number}", work, trials, label=label, unit="runs")["runs"]


def _propose(world: World, runs: pa.Table, size: int, number: int) -> list[list[float]]:
    found = studies(world, runs)
    also = [_optimum(world, found[LOSS])]
    rows = next_round(found[AFTER], size, world.seed + number, also, world.config.penalty)
    return [list(plain(row)) for row in rows]


def _kept(stage: StageDir, name: str, make: Callable[[], list[list[float]]]) -> list[list[float]]:
    """Read what was proposed before a kill, or propose it and write it down."""
    path = stage.scratch / f"{name}.json"
    if not path.exists():
        files.write_json(path, make())
    return files.read_json(path)


def _optimum(world: World, found: Study) -> np.ndarray:
    """The law's optimum near the prior; where no law is trusted the stratified baseline: equal shares."""
    if not found.trusted:
        return world.space.uniform()
    return optimum(world.space, found.value, world.config.penalty, world.seed)


def _facts(
    world: World,
    scored: dict[str, list[str]],
    runs: pa.Table,
    found: dict[str, Study],
    best: dict[str, np.ndarray],
) -> dict[str, Any]:
    after, loss = found[AFTER], found[LOSS]
    by_loss = 1 - float(after.value(best[LOSS][None])[0])
    return {
        "sources": list(world.space.sources),
        "unique_tokens": dict(zip(world.space.sources, world.space.unique, strict=True)),
        "budget_tokens": world.space.budget,
        "sizes": {
            name: {"tokens": size.tokens, "hidden": size.pretrain.model.hidden}
            for name, size in world.sizes.items()
        },
        **scored,
        "proxies": runs.num_rows,
        "prior": named(world, world.space.prior),
        "after": study_facts(world, after, best[AFTER]),
        "loss": study_facts(world, loss, best[LOSS]),
        "disagreement": {
            "moved_share": distance(best[AFTER], best[LOSS]),
            "rank_correlation": spearman(after.measured, loss.measured),
            "after_gain_predicted_at_loss_optimum": by_loss,
        },
        "noise_limit": SURE * after.noise,
    }


def _claim_folder(world: World, run: Run) -> None:
    """Make the folder this search's own, or see that it already is."""
    parts = {
        "config": to_json(world.config),
        "seed": world.seed,
        "inputs": {name: run.record(name)["output_hash"] for name in world.stages},
        "code": code_hash("trivium.proxies.experiment"),
        "outside": {"sizes": json.dumps(to_json(world.sizes), sort_keys=True)},
    }
    record = world.out / RECORD
    if record.exists() and (changed := changed_parts(files.read_json(record), json.loads(json.dumps(parts)))):
        raise ConfigError(
            f"{world.out}: got another search there (changed {', '.join(changed)}); expected the same one, "
            "choose another --out or delete it."
        )
    files.write_json(record, parts)
