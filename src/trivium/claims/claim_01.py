"""Claim 1: more epochs over synthetic data beat fresh web tokens."""

from __future__ import annotations

from trivium.claims.grid import mixtures
from trivium.claims.grid.data import REASONING
from trivium.claims.grid.mixtures import Arm
from trivium.claims.grid.model import TEXT
from trivium.claims.lab import Lab
from trivium.claims.results import KNOWN, Finding, change_finding, grid_finding

NUMBER = 1
TITLE = "Repeating synthetic data beats fresh web text"
REPORT = (
    "Phi-4 report, section 3.1 and Figure 2: at equal tokens, 12 epochs over a fixed synthetic set "
    "score higher on MMLU than 4 epochs with the rest filled by fresh web text, without overfitting."
)
TEST = (
    "A small synthetic set is repeated 4 times (a quarter of the tokens) or 12 times (three "
    "quarters), the rest is web that is seen once; a control has three quarters of synthetic text, "
    "none of it repeated."
)
LIMITS = (
    "MMLU is replaced by five small tasks, four of them about reasoning and form; both models start "
    "from nothing and not from a first phase on web text, and one set size was tried."
)
FOUR, TWELVE = 0.25, 0.75
"""Shares of the tokens that 4 and 12 epochs over a sixteenth of them are."""
COST = -0.1
"""Repetition may cost a tenth of the bits against fresh text; the report compares with no such control."""


def arm(synthetic: str, share: float) -> Arm:
    """A share of synthetic text, the rest web."""
    web = mixtures.FACTS_IN_WEB * (1 - share)
    return mixtures.arm({synthetic: share, mixtures.PAGES: 1 - share - web, mixtures.STATED: web})


ARMS = {
    "4 epochs": arm(mixtures.FEW, FOUR),
    "12 epochs": arm(mixtures.FEW, TWELVE),
    "as much fresh": arm(mixtures.PROBLEMS, TWELVE),
}


def test(lab: Lab) -> list[Finding]:
    """Compare 12 epochs with 4, and with as much fresh synthetic text."""
    four, twelve, fresh = ARMS.values()
    grid = lab.grid
    grid.train((four, twelve, fresh))
    return [
        grid_finding(
            NUMBER,
            "12 epochs with less web cost less than 4 with more",
            "all tasks",
            grid.saved(twelve, four),
        ),
        grid_finding(NUMBER, "they do so on reasoning", "reasoning", grid.saved(twelve, four, REASONING)),
        grid_finding(
            NUMBER,
            "12 epochs do not overfit: they need fewer bits on held-out synthetic text too",
            "held-out text",
            grid.saved(twelve, four, (f"{TEXT}synthetic",)),
        ),
        change_finding(
            NUMBER,
            "12 epochs with less web know no fewer facts",
            KNOWN,
            grid.right(twelve) - grid.right(four),
            main=False,
        ),
        grid_finding(
            NUMBER,
            "repeating 12 times costs less than a tenth of the bits against fresh synthetic text",
            "reasoning",
            grid.saved(twelve, fresh, REASONING),
            threshold=COST,
            main=False,
        ),
    ]
