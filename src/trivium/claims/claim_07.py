"""Claim 7: questions and answers made of a text teach more than the text."""

from __future__ import annotations

from trivium.claims.grid import mixtures
from trivium.claims.grid.mixtures import Arm
from trivium.claims.lab import Lab
from trivium.claims.results import KNOWN, Finding, change_finding

NUMBER = 7
TITLE = "Extracted questions teach more than the text they come from"
REPORT = (
    "Phi-4 report, sections 2.2 and 2.3: question-and-answer data extracted from texts did much "
    "better than the texts, organic questions better than synthetic ones, and plain rewriting helped "
    "less. It gives no figures."
)
TEST = (
    "The same facts for the same number of tokens: in the one sentence that stands for the original, "
    "in many sentences, or as questions with answers; tested are facts that fine-tuning never asks, "
    "in a wording that no text has."
)
LIMITS = (
    "A test of facts is itself made of questions, which favours them, and the texts are lists of one "
    "sentence a fact. Deduction chains and organic questions are not tried."
)
SHARE = mixtures.SPLIT * mixtures.FACTS_IN_WEB


def arm(form: str) -> Arm:
    """A mixture of web pages and facts in one form."""
    return mixtures.arm({mixtures.PAGES: mixtures.SPLIT - SHARE, form: SHARE, **mixtures.REST})


PLAIN, VARIED, QUESTIONS = (arm(form) for form in (mixtures.PLAIN, mixtures.STATED, mixtures.QUESTIONS))


def test(lab: Lab) -> list[Finding]:
    """Compare three forms of the same facts."""
    grid = lab.grid
    grid.train((PLAIN, VARIED, QUESTIONS))

    def compared(statement: str, ours: Arm, theirs: Arm, *, main: bool = True) -> Finding:
        return change_finding(NUMBER, statement, KNOWN, grid.right(ours) - grid.right(theirs), main=main)

    return [
        compared("questions teach more facts than the original sentence", QUESTIONS, PLAIN),
        compared("questions teach more facts than sentences in many wordings", QUESTIONS, VARIED),
        compared("many wordings teach more facts than the one", VARIED, PLAIN, main=False),
    ]
