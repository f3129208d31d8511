"""What training costs before anything runs: FLOPs, GPU-hours, memory, money. Needs no torch."""

from __future__ import annotations

import dataclasses

from trivium.models.phi import ModelConfig, count_parameters, flops_per_token

STATE_BYTES = 16
"""Bytes of training state a parameter: fp32 master weight, gradient and both Adam moments, four each."""
BF16_BYTES = 2
LOGIT_BYTES = 6
"""Bytes a logit: bf16 out of the head and fp32 in the loss."""
LAYER_ACTIVATIONS = 34
"""Bytes a token and hidden unit that one recomputed layer holds at most in bf16, flash attention.

Source: Korthikanti et al., arXiv:2205.05198, equation 2 without its attention term. Differs: their layer has
a plain feed-forward of 4 x hidden; Phi's gated one of 3.5 x hidden holds about as much.
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One kind of GPU."""

    name: str
    peak_flops: float
    """Dense bf16 FLOP/s of the maker's data sheet."""
    memory_gib: int
    dollars_per_hour: float
    """What we assume that renting one costs; prices move, so a plan says that it assumes them."""


GPUS = (
    # Peaks and memory: the data sheets "NVIDIA L40S", "NVIDIA A100", "NVIDIA H100", "NVIDIA H200" and "NVIDIA
    # DGX B200" (an eighth of it), without sparsity. Prices: ours, for rent; `plan --price` changes them.
    Gpu(name="L40S", peak_flops=362e12, memory_gib=48, dollars_per_hour=0.9),
    Gpu(name="A100 80GB", peak_flops=312e12, memory_gib=80, dollars_per_hour=1.8),
    Gpu(name="H100 SXM", peak_flops=989e12, memory_gib=80, dollars_per_hour=3.0),
    Gpu(name="H200 SXM", peak_flops=989e12, memory_gib=141, dollars_per_hour=3.8),
    Gpu(name="B200", peak_flops=2250e12, memory_gib=180, dollars_per_hour=5.5),
)


CPU_CORE_FLOPS = 4.7e10
"""What one processor core does in training, FLOP/s: measured on pocket's pretraining (2 ranks, fp32)."""

REFERENCE = next(gpu for gpu in GPUS if gpu.name == "H100 SXM")
"""The GPU whose hours a phase is given in; phi-4 was trained on it."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a recipe expects of data not made yet; only `trivium plan` reads it. Zero or empty: unknown."""

    unique_tokens: dict[str, float] = dataclasses.field(default_factory=dict)
    """Source -> tokens that one epoch over it has."""
    sft_tokens: float = 0.0
    """Tokens of the fine-tuning set, one epoch."""
    dpo1_pairs: dict[str, int] = dataclasses.field(default_factory=dict)
    """Kind -> pairs of the first preference round."""
    dpo2_pairs: dict[str, int] = dataclasses.field(default_factory=dict)
    """Kind -> pairs of the second preference round."""
    pair_tokens: float = 0.0
    """Tokens of a prompt with both replies."""
    reported_gpu_hours: float = 0.0
    """What somebody says that such a run took."""
    reported_by: str = ""
    """Who, where, on what."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One training phase: how many tokens, at which context."""

    name: str
    tokens: float
    """Tokens seen, repeats counted."""
    context: int
    """Tokens a sequence."""
    learning_rate: float
    """Peak."""
    weight_decay: float
    batch: int
    """Sequences (or pairs) a step."""
    rope_theta: float
    """Base of the rotary position embedding."""
    passes: float = 1.0
    """Cost of a token in training tokens: 4/3 for DPO, whose reference model reads it once more."""


def phase_flops(model: ModelConfig, phase: Phase) -> float:
    """FLOPs of a phase: 6 per weight and token, plus causal attention at its context."""
    return phase.tokens * phase.passes * flops_per_token(model, phase.context)


def gpu_hours(flops: float, gpu: Gpu, mfu: float) -> float:
    """Hours of one GPU at a share `mfu` of its peak."""
    return flops / (gpu.peak_flops * mfu) / 3600


def memory_per_gpu(model: ModelConfig, gpus: int, context: int) -> float:
    """Bytes one GPU needs with fully sharded state, recomputed layers and one sequence at a time.

    Args:
        model: The shape.
        gpus: GPUs over which parameters, gradients and optimizer are sharded (FSDP2).
        context: Tokens a sequence.

    Returns:
        The shard of the state; two layers gathered in bf16; the input of every layer kept for recomputation;
        the activations of one layer; the logits.
    """
    parameters = count_parameters(model)
    tables = model.vocab * model.hidden * (1 if model.tied else 2)
    layer = (parameters - tables) / model.layers
    state = STATE_BYTES * parameters / gpus
    gathered = BF16_BYTES * (2 * layer + tables)
    kept = BF16_BYTES * context * model.hidden * model.layers
    working = LAYER_ACTIVATIONS * context * model.hidden
    logits = LOGIT_BYTES * context * model.vocab
    return state + gathered + kept + working + logits
