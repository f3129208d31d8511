"""What finished replies settle for good: bounds on a success probability that are no estimates.

The sampler records the probability of every token, so a reply that was seen once is known with its verdict
*and* its probability. After a prefix, success is at least as probable as all the distinct right replies seen
there, and at most as probable as everything but the distinct wrong ones. These bounds hold whatever chose
the replies: rollouts that suggested a candidate may serve to settle it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from trivium.pivotal.estimate import largest_shift
from trivium.records import Verdict

if TYPE_CHECKING:
    from trivium.pivotal.tree import Path

Bounds = tuple[float, float]
"""Least and greatest possible success probability."""


def bounds(paths: Iterable[Path], length: int) -> Bounds:
    """Least and greatest possible success probability after a prefix.

    Args:
        paths: Rollouts that pass through the prefix. One that started later does not count, since the
            probability of what it was given is not known; neither does one that could not be judged.
        length: Tokens of the prefix.
    """
    seen = {path.ids: path for path in paths if path.start <= length and path.verdict != Verdict.ERROR}
    right = wrong = 0.0
    for path in seen.values():
        mass = math.prod(path.probs[length:])
        if path.verdict == Verdict.RIGHT:
            right += mass
        else:
            wrong += mass
    return min(1.0, right), max(0.0, 1.0 - wrong)


def widest_shift(before: Bounds, after: Bounds, token_prob: float) -> float:
    """Greatest |p(prefix + token) - p(prefix)| that is still possible.

    Source: with a token of probability pi, p after the prefix is pi * p(prefix + token) + (1 - pi) *
    p(prefix, another token), so the shift is (1 - pi) times the difference of the two.

    Args:
        before: Bounds after the prefix.
        after: Bounds after prefix and token.
        token_prob: Sampling probability of the token.
    """
    rest = largest_shift(token_prob)
    right_elsewhere = before[0] - token_prob * after[0]
    wrong_elsewhere = (1 - before[1]) - token_prob * (1 - after[1])
    return max(rest * after[1] - right_elsewhere, rest - wrong_elsewhere - rest * after[0])
