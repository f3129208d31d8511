"""Claim 2: synthetic data alone hurt knowledge and help reasoning."""

from __future__ import annotations

from trivium.claims.grid.data import REASONING
from trivium.claims.grid.mixtures import MIXTURES, S_W, S
from trivium.claims.lab import Lab
from trivium.claims.results import KNOWN, Finding, change_finding, grid_finding

NUMBER = 2
TITLE = "Synthetic data alone hurt knowledge and help reasoning"
REPORT = (
    "Phi-4 report, section 3.1 and Table 3: a 13B model without web text is 14.8 points below "
    "phi-3-medium on TriviaQA and above it on MATH (+4.9), MMLU-pro (+4.0) and HumanEval (+12.1)."
)
TEST = (
    "Three quarters of the tokens are synthetic problems in one arm, half of them web in the other; "
    "after the same short fine-tuning both are weighed on facts and on worked solutions."
)
LIMITS = (
    "That facts fall is built in, as our synthetic problems state none of them: what is measured is "
    "by how much, and whether reasoning really gains. Likelihoods move long before answers do at this "
    "size, and a value is chosen among four, not said."
)


def test(lab: Lab) -> list[Finding]:
    """Compare synthetic data alone with half synthetic, half web."""
    alone, half = MIXTURES[S], MIXTURES[S_W]
    grid = lab.grid
    grid.train((alone, half))
    return [
        change_finding(
            NUMBER,
            "synthetic alone knows fewer facts than with web",
            KNOWN,
            grid.right(alone) - grid.right(half),
            direction="below",
        ),
        grid_finding(
            NUMBER,
            "synthetic alone needs fewer bits for reasoning than with web",
            "reasoning",
            grid.saved(alone, half, REASONING),
        ),
        *(
            grid_finding(
                NUMBER,
                f"synthetic alone needs fewer bits for {task} than with web",
                task,
                grid.saved(alone, half, (task,)),
                main=False,
            )
            for task in REASONING
        ),
    ]
