"""Claim 9: errors in the seeds are amplified in the data derived from them."""

from __future__ import annotations

from trivium.claims.claim_07 import PLAIN, QUESTIONS, arm
from trivium.claims.grid import mixtures
from trivium.claims.grid.data import FACTS
from trivium.claims.lab import Lab
from trivium.claims.results import Finding, grid_finding

NUMBER = 9
TITLE = "Errors in seeds are amplified in what is derived from them"
REPORT = (
    "Phi-4 report, section 2.3: noise in the documents that synthetic data are made from degrades the "
    "result far more than noise in documents that are trained on directly. It gives no figure."
)
TEST = (
    "One in five mentions of a fact is wrong. Trained on directly, a fact is mentioned often and "
    "mostly right; derived questions all come from one mention, so of one fact in five all are wrong. "
    "Each is held against itself without errors."
)
LIMITS = (
    "The amplification is that of one seed a fact, as when few passages are chosen of many; a "
    "derivation that reads several mentions and lets them vote would not show it. One rate of errors "
    "was tried. Known fault: the bits of facts move with the form of a value; these models hardly "
    "choose the right one of four, so what is said of facts is not shown (docs/lab-notebook.md)."
)


def test(lab: Lab) -> list[Finding]:
    """Compare what errors cost in texts and in questions derived from them."""
    grid = lab.grid
    plain_wrong, questions_wrong = arm(mixtures.PLAIN_WRONG), arm(mixtures.QUESTIONS_WRONG)
    grid.train((PLAIN, plain_wrong, QUESTIONS, questions_wrong))
    direct = grid.saved(plain_wrong, PLAIN, (FACTS,))
    derived = grid.saved(questions_wrong, QUESTIONS, (FACTS,))
    return [
        grid_finding(
            NUMBER,
            "errors cost more bits on facts in derived questions than in the texts themselves",
            "facts",
            derived - direct,
            direction="below",
        ),
        grid_finding(
            NUMBER,
            "errors in seeds cost derived questions bits",
            "facts",
            derived,
            direction="below",
            main=False,
        ),
        grid_finding(
            NUMBER, "errors in mentions cost the texts bits", "facts", direct, direction="below", main=False
        ),
    ]
