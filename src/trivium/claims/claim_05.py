"""Claim 5: the only thing that web text clearly helps is trivia."""

from __future__ import annotations

from trivium.claims.grid.data import WORKED
from trivium.claims.grid.mixtures import FINAL, MIXTURES, S_W
from trivium.claims.lab import Lab
from trivium.claims.results import KNOWN, Finding, change_finding, grid_finding

NUMBER = 5
TITLE = "Web text clearly helps trivia and nothing else"
REPORT = (
    "Phi-4 report, section 3.2 and Table 4: synthetic and web in equal parts are 6.9 points above the "
    "final mixture on TriviaQA, at most .9 above it on anything else, and equal on average."
)
TEST = (
    "The same two mixtures. A gain counts as clear above two points of facts or two per cent of a "
    "task's bits; each task other than facts must stay below that."
)
LIMITS = (
    "Web and final mixture differ in rewrites and synthetic shares too, as in the report. Web pages "
    "here are renderings of Python's documentation beside lists of facts, much narrower than a crawl."
)
CLEAR = 0.02
"""Of the facts or of a task's bits; the report's clear gains are above one of 70 points."""


def test(lab: Lab) -> list[Finding]:
    """Compare synthetic and web with the final mixture, task by task."""
    grid, web, final = lab.grid, MIXTURES[S_W], MIXTURES[FINAL]
    grid.train((web, final))
    return [
        change_finding(
            NUMBER,
            "with more web clearly more facts are known",
            KNOWN,
            grid.right(web) - grid.right(final),
            threshold=CLEAR,
        ),
        *(
            grid_finding(
                NUMBER,
                f"it helps {task} by less than two per cent",
                task,
                grid.saved(web, final, (task,)),
                direction="below",
                threshold=CLEAR,
            )
            for task in WORKED
        ),
        grid_finding(
            NUMBER,
            "over all tasks but facts it needs more bits",
            "other tasks",
            grid.saved(web, final, WORKED),
            direction="below",
            main=False,
        ),
    ]
