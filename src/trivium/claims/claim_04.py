"""Claim 4: equal shares of synthetic, web and rewrites are the worst mixture."""

from __future__ import annotations

from collections.abc import Sequence

from trivium.claims.grid.data import TASKS, WORKED
from trivium.claims.grid.mixtures import FINAL, MIXTURES, S_R, S_W, UNIFORM, S
from trivium.claims.lab import Lab
from trivium.claims.results import Finding, grid_finding

NUMBER = 4
TITLE = "The uniform mixture is the worst"
REPORT = (
    "Phi-4 report, section 3.2 and Table 4: on average over eight benchmarks equal shares are 2.2 "
    "points below the final mixture, synthetic alone is .8 above it, synthetic with rewrites .4 "
    "above, with web equal."
)
TEST = (
    "The same five mixtures, three quarters of the tokens split over synthetic, web and rewrites; the "
    "average is over five tasks, each relative to the rival's bits or errors."
)
LIMITS = (
    "The average hangs on which tasks are in it: one of our five is about facts (the report: one of "
    "eight), and nothing was tuned for any mixture; the four tasks without facts stand beside it."
)
RIVALS = (FINAL, S, S_R, S_W)


def test(lab: Lab) -> list[Finding]:
    """Compare equal shares with each of Table 4's other rows."""
    grid, uniform = lab.grid, MIXTURES[UNIFORM]
    grid.train((uniform, *(MIXTURES[name] for name in RIVALS)))

    def below(name: str, part: str, tasks: Sequence[str], *, main: bool) -> Finding:
        return grid_finding(
            NUMBER,
            f"equal shares cost more than {name}, {part}",
            part,
            grid.saved(uniform, MIXTURES[name], tasks),
            direction="below",
            main=main,
        )

    return [
        *(below(name, "all tasks", TASKS, main=True) for name in RIVALS),
        *(below(name, "all but facts", WORKED, main=False) for name in RIVALS),
    ]
