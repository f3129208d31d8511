"""Claim 9: errors in the seeds are amplified in the data derived from them."""

from __future__ import annotations

import numpy as np

from trivium.claims.claim_07 import PLAIN, QUESTIONS, arm
from trivium.claims.grid import mixtures
from trivium.claims.lab import Lab
from trivium.claims.results import KNOWN, Finding, change_finding

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
    "was tried."
)


def test(lab: Lab) -> list[Finding]:
    """Compare what errors cost in texts and in questions derived from them."""
    grid = lab.grid
    plain_wrong, questions_wrong = arm(mixtures.PLAIN_WRONG), arm(mixtures.QUESTIONS_WRONG)
    grid.train((PLAIN, plain_wrong, QUESTIONS, questions_wrong))
    direct = grid.right(plain_wrong) - grid.right(PLAIN)
    derived = grid.right(questions_wrong) - grid.right(QUESTIONS)

    def lost(statement: str, change: np.ndarray, *, main: bool) -> Finding:
        return change_finding(NUMBER, statement, KNOWN, change, direction="below", main=main)

    return [
        lost("errors cost derived questions more facts than texts", derived - direct, main=True),
        lost("errors in seeds cost derived questions facts", derived, main=False),
        lost("errors in mentions cost the texts facts", direct, main=False),
    ]
