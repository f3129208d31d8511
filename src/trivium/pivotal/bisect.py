"""The report's own search, as the reference: subdivide a solution until single tokens are left.

Source: Phi-4 report (arXiv 2412.08905), section 4.3 and figure 4. A segment of one token, or one whose ends
differ by less than the gap, is not divided; others are cut where half of their log-probability is spent.
Differs in two ways: all traces advance in waves, so that one call estimates many prefixes, and the
estimates are fresh counts with intervals. It misses pivots that cancel within a segment, as the report says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.pivotal.estimate import Estimate

Place = tuple[int, int]
"""(index of the trace, number of its tokens in the prefix)."""

TIE = 1e-9
"""Differences of counts are compared with this slack: 0.7 - 0.5 < 0.2 in floating point."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A single token whose two sides differ by at least the gap."""

    trace: int
    position: int
    """Index of the token in its trace."""
    before: Estimate
    after: Estimate


def bisect(
    traces: Sequence[Sequence[float]],
    estimate_many: Callable[[Sequence[Place]], Sequence[Estimate]],
    gap: float,
) -> list[Shift]:
    """Find pivotal tokens by subdivision.

    Args:
        traces: Log-probability of each token of each solution.
        estimate_many: Estimates success for prefixes; asked once for each prefix. A prefix that ends the
            solution should be answered with its known verdict.
        gap: Least difference that counts; the report's figures use 0.2.

    Returns:
        Pivots in the order of traces and positions.
    """
    known: dict[Place, Estimate] = {}
    segments = [(trace, 0, len(logprobs)) for trace, logprobs in enumerate(traces) if len(logprobs)]
    found: list[Shift] = []
    while segments:
        ends = [(trace, end) for trace, *pair in segments for end in pair]
        asked = sorted(set(ends) - set(known))
        known |= dict(zip(asked, estimate_many(asked), strict=True))
        divided: list[tuple[int, int, int]] = []
        for trace, start, end in segments:
            before, after = known[trace, start], known[trace, end]
            if abs(after.prob - before.prob) < gap - TIE:
                continue
            if end - start == 1:
                found.append(Shift(trace, start, before, after))
            else:
                cut = midpoint(traces[trace], start, end)
                divided += [(trace, start, cut), (trace, cut, end)]
        segments = divided
    return sorted(found, key=lambda shift: (shift.trace, shift.position))


def midpoint(logprobs: Sequence[float], start: int, end: int) -> int:
    """Where to cut tokens start..end-1: where the sum of log-probabilities comes closest to half the total.

    Cuts that are equally close (all of them, when one token at an end holds the whole sum) give way to the
    one nearest to the middle by count, so that a segment is never worked off one token at a time.

    Returns:
        A cut c with start < c < end; the middle by count when every token was certain.
    """
    total, spent = sum(logprobs[start:end]), 0.0
    distances: dict[int, float] = {}
    for cut in range(start + 1, end):
        spent += logprobs[cut - 1]
        distances[cut] = abs(spent - total / 2)
    closest = min(distances.values())
    return min(
        (cut for cut, distance in distances.items() if distance <= closest + TIE),
        key=lambda cut: abs(2 * cut - start - end),
    )
