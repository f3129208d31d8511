"""Claim 10: for a longer context, documents that are long by nature beat short ones joined together."""

from __future__ import annotations

from trivium.claims.lab import Lab
from trivium.claims.results import Finding, change_finding, grid_finding
from trivium.claims.tuned.model import SHORT
from trivium.claims.tuned.settings import JOINED, LONG

NUMBER = 10
TITLE = "Long documents beat joined short ones, and the longer context costs little"
REPORT = (
    "Phi-4 report, section 3.3 and Table 2: documents that are long by nature did better for long "
    "contexts than artificially joined ones, without figures; going from 4K to 16K cost .3 points of "
    "MMLU, 1.4 of MMLU-pro and .8 of TriviaQA."
)
TEST = (
    "The run's base model is stretched to four times its context by the run's own midtraining on a "
    "part of its tokens, three tenths of them long: documents whose questions reach back over their "
    "whole length, or short ones of the same kind joined to the same lengths. Asked is the value "
    "beside a key, at three lengths."
)
LIMITS = (
    "The long documents are made, not found, and the test is of their own kind; what is shown is that "
    "reach has to be needed within a document, not that books beat joined pages."
)
COST = -0.02
"""Bits of short text may rise by two per cent; the report's losses are one to two per cent of the scores."""
TIMES = {"recall_4x": "four times the context", "recall_2x": "twice", "recall_1x": "once"}


def test(lab: Lab) -> list[Finding]:
    """Compare both kinds of long documents, and the stretched model with the base model on short text."""
    tuned = lab.tuned
    tuned.train(("base", LONG, JOINED))
    before = tuned.values("base", SHORT)
    return [
        *(
            change_finding(
                NUMBER,
                f"long documents recall more than joined ones at {words}",
                "keys recalled",
                tuned.change(LONG, JOINED, task),
                main=task == "recall_4x",
            )
            for task, words in TIMES.items()
        ),
        grid_finding(
            NUMBER,
            "the longer context costs less than two per cent of the bits of short text",
            "held-out text, short windows",
            (before - tuned.values(LONG, SHORT)) / before.mean(),
            threshold=COST,
        ),
    ]
