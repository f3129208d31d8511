"""Claim 18 (ours): abstention by a calibrated confidence beats the report's rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trivium.align import abstention
from trivium.align.abstention import Held
from trivium.claims.lab import Lab
from trivium.claims.results import Finding, change_finding
from trivium.claims.tuned.measured import Tuned
from trivium.claims.tuned.settings import FACT_TASKS, FIVE

NUMBER = 18
TITLE = "Abstention by calibrated confidence beats the report's rule"
REPORT = (
    "Ours, not the report's: its rule trains refusals in and takes what comes (section 4.4 and Figure "
    "6: right answers fall from 6.8 to 3.0 per cent)."
)
TEST = (
    "The report's model (its refusals, then its pairs) replies greedily; ours is asked every question "
    "sixteen times and refuses below a confidence. Its threshold is set on the other half of the "
    "questions, where it gives as many right answers as the report's model."
)
LIMITS = (
    "Ours costs sixteen replies a question, and both models see only a part of the run's fine-tuning. "
    "The questions come from the tables that the confidence was fitted on, in other entries."
)
KEPT = -0.02
"""Right answers may fall by two points of all questions before they count as lost."""
OURS = "our refusals"


def test(lab: Lab) -> list[Finding]:
    """Compare wrong and right answers at the rule's share of right ones."""
    tuned = lab.tuned
    tuned.train((OURS, FIVE))
    found = []
    for name, words, main in (
        (OURS, "refusing by confidence", True),
        (FIVE, "the report's own model, refusing by confidence", False),
    ):
        wrong, right = changes(tuned, name)
        found += [
            change_finding(
                NUMBER,
                f"{words} leaves fewer wrong answers than the rule",
                "wrong, all facts",
                wrong,
                direction="below",
                main=main,
            ),
            change_finding(
                NUMBER,
                f"{words} loses less than two points of right ones",
                "right, all facts",
                right,
                threshold=KEPT,
                main=main,
            ),
        ]
    return found


def changes(tuned: Tuned, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Wrong and right answers by confidence less the rule's (S, I), questions in one order."""
    wrong, right = [], []
    for number in range(tuned.seeds):
        held = sorted(tuned.held(name, number), key=lambda one: one.item)
        rule = rule_of(tuned, number)
        said = answered(held, [rule[one.item]["right"] for one in held])
        wrong.append(
            [a * (not one.right) - rule[one.item]["wrong"] for a, one in zip(said, held, strict=True)]
        )
        right.append([a * one.right - rule[one.item]["right"] for a, one in zip(said, held, strict=True)])
    return np.array(wrong, dtype=np.float64), np.array(right, dtype=np.float64)


def rule_of(tuned: Tuned, number: int) -> dict[str, dict[str, float]]:
    """What the report's model says greedily: question -> right, wrong; a refused bogus one is neither."""
    found: dict[str, dict[str, float]] = {}
    for task in FACT_TASKS:
        for verdict in ("right", "wrong"):
            for item, value in tuned.by_item(FIVE, number, f"{task} {verdict}").items():
                counts = (task, verdict) != ("bogus", "right")
                found.setdefault(item, {})[verdict] = value * counts
    return found


def answered(held: Sequence[Held], rule_right: Sequence[float]) -> list[bool]:
    """Which questions are answered: those above the threshold at which the other half is as often right."""
    scores = abstention.cross_fitted(held)
    folds = [abstention.fold_of(one.item, 2) for one in held]
    said = [False] * len(held)
    for fold in (0, 1):
        other = [i for i, own in enumerate(folds) if own != fold]
        right = sorted((scores[i] for i in other if held[i].right), reverse=True)
        wanted = round(sum(rule_right[i] for i in other))
        least = right[min(wanted, len(right)) - 1] if right and wanted else float("inf")
        for i, own in enumerate(folds):
            said[i] = said[i] or (own == fold and held[i].answers and scores[i] >= least)
    return said
