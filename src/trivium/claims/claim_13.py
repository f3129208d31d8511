"""Claim 13: DPO on pivotal tokens lifts reasoning over SFT and over DPO on whole replies.

Phi-4 report, section 4.5, Table 9: MATH 77.1 after SFT, 80.5 with the pivotal round, 77.6 with judged whole
replies (made differently and from other prompts, so the report's own comparison is not a controlled one).
"""

from __future__ import annotations

from collections.abc import Mapping

from trivium.claims.results import METRIC_TITLES, Finding, Matrix, difference, finding, num_problems
from trivium.claims.settings import (
    AFTER,
    ENTROPY,
    MERGED,
    MERGED_WHOLE,
    PIVOTAL,
    RANDOM,
    REJECTION,
    SFT,
    TITLES,
    WHOLE,
    ExperimentConfig,
)

NUMBER = 13
TITLE = "Pivotal DPO lifts reasoning over SFT and over whole-reply DPO"
REPORT = (
    "Phi-4 report, section 4.5 and Table 9: MATH 77.1 after SFT, 80.5 with the pivotal round, 77.6 "
    "with judged whole replies, which were made differently and from other prompts."
)
TEST = (
    "One budget of rollouts a seed is spent on pivotal search, on whole-reply pairs and on controls "
    "at random and at high-entropy tokens; each arm's settings are chosen on development problems."
)
LIMITS = (
    "One small model on one kind of question, whose replies are some 30 tokens; at T=1 every such "
    "round also sharpens, and the greedy differences are small."
)
TOLERATED = -0.02
"""A task that the questions do not touch may lose two points before it counts as damaged."""

RIVALS = (SFT, WHOLE, REJECTION, RANDOM, ENTROPY)
ADDED = {
    SFT: TITLES[SFT],
    REJECTION: TITLES[REJECTION],
    PIVOTAL: "pivotal DPO alone",
    MERGED_WHOLE: "whole-reply DPO added to it",
}

COMPARED = (
    *((PIVOTAL, rival, f"pivotal DPO is above {TITLES[rival]}") for rival in RIVALS),
    (
        AFTER,
        REJECTION,
        "pivotal DPO after rejection-sampled SFT is above rejection-sampled SFT alone",
    ),
    *(
        (MERGED, rival, f"pivotal DPO added to rejection-sampled SFT is above {name}")
        for rival, name in ADDED.items()
    ),
)
"""Arm, rival, statement; left out where the experiment has no such arm."""


def findings(
    cells: Mapping[str, Mapping[str, Matrix]],
    untouched: Mapping[str, Mapping[str, Matrix]],
    config: ExperimentConfig,
) -> list[Finding]:
    """Compare the pivotal arm with every other one, and look at what it costs."""
    seeds, n = len(cells[PIVOTAL]["greedy"]), num_problems(cells[PIVOTAL]["greedy"], config.spread)
    compared = [
        *(line + (metric,) for line in COMPARED for metric in ("sampled", "greedy")),
        (
            PIVOTAL,
            SFT,
            "pivotal DPO does not only sharpen: it solves more problems in several tries than SFT",
            "pass",
        ),
    ]
    found = [
        finding(
            NUMBER,
            statement,
            METRIC_TITLES[metric],
            difference(cells, arm, rival, metric),
            n=n,
            seeds=seeds,
            trained=True,
        )
        for arm, rival, statement, metric in compared
        if arm in cells and (metric != "pass" or config.samples > 1)
    ]
    return found + [
        finding(
            NUMBER,
            f"pivotal DPO costs less than two points of {task.replace('_', ' ')}",
            "greedy",
            difference(untouched, PIVOTAL, SFT, task),
            n=values.shape[1],
            seeds=seeds,
            threshold=TOLERATED,
            trained=True,
        )
        for task, values in untouched.get(PIVOTAL, {}).items()
    ]
