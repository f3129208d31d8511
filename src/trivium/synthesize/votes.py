"""Answers to one question put together by equivalence: who says the same, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.verify.answers import is_refusal, parse_number, same_number, same_text
from trivium.verify.final import last_number, marked_answer


@dataclass(frozen=True, slots=True)
class Tally:
    """Clusters of equivalent answers as lists of draw numbers, the largest first; the earlier of equals."""

    clusters: tuple[tuple[int, ...], ...]
    unparsed: int
    """Draws without a readable answer: no votes."""

    @property
    def votes(self) -> int:
        """Draws that voted."""
        return sum(map(len, self.clusters))

    @property
    def share(self) -> float:
        """Share of the largest cluster, 0 without votes."""
        return len(self.clusters[0]) / self.votes if self.clusters else 0.0

    @property
    def margin(self) -> int:
        """Votes by which the largest cluster leads."""
        sizes = [len(cluster) for cluster in self.clusters] + [0, 0]
        return sizes[0] - sizes[1]

    @property
    def entropy(self) -> float:
        """Entropy of the clusters in bits."""
        shares = [len(cluster) / self.votes for cluster in self.clusters]
        return -sum(share * math.log2(share) for share in shares) if shares else 0.0


def answer_in(reply: str) -> str:
    """Return a reply's final answer: the marked one, else its last number; empty if it has none."""
    if is_refusal(reply):
        return ""
    return marked_answer(reply) or last_number(reply) or ""


def same_answer(one: str, other: str) -> bool:
    """Say whether two answers are equivalent: as numbers where both are, else as words."""
    if parse_number(other) is not None and parse_number(one) is not None:
        return bool(same_number(one, other))
    return same_text(one.strip(" ."), other.strip(" ."), fold_case=True)


def tally(answers: Sequence[str]) -> Tally:
    """Cluster answers by pairwise equivalence with a cluster's first; empty ones do not vote."""
    clusters: list[list[int]] = []
    for number, answer in enumerate(answers):
        if not answer:
            continue
        home = next((c for c in clusters if same_answer(answer, answers[c[0]])), None)
        if home is None:
            clusters.append([number])
        else:
            home.append(number)
    ordered = sorted(clusters, key=lambda cluster: (-len(cluster), cluster[0]))
    return Tally(tuple(map(tuple, ordered)), sum(not answer for answer in answers))
