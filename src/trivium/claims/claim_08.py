"""Claim 8: the plurality of a model's answers is a usable label, and the vote share says how usable."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np

from trivium.claims.lab import Lab
from trivium.claims.pairs import whole_only
from trivium.claims.results import Finding, finding
from trivium.models.load import load_tokenizer
from trivium.records import Rollout, Verdict, from_table
from trivium.stats import paired_difference, ratio_interval
from trivium.store.files import read_parquet

NUMBER = 8
TITLE = "The plurality answer is a usable label"
REPORT = (
    "Phi-4 report, section 2.2: of generated questions those are dropped on which all answers agree "
    "(too easy) or none do (too hard or inconsistent), and the plurality answer stands for the truth "
    "of the rest. No figure is given."
)
TEST = (
    "The first sixteen whole replies of the run's fine-tuned model to each question of its pivotal "
    "search; the most frequent final number is the plurality answer, its part of the replies the vote "
    "share."
)
LIMITS = (
    "Whether questions kept by the filter are better to train on is not tested, only whether their "
    "labels are right. Numbers are easy to compare; answers in words would need a judge."
)
REPLIES = 16
AGREED = 0.5
RELIABLE = 0.9
"""A label that is right in nine of ten cases counts as usable; the report names no bound."""
NEEDED = ("pivotal", "sft")

_NUMBER = re.compile(r"Answer:\s*(-?\d+)")


def test(lab: Lab) -> list[Finding]:
    """Accuracy of the plurality answer, over all and by vote share."""
    stages = lab.stages(NEEDED)
    rows = whole_only(from_table(Rollout, read_parquet(stages["pivotal"] / "rollouts.parquet")))
    tokenizer = load_tokenizer(stages["sft"] / "model")
    replies: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for row in rows:
        if len(replies[row.question_id]) < REPLIES:
            said = _NUMBER.findall(tokenizer.decode(row.completion_ids))
            replies[row.question_id].append((said[-1] if said else "", row.verdict == Verdict.RIGHT))
    return findings([voted(own) for own in replies.values()])


def voted(replies: list[tuple[str, bool]]) -> tuple[float, float, float]:
    """Vote share of the plurality answer, whether it is right, and the share of right replies.

    Args:
        replies: (answer, right) of every reply; a reply without an answer does not vote.
    """
    votes = Counter(answer for answer, _ in replies if answer)
    right = sum(ok for _, ok in replies) / len(replies)
    if not votes:
        return 0.0, 0.0, right
    answer, count = votes.most_common(1)[0]
    return count / len(replies), float(dict(replies)[answer]), right


def findings(rows: list[tuple[float, float, float]]) -> list[Finding]:
    """Compare the plurality with single replies and with what a usable label must be."""
    shares, plural, single = np.array(rows, dtype=np.float64).T
    many = shares > AGREED
    kept = (shares > AGREED) & (shares < 1)

    def share(statement: str, chosen: np.ndarray, side: str, bound: float, *, main: bool) -> Finding:
        return finding(
            NUMBER,
            statement,
            "share right",
            ratio_interval((plural * chosen).tolist(), chosen.astype(float).tolist()),
            n=int(chosen.sum()),
            seeds=1,
            unit="share",
            direction="above" if side == "above" else "below",
            threshold=bound,
            main=main,
        )

    return [
        finding(
            NUMBER,
            "the plurality answer is right more often than a single reply",
            "right",
            paired_difference(plural.tolist(), single.tolist()),
            n=len(rows),
            seeds=1,
        ),
        share("where more than half agree it is right in nine of ten", many, "above", RELIABLE, main=True),
        share(
            "where more than half but not all agree, as the filter keeps them, too",
            kept,
            "above",
            RELIABLE,
            main=False,
        ),
        share(
            "where at most half agree it is right in less than nine of ten",
            ~many,
            "below",
            RELIABLE,
            main=False,
        ),
        share(
            "where at most a quarter agree it is wrong more often than right",
            shares <= AGREED / 2,
            "below",
            0.5,
            main=False,
        ),
    ]
