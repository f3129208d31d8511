"""Completions from vLLM inside this process: the same requests and completions, for a GPU.

Needs the extra: pip install trivium[vllm].
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from trivium.errors import ResourceError
from trivium.models.sample import Completion, Request

SEED_BITS = 63


def sample(
    model_path: str,
    requests: Sequence[Request],
    *,
    temperature: float,
    stop_ids: Sequence[int],
    on_progress: Callable[[int], None] | None = None,
) -> list[Completion]:
    """Complete every request; see `trivium.models.sample.sample`, whose distribution is the same.

    Prefixes that requests share are computed once (prefix caching). A request's own seed decides what it
    draws, up to the rounding of batched matrix products.

    Raises:
        ResourceError: vLLM is not installed.
    """
    if not requests:
        return []
    engine, vllm = _engine(model_path)
    asked = [{"prompt_token_ids": list(request.prefix_ids)} for request in requests]
    params = [vllm.SamplingParams(**settings(request, temperature, stop_ids)) for request in requests]
    found = [completion(output.outputs[0], stop_ids) for output in engine.generate(asked, params)]
    if on_progress is not None:
        on_progress(len(found))
    return found


def settings(request: Request, temperature: float, stop_ids: Sequence[int]) -> dict[str, Any]:
    """The sampling parameters of a request; every default that cuts the distribution is switched off."""
    return {
        "temperature": 0.0 if request.greedy else temperature,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "max_tokens": request.max_new_tokens,
        "seed": request.seed & (1 << SEED_BITS) - 1,
        "stop_token_ids": list(stop_ids),
        "logprobs": 0,
        "detokenize": False,
    }


def completion(output: Any, stop_ids: Sequence[int]) -> Completion:
    """Turn one of vLLM's outputs into a completion."""
    ids = tuple(int(token) for token in output.token_ids)
    logprobs = tuple(float(row[token].logprob) for token, row in zip(ids, output.logprobs, strict=True))
    stopped = bool(ids) and ids[-1] in set(stop_ids)
    return Completion(
        ids=ids[:-1] if stopped else ids,
        logprobs=logprobs,
        finish="eos" if stopped else "length",
        stop_id=ids[-1] if stopped else -1,
    )


@lru_cache(maxsize=1)
def _engine(model_path: str) -> tuple[Any, Any]:
    try:
        vllm: Any = importlib.import_module("vllm")
    except ImportError:
        raise ResourceError(
            "engine vllm: got no package vllm; expected the extra of that name; run: pip install "
            "'trivium[vllm]', or leave out --engine."
        ) from None
    # Log-probabilities of the distribution that is drawn from, with its temperature.
    return vllm.LLM(model_path, enable_prefix_caching=True, logprobs_mode="processed_logprobs"), vllm
