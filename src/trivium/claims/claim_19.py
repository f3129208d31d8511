"""Claim 19 (ours): constraint pairs keep instruction following through DPO."""

from __future__ import annotations

from trivium.claims.lab import Lab
from trivium.claims.results import Finding, change_finding
from trivium.claims.tuned.model import SAMPLED
from trivium.claims.tuned.settings import ITSELF

NUMBER = 19
TITLE = "Constraint pairs keep instruction following through DPO"
REPORT = (
    "Ours, not the report's: its two rounds of DPO cost 3.2 points of IFEval (Table 9: 66.2 to 63.0), "
    "and none of its pairs is about instructions."
)
TEST = (
    "The second round with and without pairs of a reply that meets every constraint over one that "
    "narrowly misses, both after the same first round; asked are requests with constraints of kinds "
    "that were trained on and of kinds that were not."
)
LIMITS = (
    "A model of a million parameters follows few instructions at all, and those of held-out kinds "
    "almost never; the pairs come from the kinds of requests that are asked, with other words."
)
KEPT = -0.01
"""Instruction following counts as kept where it falls by less than a point."""
WITH, WITHOUT = "both, constraints", "both"


def test(lab: Lab) -> list[Finding]:
    """Compare the second round with and without constraint pairs, and both with fine-tuning alone."""
    tuned = lab.tuned
    tuned.train((ITSELF, WITH, WITHOUT))
    seen = "instructions seen"
    return [
        change_finding(
            NUMBER,
            "with constraint pairs more requests of seen kinds are met than without",
            seen,
            tuned.change(WITH, WITHOUT, seen),
        ),
        change_finding(
            NUMBER,
            "through both rounds less than a point of all requests is lost",
            "instructions",
            tuned.change(WITH, ITSELF, "instructions"),
            threshold=KEPT,
        ),
        change_finding(
            NUMBER,
            "without constraint pairs both rounds lose requests of seen kinds",
            seen,
            tuned.change(WITHOUT, ITSELF, seen),
            direction="below",
            main=False,
        ),
        change_finding(
            NUMBER,
            "the pairs cost less than two points of reasoning",
            SAMPLED,
            tuned.change(WITH, WITHOUT, SAMPLED),
            threshold=-0.02,
            main=False,
        ),
    ]
