"""Claim 15: refusal data turn wrong answers into refusals."""

from __future__ import annotations

import numpy as np

from trivium.claims.lab import Lab
from trivium.claims.results import Finding, change_finding, finding
from trivium.claims.tuned.measured import Tuned
from trivium.claims.tuned.settings import ALL, FACT_TASKS, FIVE, ONE
from trivium.stats import crossed_ratio

NUMBER = 15
TITLE = "Refusal data turn wrong answers into refusals"
REPORT = (
    "Phi-4 report, Appendix A.1 and Figure 6: on SimpleQA wrong answers fall from 90.0 to 15.8 per "
    "cent, right ones from 6.8 to 3.0; the pairs of DPO are cut to the first five tokens. Other cuts "
    "are not compared."
)
TEST = (
    "The run's midtrained model is fine-tuned without any refusal, and with the report's (what it "
    "usually gets wrong is refused); then on pairs of the first token, the first five or all. Asked "
    "are facts that the data state, withheld ones, and questions about things that do not exist."
)
LIMITS = (
    "A part of the run's fine-tuning, a few hundred questions in five kinds of tables, and the "
    "settings of the run's second round of DPO, none of them tuned for these pairs."
)
MOST = 0.5
"""Half of the wrong answers should become refusals; the report's share is four fifths."""
BEFORE, AFTER = "without refusals", "report's refusals"


def test(lab: Lab) -> list[Finding]:
    """Compare fine-tuning with and without refusals, then pairs of one, five and all tokens."""
    tuned = lab.tuned
    tuned.train((BEFORE, AFTER, ONE, FIVE, ALL))
    wrong_before = every(tuned, BEFORE, "wrong")
    turned = wrong_before * every(tuned, AFTER, "refused")
    wrong = {name: every(tuned, name, "wrong") for name in (AFTER, ONE, FIVE, ALL)}
    right = every(tuned, FIVE, "right") - every(tuned, BEFORE, "right")
    return [
        finding(
            NUMBER,
            "more than half of the wrong answers become refusals",
            "share of the wrong",
            crossed_ratio(turned, wrong_before),
            n=turned.shape[1],
            seeds=tuned.seeds,
            unit="share",
            threshold=MOST,
            trained=True,
        ),
        change_finding(
            NUMBER,
            "pairs of the first five tokens leave fewer wrong answers still",
            "wrong, all facts",
            wrong[FIVE] - wrong[AFTER],
            direction="below",
        ),
        change_finding(
            NUMBER,
            "fewer right answers are left than without refusals",
            "right, all facts",
            right,
            direction="below",
            main=False,
        ),
        *(
            change_finding(
                NUMBER,
                f"pairs of {words} leave fewer wrong answers than of five",
                "wrong, all facts",
                wrong[name] - wrong[FIVE],
                direction="below",
                main=False,
            )
            for name, words in ((ONE, "one token"), (ALL, "all tokens"))
        ),
        *(
            change_finding(
                NUMBER,
                f"pairs of {words} keep more right answers than of five",
                "right, all facts",
                every(tuned, name, "right") - every(tuned, FIVE, "right"),
                main=False,
            )
            for name, words in ((ONE, "one token"), (ALL, "all tokens"))
        ),
    ]


def every(tuned: Tuned, name: str, verdict: str) -> np.ndarray:
    """Whether each reply to a fact question has a verdict (S, I), all kinds of questions together.

    A refusal to a bogus question is right by its verifier and counts as refused, as anywhere.
    """
    parts = []
    for task in FACT_TASKS:
        values = tuned.values(name, f"{task} {verdict}")
        parts.append(np.zeros_like(values) if (task, verdict) == ("bogus", "right") else values)
    return np.concatenate(parts, axis=1)
