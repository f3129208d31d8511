"""Who samples: a model in this process, vLLM in this process, or a server; the same call for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from trivium.models import sample_served, sample_vllm
from trivium.models.precision import Precision
from trivium.models.sample import Completion, Request, cached_model, sample

Sample = Callable[[Sequence[Request]], list[Completion]]
"""Completes every request, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampler:
    """A choice of backend; small and picklable."""

    device: str = "cpu"
    """Where PyTorch runs the model."""
    engine: str = "torch"
    """torch or vllm."""
    precision: Precision = "auto"
    """Of the products, in this process on a CPU."""
    server: sample_served.Server | None = None
    """A server that samples instead of this process."""

    def open(
        self, model_path: str, *, temperature: float, stop_ids: Sequence[int], batch_size: int
    ) -> Sample:
        """Get ready to sample from a model; one in this process is loaded now, once per process.

        Args:
            model_path: Hugging Face folder; for a server, that of its tokenizer.
            temperature: Divides the logits.
            stop_ids: Drawing one of these ends a completion.
            batch_size: Rows that run at once in this process.
        """
        if self.server is not None:
            return partial(sample_served.sample, self.server, temperature=temperature, stop_ids=stop_ids)
        if self.engine == "vllm":
            return partial(sample_vllm.sample, model_path, temperature=temperature, stop_ids=stop_ids)
        model = cached_model(model_path, self.device)
        return partial(
            sample,
            model,
            temperature=temperature,
            stop_ids=stop_ids,
            batch_size=batch_size,
            precision=self.precision,
        )
