"""Training one arm with one setting: the stage dpo1 of the pipeline on the arm's own pairs and replies.

The arm AFTER starts from a model that was fitted to the right replies among the pivotal arm's own rollouts,
so it costs no rollout more than the others. A merged arm is not trained: it adds up what two arms changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.claims.settings import AFTER, FITTED, MERGES, PIVOTAL, REJECTION, Setting
from trivium.claims.world import DEV, World
from trivium.errors import ResourceError
from trivium.models.runtime import return_memory
from trivium.models.sample import forget_model
from trivium.store.run import SCRATCH, StageDir
from trivium.train import dpo_stage
from trivium.train.dpo_stage import DPOConfig

if TYPE_CHECKING:
    import pyarrow as pa

UNTRAINED = {"pairs": 0, "pairs_left_out": 0, "steps": 0, "kl_conversations": 0.0, "train_seconds": 0.0}
"""What training would have told, for a model that was not trained to its end."""

TUNING_SEED = 0
"""Settings are chosen on the rollouts of the first repetition and kept for all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """One setting to judge on the development problems."""

    index: int
    setting: Setting


@dataclasses.dataclass(frozen=True, slots=True)
class Training:
    """One arm to train for good."""

    setting: Setting
    number: int
    """Of the seed."""


def try_merge(world: World, trial: Trial) -> Mapping[str, pa.Table]:
    """Merge at a scale and score the model on the development problems; it is thrown away."""
    import pyarrow as pa

    folder = world.out / "trials" / f"{trial.setting.arm}-{trial.index}"
    found = merge(world, trial.setting, TUNING_SEED, folder)
    scores = judge(world, trial.setting.arm, folder)
    shutil.rmtree(folder)
    return {"trials": pa.Table.from_pylist([{**found, **scores, "error": ""}])}


def try_setting(world: World, trial: Trial) -> Mapping[str, pa.Table]:
    """Train with a setting and score it on the development problems; the model is thrown away.

    A setting under which training breaks down scores -1, with the error beside it.
    """
    import pyarrow as pa

    folder = world.out / "trials" / f"{trial.setting.arm}-{trial.index}"
    try:
        found = fit(world, trial.setting, TUNING_SEED, folder)
    except ResourceError as error:
        shutil.rmtree(folder)
        scores = {"dev_greedy": 0.0, "dev_sampled": 0.0, "score": -1.0, "error": str(error)}
        row = {**dataclasses.asdict(trial.setting), "seed": TUNING_SEED, **UNTRAINED, **scores}
        return {"trials": pa.Table.from_pylist([row])}
    scores = judge(world, trial.setting.arm, folder)
    shutil.rmtree(folder)
    return {"trials": pa.Table.from_pylist([{**found, **scores, "error": ""}])}


def judge(world: World, arm: str, folder: Path) -> dict[str, Any]:
    """Score the model in a stage's folder on the development problems."""
    from trivium.claims.measure import Asked, ask

    asked = Asked(
        arm=arm,
        number=TUNING_SEED,
        model=folder / "model",
        split=DEV,
        start=0,
        stop=world.config.dev,
        samples=world.config.dev_samples,
    )
    rows = ask(world, asked)
    greedy = sum(row.greedy for row in rows) / len(rows)
    sampled = sum(row.right for row in rows) / (len(rows) * world.config.dev_samples)
    return {"dev_greedy": greedy, "dev_sampled": sampled, "score": (greedy + sampled) / 2}


def train_arm(world: World, training: Training) -> Mapping[str, pa.Table]:
    """Train an arm and keep its model."""
    import pyarrow as pa

    folder = world.model_folder(training.setting.arm, training.number)
    found = fit(world, training.setting, training.number, folder)
    return {"trained": pa.Table.from_pylist([found])}


def merge_arm(world: World, training: Training) -> Mapping[str, pa.Table]:
    """Merge an arm's two parents of one seed and keep the model."""
    import pyarrow as pa

    folder = world.model_folder(training.setting.arm, training.number)
    return {"trained": pa.Table.from_pylist([merge(world, training.setting, training.number, folder)])}


def merge(world: World, setting: Setting, number: int, folder: Path) -> dict[str, Any]:
    """Add a share of what two arms changed to SFT's weights.

    Source: Ilharco et al. 2023, arXiv 2212.04089 (task arithmetic).

    Args:
        world: The run, with both parents trained from one budget of rollouts.
        setting: The merged arm and its scale.
        number: Of the seed.
        folder: Receives `model`.
    """
    from safetensors.torch import load_file, save_file

    fitted, paired = (world.model_folder(arm, number) / "model" for arm in MERGES[setting.arm])
    start, other = weights_of(world.sft), weights_of(paired)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(fitted, folder / "model")
    for part in sorted((folder / "model").glob("*.safetensors")):
        merged = load_file(part)
        for name, weight in merged.items():
            before = start[name].float()
            change = (weight.float() - before) + (other[name].float() - before)
            merged[name] = (before + setting.scale * change).to(weight.dtype)
        save_file(merged, part, {"format": "pt"})
    return {**dataclasses.asdict(setting), "seed": number, **UNTRAINED}


def weights_of(model: Path) -> dict[str, Any]:
    """All weights of a folder, by name."""
    from safetensors.torch import load_file

    return {name: weight for part in model.glob("*.safetensors") for name, weight in load_file(part).items()}


def train_first(world: World, training: Training) -> Mapping[str, pa.Table]:
    """Fit SFT to the right replies of the pivotal arm's own rollouts, for AFTER to start from."""
    import pyarrow as pa

    folder = world.model_folder(FITTED, training.number)
    found = fit(world, training.setting, training.number, folder, data=PIVOTAL)
    return {"trained": pa.Table.from_pylist([found])}


def fit(world: World, setting: Setting, number: int, folder: Path, data: str = "") -> dict[str, Any]:
    """Run the stage in a folder; training that was killed there goes on from its last checkpoint.

    Args:
        world: The run.
        setting: How.
        number: Of the seed.
        folder: Of the stage.
        data: Arm whose pairs and replies are used; the setting's own when empty.
    """
    after = setting.arm == AFTER
    stage = StageDir(
        name="dpo1",
        path=folder,
        seed=world.seed_of(number),
        inputs={
            "start": world.model_folder(FITTED, number) if after else world.stages["sft"],
            "data": world.arm_folder(data or (PIVOTAL if after else setting.arm), number),
            **({"replay": world.out / "replay"} if world.replays else {}),
        },
    )
    forget_model()
    return_memory()  # the last fit's model is gone, and this one's is as large
    with contextlib.redirect_stderr(io.StringIO()):  # the bar of the ledger stands for all of them
        found = dpo_stage.run(stage_config(world, setting), stage)
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    return {
        **dataclasses.asdict(setting),
        "seed": number,
        "pairs": found["pairs"],
        "pairs_left_out": stage.num_drops,
        "steps": found["steps"],
        "kl_conversations": found["kl_nats_per_token"],
        "train_seconds": found["train_seconds"],
    }


def stage_config(world: World, setting: Setting) -> DPOConfig:
    """Turn the run's own dpo1 into an arm's: optimizer, batch and replay are the same for all."""
    base = world.dpo
    pairs = setting.arm != REJECTION
    return dataclasses.replace(
        base,
        start="start",
        pairs_from=("data",),
        origins=(),
        max_pairs=0,
        loss="dpo" if pairs else "sft",
        beta=setting.beta if pairs else base.beta,
        epochs=setting.epochs,
        anchor_from="data",
        anchor_weight=0.0 if setting.hold == "kl" else 1.0,
        anchor_rows=base.anchor_rows if pairs else base.loop.rows,
        replay_from="replay" if world.replays else "",
        kl_weight=1.0 if setting.hold == "kl" else 0.0,
        heldout_frac=0.0,
        loop=dataclasses.replace(base.loop, learning_rate=setting.learning_rate, ranks=1),
    )
