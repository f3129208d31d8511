"""Claim 12: subdivision finds the pivotal tokens, and cutting at half the log-probability is the better cut.

Phi-4 report, section 4.3, Figure 4. Both ways of cutting are played on the same scanned solutions, so they
differ in which prefixes they ask for and in nothing else. The search is told the scan's own estimates: what
it misses here it misses by cutting, and a real search misses more by sampling noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trivium.claims.claim_11 import moves
from trivium.claims.results import Finding, finding
from trivium.pivotal.bisect import Place, bisect
from trivium.pivotal.estimate import Estimate
from trivium.stats import paired_difference, ratio_interval

NUMBER = 12
TITLE = "Subdivision finds the pivotal tokens; the log-probability midpoint beats the middle by count"
REPORT = (
    "Phi-4 report, section 4.3 and Figure 4: solutions are subdivided at half their log-probability "
    "until no part moves the chance of success by the gap; recall and cost are not given."
)
TEST = (
    "Both cuts, at half the log-probability and in the middle by count, are played on the same fully "
    "scanned solutions: share of the pivots found, prefixes asked for."
)
LIMITS = (
    "The search is told the scan's own estimates, so it misses only what cutting misses; a real one "
    "also misses by sampling noise, which docs/lab-notebook.md measures."
)
MOST = 0.9
"""Share of the pivots of a full scan that counts as finding them; the report names none."""
ROLLOUTS = 10_000
"""Denominator under which scanned probabilities are handed to the search, without rounding that matters."""


def findings(scanned: Sequence[Mapping[str, Any]], gap: float) -> list[Finding]:
    """Play both cuts on the scanned solutions: share of pivots found, prefixes asked for."""
    traces: dict[str, list[Mapping[str, Any]]] = {}
    for row in scanned:
        traces.setdefault(row["question_id"], []).append(row)
    rows = list(traces.values())
    truth = [{row["place"] for row in trace if moves(row, gap)} for trace in rows]
    by_mass = [search(trace, gap, by_count=False) for trace in rows]
    by_count = [search(trace, gap, by_count=True) for trace in rows]
    hits = [
        [len(found & true) for (found, _), true in zip(way, truth, strict=True)]
        for way in (by_mass, by_count)
    ]
    asked = [[number for _, number in way] for way in (by_mass, by_count)]
    sizes = [len(true) for true in truth]
    n = len(rows)
    return [
        finding(
            NUMBER,
            "subdivision at half the log-probability finds nine in ten pivots of a full scan",
            "share of pivots",
            ratio_interval(hits[0], sizes),
            n=n,
            seeds=1,
            unit="share",
            threshold=MOST,
        ),
        finding(
            NUMBER,
            "it asks for fewer prefixes of a solution than subdivision at the middle by count",
            "prefixes a solution",
            paired_difference(asked[0], asked[1]),
            n=n,
            seeds=1,
            unit="count",
            direction="below",
        ),
        finding(
            NUMBER,
            "it finds more pivots of a solution than subdivision at the middle by count",
            "pivots a solution",
            paired_difference(hits[0], hits[1]),
            n=n,
            seeds=1,
            unit="count",
        ),
    ]


def search(trace: Sequence[Mapping[str, Any]], gap: float, *, by_count: bool) -> tuple[set[int], int]:
    """Play the subdivision on one scanned solution; places found and prefixes asked for."""
    probs = [trace[0]["p_before"], *(row["p_after"] for row in trace)]
    asked = 0

    def estimate(places: Sequence[Place]) -> list[Estimate]:
        nonlocal asked
        asked += sum(end not in (0, len(trace)) for _, end in places)
        return [Estimate(ROLLOUTS, round(ROLLOUTS * probs[end])) for _, end in places]

    costs = [-1.0] * len(trace) if by_count else np.log([row["prob"] for row in trace]).tolist()
    return {shift.position for shift in bisect([costs], estimate, gap)}, asked
