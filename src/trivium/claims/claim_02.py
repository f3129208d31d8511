"""Claim 2: synthetic data alone hurt knowledge and help reasoning."""

from __future__ import annotations

from trivium.claims.grid.data import FACTS, REASONING
from trivium.claims.grid.mixtures import MIXTURES, S_W, S
from trivium.claims.lab import Lab
from trivium.claims.results import Finding, finding, grid_finding
from trivium.stats import crossed_mean

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
    "size. Known fault: the bits of facts move with the form of a value; these models hardly choose "
    "the right one of four, so what is said of facts is not shown (docs/lab-notebook.md)."
)


def test(lab: Lab) -> list[Finding]:
    """Compare synthetic data alone with half synthetic, half web."""
    alone, half = MIXTURES[S], MIXTURES[S_W]
    grid = lab.grid
    grid.train((alone, half))
    chosen = grid.right(alone) - grid.right(half)
    return [
        grid_finding(
            NUMBER,
            "synthetic alone needs more bits for facts than with web",
            "facts",
            grid.saved(alone, half, (FACTS,)),
            direction="below",
        ),
        grid_finding(
            NUMBER,
            "synthetic alone needs fewer bits for reasoning than with web",
            "reasoning",
            grid.saved(alone, half, REASONING),
        ),
        finding(
            NUMBER,
            "synthetic alone picks the right one of four values less often",
            "facts, of four",
            crossed_mean(chosen),
            n=chosen.shape[1],
            seeds=grid.seeds,
            direction="below",
            trained=True,
            main=False,
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
