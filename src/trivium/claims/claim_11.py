"""Claim 11: success hinges on few tokens, and they are not the improbable ones.

Phi-4 report, section 4.3, Figure 3: one solution with a few tokens that move the success probability by 0.2
or more; tokens of probability up to 0.1 are underlined and are mostly others. The report gives no share, so
the thresholds are ours: few is one token in ten, and not the improbable ones means less than half either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.claims.results import Finding, finding
from trivium.pivotal.bisect import TIE
from trivium.stats import ratio_interval

NUMBER = 11
TITLE = "Success hinges on few tokens, and they are not the improbable ones"
REPORT = (
    "Phi-4 report, section 4.3 and Figure 3: in one solution, of chance .31 overall, single tokens "
    "move the chance by +.51 and -.24; they are mostly not the tokens of probability up to .1. No "
    "shares are given."
)
TEST = (
    "Sampled solutions of a fine-tuned model of which every token is estimated with rollouts from "
    "before and after it; counted are tokens that move the chance of success by the search's gap."
)
LIMITS = (
    "One model and one kind of problem, whose solutions are some 30 tokens; the thresholds are ours, "
    "as the report shows one solution and counts nothing."
)
FEW = 0.1
HALF = 0.5
IMPROBABLE = 0.1
"""Sampling probability of a token that the report's Figure 3 underlines."""


def findings(scanned: Sequence[Mapping[str, Any]], gap: float) -> list[Finding]:
    """Count pivots and improbable tokens on solutions of which every token was estimated."""
    counts: dict[str, dict[str, int]] = {}
    for row in scanned:
        cell = counts.setdefault(row["question_id"], dict.fromkeys(("tokens", "pivots", "rare", "both"), 0))
        pivot, rare = moves(row, gap), row["prob"] <= IMPROBABLE
        for name, counted in (("tokens", True), ("pivots", pivot), ("rare", rare), ("both", pivot and rare)):
            cell[name] += counted
    columns = {
        name: [cell[name] for cell in counts.values()] for name in ("tokens", "pivots", "rare", "both")
    }

    def share(part: str, whole: str, statement: str, metric: str, threshold: float) -> Finding:
        interval = ratio_interval(columns[part], columns[whole])
        return finding(
            NUMBER,
            statement,
            metric,
            interval,
            n=len(counts),
            seeds=1,
            unit="share",
            direction="below",
            threshold=threshold,
        )

    return [
        share(
            "pivots", "tokens", f"less than one token in ten moves p by {gap} or more", "share of tokens", FEW
        ),
        share(
            "both",
            "pivots",
            "less than half of these have a probability of 0.1 or less",
            "share of pivots",
            HALF,
        ),
        share(
            "both", "rare", "less than half of the improbable tokens are such", "share of rare tokens", HALF
        ),
    ]


def moves(row: Mapping[str, Any], gap: float) -> bool:
    """Say whether a scanned token moves p by the gap, which its bound 1 - probability must allow."""
    return 1 - row["prob"] >= gap and abs(row["p_after"] - row["p_before"]) >= gap - TIE
