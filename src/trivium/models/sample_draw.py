"""Random draws that belong to a request and a position, not to a batch.

Every uniform number is a hash of (seed of the request, index of the new token), so what a request samples
does not depend on which rows share its batch, on the order of requests or on the number of processes.

Shapes: M rows of a batch, G those of them that are greedy, V vocabulary.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def request_seed(*parts: object) -> int:
    """Seed of a request from whatever names it, e.g. `request_seed(run_seed, "roots", question_id, 3)`.

    Returns:
        A whole number in [0, 2**63).
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(f"{part}\0".encode())
    return int.from_bytes(digest.digest(), "big") >> 1


def uniforms(seeds_M: np.ndarray, indices_M: np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1) with 24 random bits, so that float32 holds them exactly.

    Args:
        seeds_M: uint64, seed of each row's request.
        indices_M: int64, how many tokens the request has drawn before.

    Source: the splitmix64 finaliser (Steele, Lea and Flood 2014), once over the seed and once over seed
    and index.
    """
    state = _mix(seeds_M + _GOLDEN) + (indices_M.astype(np.uint64) + np.uint64(1)) * _GOLDEN
    return ((_mix(state) >> np.uint64(40)).astype(np.float64) * 2.0**-24).astype(np.float32)


def draw(
    logits_MV: torch.Tensor, uniforms_M: np.ndarray, temperature: float, greedy_M: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pick one token a row and give its log-probability.

    Args:
        logits_MV: float32 logits.
        uniforms_M: One number in [0, 1) a row; the token is the inverse of the cumulative distribution.
        temperature: Divides the logits; 0 takes the largest logit (the first of equals).
        greedy_M: Rows that take the largest at any temperature.

    Returns:
        Token ids (int64) and their log-probabilities (float32) under the distribution they were drawn from;
        at temperature 0, under the model's own (temperature 1).
    """
    import torch

    if temperature not in (0.0, 1.0):
        logits_MV = logits_MV / temperature
    probs_MV = torch.softmax(logits_MV, dim=-1)
    if temperature == 0.0 or (greedy_M is not None and greedy_M.all()):
        picked_M1 = logits_MV.argmax(dim=-1, keepdim=True)
    else:
        cdf_MV = probs_MV.cumsum(dim=-1)
        # Scaled by the last sum, which rounding leaves a little off 1.
        target_M1 = torch.from_numpy(uniforms_M).to(cdf_MV.device)[:, None] * cdf_MV[:, -1:]
        picked_M1 = torch.searchsorted(cdf_MV, target_M1, right=True).clamp_(max=cdf_MV.shape[1] - 1)
        if greedy_M is not None and greedy_M.any():
            firm_G = torch.from_numpy(np.flatnonzero(greedy_M)).to(cdf_MV.device)
            picked_M1[firm_G] = logits_MV[firm_G].argmax(dim=-1, keepdim=True)
    logprobs_M = probs_MV.gather(1, picked_M1).log_()
    return picked_M1[:, 0].cpu().numpy(), logprobs_M[:, 0].cpu().numpy()


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
