"""A model cut over the ranks: FSDP2 and distributed checkpoints, for models that fit no single one.

Every layer is a group of its own: its weights are gathered before it runs and dropped after, and gradients
and AdamW's moments exist only in shards. Master weights are float32; on a GPU the layers run in bfloat16 and
gradients are summed in float32. Only next-token objectives: their micro-batch is one pass through the layers,
and all ranks must make equally many, because every pass is a meeting.

Shapes: N tokens of a micro-batch, G groups.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

from trivium.errors import ConfigError
from trivium.models import runtime
from trivium.store import files
from trivium.train.batch import FlatBatch
from trivium.train.engine import move_average, start_average
from trivium.train.likelihood import NextToken
from trivium.train.optimizers import make_optimizers, set_rates
from trivium.train.settings import LoopConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from trivium.train.loop import History, Objective

LATEST = "latest.json"
"""Names the newest whole checkpoint; replaced as a whole, after every rank has written its part."""


class ShardedModel:
    """The engine for `loop.sharding=fsdp`; needs a process group, also with one rank."""

    def __init__(
        self, model: PreTrainedModel, objective: Objective, config: LoopConfig, scratch: Path
    ) -> None:
        """Cut the model; it is used up by that."""
        if not isinstance(objective, NextToken):
            raise ConfigError(
                "loop.sharding=fsdp: got a preference objective; expected pretraining, midtraining or "
                "fine-tuning; use sharding=none there."
            )
        from torch.distributed.device_mesh import init_device_mesh

        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        self.device = runtime.rank_device()
        self.objective, self.config, self.scratch = objective, config, scratch
        mesh = init_device_mesh(self.device.type, (self.ranks,))
        whole: Any = model
        self.model = cut(whole.to(self.device).train(), mesh, recompute=config.recompute)
        self.parameters: dict[str, Tensor] = dict(self.model.named_parameters())
        self.optimizers = make_optimizers(self.parameters, config, fused=False)
        self.average = start_average(self.parameters, config)

    def gradient(self, step: int) -> tuple[Tensor, float]:
        """See Engine: one pass for every micro-batch of the rank that has most, empty ones elsewhere."""
        for weight in self.parameters.values():
            weight.grad = None
        batches = list(self.objective.micro_batches(step, self.rank, self.ranks))
        passes = torch.tensor([len(batches)], device=self.device)
        dist.all_reduce(passes, op=dist.ReduceOp.MAX)
        stats_G2 = torch.zeros(len(self.objective.groups), 2, dtype=torch.float64, device=self.device)
        for number in range(int(passes)):
            flat, scale = batches[number] if number < len(batches) else (empty_batch(), 0.0)
            loss, losses_N, weights_N = flat_loss(self.model, flat, scale, self.device)
            # FSDP takes the mean over ranks; the losses are parts of one mean already.
            (loss * self.ranks).backward()
            both_N2 = torch.stack([losses_N * weights_N, weights_N], dim=1).double()
            stats_G2.index_add_(0, torch.from_numpy(flat.groups_N).to(self.device), both_N2)
        dist.all_reduce(stats_G2)
        return stats_G2.cpu(), self._clip()

    def _clip(self) -> float:
        squares = torch.zeros((), dtype=torch.float64, device=self.device)
        shards = [local(weight.grad) for weight in self.parameters.values() if weight.grad is not None]
        for shard in shards:
            squares += shard.double().square().sum()
        dist.all_reduce(squares)
        norm = float(squares.sqrt())
        if 0 < self.config.grad_clip < norm:
            for shard in shards:
                shard.mul_(self.config.grad_clip / norm)
        return norm

    def update(self, lr: float, decay: float) -> None:
        """See Engine."""
        set_rates(self.optimizers, lr, self.config.weight_decay * decay)
        for optimizer in self.optimizers:
            optimizer.step()
        move_average(self.average, self.parameters, self.config.average)

    def save(self, step: int, history: History) -> None:
        """See Engine: every rank writes its shards; then the new folder's name replaces the old one's."""
        from torch.distributed import checkpoint

        folder = self.scratch / f"step-{step:08d}"
        if self.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)  # what a kill left of it
        dist.barrier()
        checkpoint.save(self._state(history), checkpoint_id=str(folder))
        dist.barrier()
        if self.rank == 0:
            files.write_json(self.scratch / LATEST, {"step": step, "folder": folder.name})
            for old in self.scratch.glob("step-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)

    def resume(self, history: History) -> int:
        """See Engine: the number of ranks may be another one than that which saved."""
        from torch.distributed import checkpoint
        from torch.distributed.checkpoint.state_dict import set_state_dict

        if not (self.scratch / LATEST).exists():
            return 0
        found = files.read_json(self.scratch / LATEST)
        state = self._state(history)  # the tensors of history and average are filled in place
        checkpoint.load(state, checkpoint_id=str(self.scratch / found["folder"]))
        set_state_dict(
            self.model,
            self.optimizers,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
        )
        return int(found["step"])

    def _state(self, history: History) -> dict[str, Any]:
        from torch.distributed.checkpoint.state_dict import get_state_dict

        model, optimizer = get_state_dict(self.model, self.optimizers)
        names = ("stats_SG2", "lr_S", "norm_S", "skipped_S")
        return {
            "model": model,
            "optimizer": optimizer,
            "average": self.average,
            "history": {name: getattr(history, name) for name in names},
        }

    def finish(self) -> PreTrainedModel | None:
        """See Engine: rank 0 gets the whole model on the CPU."""
        from transformers import AutoModelForCausalLM

        whole = {}
        for name, weight in self.parameters.items():
            source: Any = self.average.get(name, weight)
            gathered = source.full_tensor().detach().cpu()  # a meeting: every rank takes part
            if self.rank == 0:
                whole[name] = gathered
        if self.rank:
            return None
        plain = AutoModelForCausalLM.from_config(self.model.config, dtype=torch.float32)
        for name, weight in plain.named_parameters():
            with torch.no_grad():
                weight.copy_(whole[name])
        return plain


def cut(model: PreTrainedModel, mesh: Any, *, recompute: bool) -> PreTrainedModel:
    """Cut every layer and then the rest over a mesh; in place.

    Args:
        model: A causal model of transformers.
        mesh: One dimension: the ranks.
        recompute: Keep only the input of every layer for the gradient.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    on_gpu = mesh.device_type != "cpu"
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if on_gpu else None, reduce_dtype=torch.float32 if on_gpu else None
    )
    if recompute:
        keep_layer_inputs(model)
    body: Any = model.get_decoder()
    for layer in body.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model


def keep_layer_inputs(model: PreTrainedModel) -> None:
    """Activation checkpointing: for the gradient every layer is computed again from its input."""
    model.activation_checkpointing_enable({"use_reentrant": False})


def flat_loss(
    model: PreTrainedModel, flat: FlatBatch, scale: float, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """One pass over documents that lie one after the other; positions that start anew keep them apart.

    Returns:
        The scaled sum of the losses, the loss of every token (N,) without gradient, the weights (N,).
    """
    ids_N, targets_N = (torch.from_numpy(ids).to(device) for ids in (flat.inputs_N, flat.targets_N))
    weights_N = torch.from_numpy(flat.weights_N).to(device)
    places_N = torch.cat([torch.arange(length) for length in flat.lengths]).to(device)
    # No attention mask: with one, transformers would not look for documents in the positions.
    logits_NV = model(input_ids=ids_N[None], position_ids=places_N[None], use_cache=False).logits[0].float()
    losses_N = torch.nn.functional.cross_entropy(logits_NV, targets_N, reduction="none")
    return (losses_N * weights_N).sum() * scale, losses_N.detach(), weights_N


def empty_batch() -> FlatBatch:
    """Two tokens that count for nothing: a pass for a rank that has no row left."""
    import numpy as np

    zeros = np.zeros(2, dtype=np.int64)
    return FlatBatch(zeros, zeros, np.zeros(2, dtype=np.float32), zeros, (2,))


def local(tensor: Any) -> Tensor:
    """This rank's shard."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor
