"""Optimizers over one flat gradient, and their state as named tensors (no pickle)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trivium.errors import ConfigError
from trivium.train.muon import Muon
from trivium.train.settings import LoopConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_IN_LAYER = re.compile(r"\.\d+\.")
"""Names of weights inside the numbered layers, whatever a model calls them."""


class FlatGradient:
    """One buffer that holds the gradients of all parameters, and room for statistics to sum with them."""

    def __init__(self, parameters: dict[str, Tensor], extra: int) -> None:
        """Point every parameter's `.grad` into the buffer; `extra` float32 numbers follow the gradients."""
        sizes = [weight.numel() for weight in parameters.values()]
        self.num_weights = sum(sizes)
        self.buffer = torch.zeros(self.num_weights + extra)
        start = 0
        for weight, size in zip(parameters.values(), sizes, strict=True):
            weight.grad = self.buffer[start : start + size].view_as(weight)
            start += size

    @property
    def gradient(self) -> Tensor:
        """All gradients, flat."""
        return self.buffer[: self.num_weights]

    @property
    def extra(self) -> Tensor:
        """The statistics."""
        return self.buffer[self.num_weights :]

    def zero(self) -> None:
        """Start a new step."""
        self.buffer.zero_()

    def clip(self, largest: float) -> float:
        """Scale the gradient down to a norm; returns the norm before."""
        norm = self.gradient.double().norm().item()
        if 0 < largest < norm:
            self.gradient.mul_(largest / norm)
        return norm


def freeze(model: PreTrainedModel, prefixes: tuple[str, ...]) -> None:
    """Keep the parameters whose name starts with one of the prefixes as they are.

    Raises:
        ConfigError: A prefix names no parameter.
    """
    names = [name for name, _ in model.named_parameters()]
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            raise ConfigError(
                f"loop.frozen: got {prefix!r}; expected the start of a name such as {names[1]!r}."
            )
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith(prefixes) if prefixes else True)


def trainable(model: PreTrainedModel) -> dict[str, Tensor]:
    """Parameters by name; tied weights appear once."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def make_optimizers(
    parameters: dict[str, Tensor], config: LoopConfig, *, fused: bool = True
) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the matrices of the layers and AdamW for the rest.

    Args:
        parameters: By name.
        config: Says which, and how fast.
        fused: One kernel for all of AdamW; not for sharded parameters on a CPU.
    """
    inner = {name for name, weight in parameters.items() if weight.dim() == 2 and _IN_LAYER.search(name)}
    rest = [name for name in parameters if config.optimizer == "adamw" or name not in inner]
    groups = [
        {"params": [parameters[n] for n in rest if n in inner], "weight_decay": config.weight_decay},
        {"params": [parameters[n] for n in rest if n not in inner], "weight_decay": 0.0},
    ]
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            fused=fused,
        )
    ]
    if config.optimizer == "muon":
        names = [name for name in parameters if name in inner]
        found.append(
            Muon(
                [parameters[name] for name in names],
                [_parts(name, parameters) for name in names],
                lr=config.learning_rate,
                weight_decay=config.weight_decay,
            )
        )
    return found


def _parts(name: str, parameters: dict[str, Tensor]) -> tuple[int, ...]:
    """Rows of the matrices that Phi-3 joins in one weight."""
    rows = parameters[name].shape[0]
    if name.endswith("gate_up_proj.weight"):
        return rows // 2, rows // 2
    if name.endswith("qkv_proj.weight"):
        query = parameters[name.replace("qkv_proj", "o_proj")].shape[1]
        return query, (rows - query) // 2, (rows - query) // 2
    return (rows,)


def set_rates(optimizers: list[torch.optim.Optimizer], lr: float, weight_decay: float) -> None:
    """Set the learning rate of every group, and the weight decay of those that have one."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr
            if group["weight_decay"]:
                group["weight_decay"] = weight_decay


def state_tensors(
    optimizers: list[torch.optim.Optimizer], parameters: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Optimizer state as tensors named `<number>/<parameter>/<key>`."""
    names = {weight: name for name, weight in parameters.items()}
    return {
        f"{number}/{names[weight]}/{key}": value
        for number, optimizer in enumerate(optimizers)
        for weight, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_state(
    optimizers: list[torch.optim.Optimizer], parameters: dict[str, Tensor], tensors: dict[str, Tensor]
) -> None:
    """Undo `state_tensors`."""
    for name, value in tensors.items():
        number, parameter, key = name.split("/")
        optimizers[int(number)].state[parameters[parameter]][key] = value
