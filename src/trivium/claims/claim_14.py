"""Claim 14: the two rounds of DPO complement each other, and the judged one has side effects."""

from __future__ import annotations

from trivium.claims.lab import Lab
from trivium.claims.results import Finding, change_finding
from trivium.claims.tuned.model import GRADE, SAMPLED
from trivium.claims.tuned.settings import ITSELF

NUMBER = 14
TITLE = "The two rounds of DPO complement each other"
REPORT = (
    "Phi-4 report, section 4.5 and Table 9: ArenaHard rises from 56.7 after SFT to 66.5 with the "
    "pivotal round alone, 69.8 with the judged round alone and 75.4 with both, while DROP falls from "
    "86.1 to 75.5 and IFEval from 66.2 to 63.0."
)
TEST = (
    "From the run's fine-tuned model: its pivotal pairs, its judged pairs, or both in turn. Reasoning "
    "is the share of right replies at T=1 to a contest; the judge's grade (1 to 5: accuracy, style, "
    "detail) stands for ArenaHard."
)
LIMITS = (
    "The judge is a set of rules, whose grade is mostly accuracy; the pairs are the run's, so seeds "
    "vary the order of training and not the rollouts. Constraint pairs are left out here (claim 19)."
)


def test(lab: Lab) -> list[Finding]:
    """Compare one round, the other, and both."""
    tuned = lab.tuned
    tuned.train((ITSELF, "pivotal", "judged", "both"))

    def compared(statement: str, after: str, before: str, measure: str, **how: object) -> Finding:
        unit = "count" if measure == GRADE else "points"
        change = tuned.change(after, before, measure)
        return change_finding(NUMBER, statement, measure, change, unit=unit, **how)  # type: ignore[arg-type]

    return [
        compared("both rounds are graded above the pivotal one alone", "both", "pivotal", GRADE),
        compared("both rounds are graded above the judged one alone", "both", "judged", GRADE),
        compared("both rounds solve more than fine-tuning alone", "both", ITSELF, SAMPLED),
        compared("the pivotal round alone is graded above SFT", "pivotal", ITSELF, GRADE, main=False),
        compared("the judged round alone is graded above SFT", "judged", ITSELF, GRADE, main=False),
        compared("the pivotal round solves more than SFT", "pivotal", ITSELF, SAMPLED, main=False),
        compared("the judged round solves more than SFT", "judged", ITSELF, SAMPLED, main=False),
        compared(
            "side effect: both rounds follow fewer instructions than SFT",
            "both",
            ITSELF,
            "instructions",
            direction="below",
            main=False,
        ),
        compared(
            "side effect: both rounds know fewer facts than SFT",
            "both",
            ITSELF,
            "facts_known right",
            direction="below",
            main=False,
        ),
    ]
