"""The mixtures of the grid, by component of the token store.

Phi-4 report, section 3.2 and Table 4: three quarters of the tokens are split over synthetic (S), web (W)
and web rewrites (R), one quarter is the same everywhere. Its final mixture gives the three 40 : 15 : 15
(Table 5).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

PAGES, STATED = "pages", "stated"
"""The web: pages, and lists that state facts."""
REWRITES, ASKED = "rewrites", "asked"
"""Its rewrites: of pages and documents by rule, and half of the facts as question and answer."""
PROBLEMS, FEW = "problems", "few"
"""Synthetic: problems with worked solutions; and a small part of them, to repeat."""
CODE, BOOKS = "code", "books"
PLAIN, VARIED, QUESTIONS = "plain", "varied", "questions"
"""All facts in the one wording that stands for the original, in many wordings, as question and answer."""
PLAIN_WRONG, QUESTIONS_WRONG = "plain-wrong", "questions-wrong"
"""The first and the last of these with errors in the seeds."""

SOURCES = {
    PAGES: "web",
    STATED: "web",
    REWRITES: "rewrites",
    ASKED: "rewrites",
    PROBLEMS: "synthetic",
    CODE: "code",
    BOOKS: "books",
}
"""Component -> source, of those whose held-out text makes the pretraining loss."""

SPLIT = 0.75
"""Part of the tokens that is split over S, W and R. Source: Phi-4 report, Table 4."""
REST = {CODE: 0.15, BOOKS: 0.10}
"""What the other quarter is, in every mixture; the report does not say how it is split."""
FACTS_IN_WEB = 0.5
"""Part of the web's tokens that states facts, and of the rewrites' that asks for them."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """A model of the grid, whatever its seed."""

    shares: tuple[tuple[str, float], ...]
    """Component -> share of the tokens."""
    horizon: float = 1.0
    """Of the grid's tokens."""
    narrow: bool = False
    """At the smaller width."""

    def key(self, number: int) -> str:
        """Name of what is kept of one seed."""
        named = hashlib.sha256(repr((self.shares, self.horizon, self.narrow)).encode()).hexdigest()[:12]
        return f"{named}-{number}"


def mixture(synthetic: float = 0.0, web: float = 0.0, rewrites: float = 0.0) -> Arm:
    """Split three quarters of the tokens in these proportions."""
    total = synthetic + web + rewrites
    return arm(
        {
            PROBLEMS: SPLIT * synthetic / total,
            PAGES: SPLIT * web / total * (1 - FACTS_IN_WEB),
            STATED: SPLIT * web / total * FACTS_IN_WEB,
            REWRITES: SPLIT * rewrites / total * (1 - FACTS_IN_WEB),
            ASKED: SPLIT * rewrites / total * FACTS_IN_WEB,
            **REST,
        }
    )


def arm(shares: Mapping[str, float], *, horizon: float = 1.0, narrow: bool = False) -> Arm:
    """Make an arm of shares; what is given none is left out."""
    kept = tuple((name, round(share, 6)) for name, share in sorted(shares.items()) if share > 0)
    return Arm(shares=kept, horizon=horizon, narrow=narrow)


FINAL, UNIFORM = "final mixture", "uniform"
S, S_R, S_W = "S", "S + R", "S + W"
MIXTURES = {
    FINAL: mixture(synthetic=40, web=15, rewrites=15),
    UNIFORM: mixture(synthetic=1, web=1, rewrites=1),
    S: mixture(synthetic=1),
    S_R: mixture(synthetic=1, rewrites=1),
    S_W: mixture(synthetic=1, web=1),
}
"""Rows of Table 4. The report does not say how S + R and S + W are split; here in equal parts."""
