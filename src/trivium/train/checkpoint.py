"""Resumable state of a training run: one safetensors file, replaced as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trivium.errors import DataError
from trivium.store import files
from trivium.train.optimizers import restore_state, state_tensors

if TYPE_CHECKING:
    from trivium.train.loop import History

FILE = "checkpoint.safetensors"
_HISTORY = ("stats_SG2", "lr_S", "norm_S", "skipped_S")


def save(
    folder: Path,
    step: int,
    parameters: dict[str, Tensor],
    optimizers: list[torch.optim.Optimizer],
    history: History,
    average: dict[str, Tensor],
) -> None:
    """Write the state after `step` steps; a kill at any moment leaves this checkpoint or the one before."""
    from safetensors.torch import save_file

    tensors = {f"weight:{name}": weight.detach() for name, weight in parameters.items()}
    tensors |= {f"optimizer:{name}": value for name, value in state_tensors(optimizers, parameters).items()}
    tensors |= {f"average:{name}": value for name, value in average.items()}
    tensors |= {f"history:{name}": getattr(history, name) for name in _HISTORY}
    files.write_atomic(folder / FILE, lambda target: save_file(tensors, target, {"step": str(step)}))


def resume(
    folder: Path,
    parameters: dict[str, Tensor],
    optimizers: list[torch.optim.Optimizer],
    history: History,
    average: dict[str, Tensor],
) -> int:
    """Load the state that lies in a folder, in place.

    Returns:
        The number of steps done; 0 when there is no checkpoint.

    Raises:
        DataError: The checkpoint belongs to another run.
    """
    from safetensors import safe_open

    if not (folder / FILE).exists():
        return 0
    with safe_open(folder / FILE, framework="pt") as file:
        step = int(file.metadata()["step"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    kinds = {kind: _of_kind(tensors, kind) for kind in ("weight", "optimizer", "history", "average")}
    if {n: t.shape for n, t in kinds["weight"].items()} != {n: p.shape for n, p in parameters.items()}:
        raise DataError(f"{folder / FILE}: got weights of another model; delete it and run again.")
    with torch.no_grad():
        for name, weight in parameters.items():
            weight.copy_(kinds["weight"][name])
        for name in _HISTORY:
            getattr(history, name).copy_(kinds["history"][name])
        for name, slow in average.items():
            slow.copy_(kinds["average"][name])
    restore_state(optimizers, parameters, kinds["optimizer"])
    return step


def _of_kind(tensors: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {name.partition(":")[2]: value for name, value in tensors.items() if name.startswith(f"{kind}:")}
