"""Guard: which round to keep, so that what training was not about is not lost.

Every candidate, a round's model or one on the way to it, is measured on a development part of public tasks:
`targets`, which should rise, and `untouched`, which should stay. A candidate passes if no untouched task
falls by more than `most_lost` below the start; of those that pass and gain, the one with the greatest mean
gain on the targets is taken, the earlier of equals, and if there is none the start itself. Rounds differ in
what the recipe makes them differ in (data, beta); `shares` says how far along the way each is also tried.
The choice is then measured beside the start on the other part of every task, once. Writes `model/`,
choice.json, table.json and every reply with its verdict (items_dev, items_test).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.evaluate.standard.results import PairRow, ResultRow
    from trivium.store.run import StageDir

START = "start"
ROUNDING = 1e-9
"""Two items of two hundred are a loss of .01, however their shares are subtracted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardConfig:
    """What is measured and what may be lost."""

    start: str = "models/mine"
    """Hugging Face folder that training began with."""
    rounds: tuple[str, ...] = ("sft", "dpo1")
    """Stages whose models are candidates, in order."""
    shares: tuple[float, ...] = (1.0,)
    """How far from the start to a round's weights a candidate lies; 1 is the round itself, and between is
    what fewer steps would give to first order (see `models.averaging`)."""
    data: str = "data"
    """Folder of the tasks' files, or `hub`."""
    targets: tuple[str, ...] = ("svamp_asked", "ifeval")
    """Tasks that should rise; each counts by its first metric."""
    untouched: tuple[str, ...] = ("lambada", "arc_easy", "piqa")
    """Tasks that should stay."""
    also: tuple[str, ...] = ("gsm8k_asked", "svamp", "nq_open_said")
    """Tasks that are only shown, in the last table."""
    most_lost: float = 0.01
    """Largest fall of an untouched task, as a share of its items."""
    dev_items: int = 60
    """Items of each task that choose."""
    test_items: int = 100
    """Items of each task in the last table; none of them chose."""
    dev_items_of: dict[str, int] = field(default_factory=dict)
    """The first for single tasks, instead: a fall of one in a hundred needs hundreds to be seen."""
    test_items_of: dict[str, int] = field(default_factory=dict)
    """The second for single tasks, instead."""
    style: str = "chat"
    """How replies are asked for: task, chat or raw."""
    max_tokens: int = 320
    """Longest reply."""

    def __post_init__(self) -> None:
        """Refuse what cannot choose."""
        if not self.rounds or not self.targets or min(self.shares, default=0) <= 0 or max(self.shares) > 1:
            raise ConfigError(
                f"guard: got rounds={self.rounds}, targets={self.targets} and shares={self.shares}; expected "
                "a round, a target and shares above 0 up to 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A model with what the development part says of it."""

    name: str
    gain: float
    """Mean rise of the targets over the start."""
    lost: float
    """Greatest fall of an untouched task below the start; negative where all rose."""


def outside(config: GuardConfig) -> dict[str, str]:
    """The model that training began with."""
    from trivium.store.fingerprint import outside_model

    return outside_model(config.start)


def run(config: GuardConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk. Returns the choice, its gain and loss, and every candidate's."""
    from trivium.models.load import find_model

    begin = find_model(config.start, stage)
    folders = {START: begin}
    for name in config.rounds:
        own = find_model(name, stage)
        for share in config.shares:
            folders[f"{name}@{share:g}"] = own if share == 1 else between(begin, own, share, stage)
    dev_tasks = (*config.targets, *config.untouched)
    values = scores(measure(config, stage, folders, dev_tasks, "dev")[0], config, dev_tasks)
    found = [judged(name, values[name], values[START], config) for name in folders if name != START]
    chosen = choose(found, config.most_lost)
    copy_model(folders[chosen], stage.path / "model")
    test_tasks = (*dev_tasks, *config.also)
    sides = {START: begin} | ({chosen: stage.path / "model"} if chosen != START else {})
    table, pairs = measure(config, stage, sides, test_tasks, "test")
    stage.write_json("choice", {"chosen": chosen, "candidates": [asdict(one) for one in found]})
    stage.write_json("table", {"rows": [asdict(r) for r in table], "pairs": [asdict(p) for p in pairs]})
    best = next((one for one in found if one.name == chosen), Candidate(name=START, gain=0.0, lost=0.0))
    return {
        "chosen": chosen,
        "dev_gain": round(best.gain, 4),
        "dev_lost": round(best.lost, 4),
        "candidates": len(found),
        "passed": sum(passes(one, config.most_lost) for one in found),
        "test": {f"{p.task} {p.metric}": [round(n, 4) for n in (p.value, p.low, p.high)] for p in pairs},
    }


def judged(name: str, own: Mapping[str, float], begin: Mapping[str, float], config: GuardConfig) -> Candidate:
    """Hold a candidate's scores against those of the start."""
    gain = sum(own[task] - begin[task] for task in config.targets) / len(config.targets)
    lost = max((begin[task] - own[task] for task in config.untouched), default=0.0)
    return Candidate(name=name, gain=gain, lost=lost)


def passes(one: Candidate, most_lost: float) -> bool:
    """Whether a candidate loses no more than that."""
    return one.lost <= most_lost + ROUNDING


def choose(found: Sequence[Candidate], most_lost: float) -> str:
    """Apply the rule: of those that lose no more than that, the one that gains most; else the start."""
    passing = [one for one in found if passes(one, most_lost) and one.gain > 0]
    return max(passing, key=lambda one: one.gain).name if passing else START


def measure(
    config: GuardConfig,
    stage: StageDir,
    folders: Mapping[str, Path],
    tasks: Sequence[str],
    part: Literal["dev", "test"],
) -> tuple[list[ResultRow], list[PairRow]]:
    """Evaluate models on one part of every task; what was asked once is not asked again."""
    from trivium.evaluate.standard import ask, run

    dev = part == "dev"
    what = run.Evaluation(
        models=tuple(ask.contestant(str(path), label=name) for name, path in folders.items()),
        tasks=tuple(tasks),
        data=config.data,
        limit=config.dev_items if dev else config.test_items,
        limits=config.dev_items_of if dev else config.test_items_of,
        part=part,
        seed=stage.seed,
        style=config.style,
        max_tokens=config.max_tokens,
        precision="auto",
        workers=stage.workers,
    )
    done = run.evaluate(what, stage.scratch / part)
    shutil.copyfile(stage.scratch / part / "items.parquet", stage.path / f"items_{part}.parquet")
    return done.results, done.pairs


def scores(
    rows: Sequence[ResultRow], config: GuardConfig, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return model -> task -> value of the task's first metric."""
    from trivium.evaluate.standard.tasks import find

    first = {name: find(name.partition("=")[0]).metrics[0] for name in names}
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        for name, metric in first.items():
            if (row.task, row.metric) == (name.partition("=")[0], metric):
                found.setdefault(row.model, {})[name] = row.value
    return found


def between(begin: Path, end: Path, share: float, stage: StageDir) -> Path:
    """Write a model that lies part of the way from one to the other, weight by weight."""
    from trivium.models.averaging import draw_back
    from trivium.models.load import load_model

    out = stage.scratch / f"{end.parent.name}-{share:g}"
    if not (out / "model.safetensors").is_file():
        model = load_model(end)
        draw_back(model, begin, 1 - share)
        copy_model(end, out)
        model.save_pretrained(out)
    return out


def copy_model(source: Path, target: Path) -> None:
    """Copy a model's files, weights and all."""
    shutil.copytree(source, target, dirs_exist_ok=True)
