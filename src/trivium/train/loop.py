"""The training loop: one function for pretraining, midtraining, fine-tuning and preferences.

An objective says what a step's loss is; the loop does the rest: ranks, accumulation, clipping, schedule,
spikes, checkpoints, the log. A run that was killed continues from its last checkpoint and ends with the same
bits as one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from trivium.errors import ResourceError
from trivium.models import runtime
from trivium.models.load import load_model
from trivium.store.progress import Progress, SilentProgress, make_progress
from trivium.train import trackers
from trivium.train.engine import Engine, WholeModel
from trivium.train.forward import precision
from trivium.train.schedule import lr_factor, weight_decay_factor
from trivium.train.settings import LoopConfig
from trivium.train.trackers import Tracker

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RECENT = 50
"""Accepted steps whose median gradient norm a spike is measured against."""
TIDY_SECONDS = 60.0
"""Time after which freed memory is handed back: rows of all lengths leave holes that nothing fits into."""


class Objective(Protocol):
    """What is trained on: a fixed number of steps, each a fixed set of micro-batches on every rank."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names under which losses are logged."""
        ...

    @property
    def unit(self) -> str:
        """What a step's size counts."""
        ...

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        ...

    def step_size(self, step: int) -> int:
        """Units of a step, over all ranks, for the progress bar."""
        ...

    def micro_batches(self, step: int, rank: int, ranks: int) -> Sequence[Any]:
        """This rank's part of a step; a pure function of the arguments."""
        ...

    def loss(self, model: PreTrainedModel, batch: Any) -> tuple[Tensor, Tensor]:
        """This micro-batch's part of the step's loss, and (groups, 2): sum of losses, number of them."""
        ...


@dataclasses.dataclass(slots=True)
class History:
    """What happened, step by step; part of a checkpoint. S steps, G groups."""

    stats_SG2: Tensor
    """Sum of losses and number of targets (float64)."""
    lr_S: Tensor
    norm_S: Tensor
    """Norm of the gradient before clipping; NaN where it was not finite."""
    skipped_S: Tensor
    """1.0 where the step was not taken."""

    @classmethod
    def empty(cls, steps: int, groups: int) -> History:
        """Nothing has happened yet."""
        zeros = torch.zeros(steps, dtype=torch.float64)
        stats = torch.zeros(steps, groups, 2, dtype=torch.float64)
        return cls(stats, zeros, zeros.clone(), zeros.clone())


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Everything a rank needs to know; picklable where there are several."""

    model: Path
    """Folder of the model to start from."""
    objective: Callable[[], Objective]
    """Makes the objective; with more than one rank a module-level function, or a partial of one."""
    config: LoopConfig
    scratch: Path
    """Folder for checkpoints."""
    label: str
    """Text of the progress bar."""


def run_job(job: Job) -> tuple[PreTrainedModel, History]:
    """Train with as many ranks as the configuration says; returns the model and what happened."""
    job.scratch.mkdir(parents=True, exist_ok=True)
    group = job.config.sharding == "fsdp"
    done = runtime.run_ranks(_run_rank, job.config.ranks, job.scratch / "rendezvous", (job,), group=group)
    runtime.return_memory()  # gradients and optimizer are gone, and the process may go on with other stages
    return done


def _run_rank(rank: int, job: Job) -> tuple[PreTrainedModel | None, History]:
    sharded = job.config.sharding == "fsdp"
    # In evaluation mode: without dropout, a step is a pure function of weights and rows.
    model = load_model(job.model, attention=job.config.attention if sharded else "eager")
    log = job.scratch.parent / trackers.FILE if rank == 0 else None
    with precision(model, job.config.precision):
        objective = job.objective()
        engine = make_engine(model, objective, job.config, job.scratch, rank)
        history = train_with(engine, objective, job.config, rank=rank, label=job.label, log=log)
        trained = engine.finish()
    return (None if trained is None else trained.eval()), history


def make_engine(
    model: PreTrainedModel, objective: Objective, config: LoopConfig, scratch: Path, rank: int
) -> Engine:
    """The engine that the configuration asks for."""
    if config.sharding == "fsdp":
        from trivium.train.sharded import ShardedModel

        return ShardedModel(model, objective, config, scratch)
    return WholeModel(model, objective, config, scratch, rank)


def train(
    model: PreTrainedModel, objective: Objective, config: LoopConfig, scratch: Path, *, rank: int = 0
) -> History:
    """Train a whole model in place.

    Args:
        model: Starts with the weights to train from; ends with the trained ones.
        objective: What to train on.
        config: How.
        scratch: Folder for checkpoints; one that lies there is continued.
        rank: Number of this process; rank 0 writes checkpoints and shows progress.

    Raises:
        ResourceError: Too many steps in a row gave no usable gradient.
    """
    engine = WholeModel(model, objective, config, scratch, rank)
    history = train_with(engine, objective, config, rank=rank)
    engine.finish()
    return history


def train_with(
    engine: Engine,
    objective: Objective,
    config: LoopConfig,
    *,
    rank: int = 0,
    label: str = "train",
    log: Path | None = None,
) -> History:
    """Take every step that is not taken yet.

    Args:
        engine: Holds the weights.
        objective: What to train on.
        config: How.
        rank: Number of this process; rank 0 shows progress.
        label: Text of the progress bar.
        log: The JSONL file of steps; None writes none.

    Raises:
        ResourceError: Too many steps in a row gave no usable gradient.
    """
    history = History.empty(objective.num_steps, len(objective.groups))
    start = engine.resume(history)
    sizes = [objective.step_size(step) for step in range(objective.num_steps)]
    with (
        _progress(label, sum(sizes), objective.unit, rank, engine.scratch) as bar,
        _shown(log, start, label, config) as shown,
    ):
        bar.resume(sum(sizes[:start]))
        tidied = time.monotonic()
        for step in range(start, objective.num_steps):
            _take(engine, history, step, config)
            bar.advance(sizes[step])
            for tracker in shown:
                tracker.log(step, trackers.numbers_of(history, step, objective.groups))
            if (step + 1) % config.checkpoint_steps == 0:
                engine.save(step + 1, history)
            if time.monotonic() - tidied > TIDY_SECONDS:
                runtime.return_memory()
                tidied = time.monotonic()
    return history


@contextlib.contextmanager
def _shown(log: Path | None, start: int, label: str, config: LoopConfig) -> Iterator[list[Tracker]]:
    if log is None:
        yield []
        return
    shown = trackers.open_trackers(config.trackers, log, start, label, dataclasses.asdict(config))
    try:
        yield shown
    finally:
        for tracker in shown:
            tracker.close()


def _take(engine: Engine, history: History, step: int, config: LoopConfig) -> None:
    steps = len(history.lr_S)
    lr = config.learning_rate * lr_factor(step, steps, config)
    history.stats_SG2[step], norm = engine.gradient(step)
    history.lr_S[step], history.norm_S[step] = lr, norm
    if not _usable(norm, history, step, config):
        history.skipped_S[step] = 1.0
        _stop_when_lost(history, step, config)
        return
    engine.update(lr, weight_decay_factor(step, steps, config))


def _usable(norm: float, history: History, step: int, config: LoopConfig) -> bool:
    """Whether a step's gradient is finite and no spike."""
    if norm != norm or norm == float("inf"):
        return False
    first = max(0, step - 2 * RECENT)
    taken = history.skipped_S[first:step] == 0
    recent = history.norm_S[first:step][taken][-RECENT:].tolist()
    if not config.spike_factor or len(recent) < RECENT:
        return True
    return norm <= config.spike_factor * statistics.median(recent)


def _stop_when_lost(history: History, step: int, config: LoopConfig) -> None:
    last = history.skipped_S[max(0, step + 1 - config.max_bad_steps) : step + 1]
    if len(last) == config.max_bad_steps and bool(last.all()):
        raise ResourceError(
            f"training: {config.max_bad_steps} steps in a row up to step {step} had no usable gradient "
            f"(norm {float(history.norm_S[step]):.3g}); lower learning_rate or raise spike_factor."
        )


def _progress(label: str, total: int, unit: str, rank: int, folder: Path) -> Progress:
    return make_progress(label, total, unit, folder) if rank == 0 else SilentProgress()
