"""The training loop: one function for pretraining, midtraining, fine-tuning and preferences.

An objective says what a step's loss is; the loop does the rest: ranks, accumulation, clipping, schedule,
spikes, checkpoints, the log. A run that was killed continues from its last checkpoint and ends with the same
bits as one that was not.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from trivium.errors import ResourceError
from trivium.models import runtime
from trivium.models.load import load_model
from trivium.store.progress import Progress, SilentProgress, make_progress
from trivium.train import checkpoint
from trivium.train.optimizers import FlatGradient, freeze, make_optimizers, set_lr, trainable
from trivium.train.schedule import lr_factor
from trivium.train.settings import LoopConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RECENT = 50
"""Accepted steps whose median gradient norm a spike is measured against."""


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
    """Everything a rank needs to know; picklable."""

    model: Path
    """Folder of the model to start from."""
    objective: Callable[[], Objective]
    """A module-level function, or a partial of one."""
    config: LoopConfig
    scratch: Path
    """Folder for checkpoints."""
    label: str
    """Text of the progress bar."""


def run_job(job: Job) -> tuple[PreTrainedModel, History]:
    """Train with as many ranks as the configuration says; returns the model and what happened."""
    job.scratch.mkdir(parents=True, exist_ok=True)
    return runtime.run_ranks(_run_rank, job.config.ranks, job.scratch / "rendezvous", (job,))


def _run_rank(rank: int, job: Job) -> tuple[PreTrainedModel, History]:
    model = load_model(job.model).train()
    objective = job.objective()
    history = train(model, objective, job.config, job.scratch, rank=rank, label=job.label)
    return model.eval(), history


def train(
    model: PreTrainedModel,
    objective: Objective,
    config: LoopConfig,
    scratch: Path,
    *,
    rank: int = 0,
    label: str = "train",
) -> History:
    """Train in place.

    Args:
        model: Starts with the weights to train from; ends with the trained ones.
        objective: What to train on.
        config: How.
        scratch: Folder for checkpoints; one that lies there is continued.
        rank: Number of this process; rank 0 writes checkpoints and shows progress.
        label: Text of the progress bar.

    Raises:
        ResourceError: Too many steps in a row gave no usable gradient.
    """
    freeze(model, config.frozen)
    parameters = trainable(model)
    optimizers = make_optimizers(parameters, config)
    flat = FlatGradient(parameters, extra=2 * len(objective.groups))
    history = History.empty(objective.num_steps, len(objective.groups))
    start = checkpoint.resume(scratch, parameters, optimizers, history)
    sizes = [objective.step_size(step) for step in range(objective.num_steps)]
    with _progress(label, sum(sizes), objective.unit, rank, scratch) as bar:
        bar.advance(sum(sizes[:start]))
        for step in range(start, objective.num_steps):
            _gradient(model, objective, flat, step, rank, config.ranks)
            _update(flat, optimizers, history, step, config)
            bar.advance(sizes[step])
            if rank == 0 and (step + 1) % config.checkpoint_steps == 0:
                checkpoint.save(scratch, step + 1, parameters, optimizers, history, objective.groups)
    return history


def _gradient(
    model: PreTrainedModel, objective: Objective, flat: FlatGradient, step: int, rank: int, ranks: int
) -> None:
    """Sum gradients and statistics over micro-batches and ranks into the flat buffer."""
    flat.zero()
    for batch in objective.micro_batches(step, rank, ranks):
        loss, stats_G2 = objective.loss(model, batch)
        loss.backward()
        flat.extra.add_(stats_G2.flatten())
    runtime.sum_over_ranks_(flat.buffer)


def _update(
    flat: FlatGradient,
    optimizers: list[torch.optim.Optimizer],
    history: History,
    step: int,
    config: LoopConfig,
) -> None:
    lr = config.learning_rate * lr_factor(step, len(history.lr_S), config)
    norm = flat.clip(config.grad_clip)
    history.stats_SG2[step] = flat.extra.view(-1, 2).double()
    history.lr_S[step], history.norm_S[step] = lr, norm
    if not _usable(norm, history, step, config):
        history.skipped_S[step] = 1.0
        _stop_when_lost(history, step, config)
        return
    set_lr(optimizers, lr)
    for optimizer in optimizers:
        optimizer.step()


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
