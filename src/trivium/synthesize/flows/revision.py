"""Self-revision: a writer, a critic with an anchored rubric, a reviser, and checks that have the last word.

Phi-4 report, section 2.2 and appendix D.1.2. A model that corrects itself without outside help gets worse
(arXiv:2310.01798): so a version that the checks object to can never be the best, however it was scored; the
critic must quote what it judges; and the winner is compared with the first version blind, in both orders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.rubrics import load
from trivium.synthesize.session import WRITE, Session

FLOW = "revision"
ROUNDS = 3
"""Most revisions. Phi-4's example shows 2; camel's pipeline stops at 3."""
GROUNDED = 0.65
LOST_SHARE = 0.4
"""Least share of the passage's content words that an explanation must keep."""


@dataclass
class Version:
    """One wording with what was found about it."""

    text: str
    fault: str
    """What the checks object to; empty if nothing."""
    scores: dict[str, int] = field(default_factory=dict)
    advice: str = ""


async def grow(at: Session) -> list[Example]:
    """Write, criticise and revise until the rubric passes, nothing is gained, or the rounds are over."""
    rubric, passage = load(FLOW), at.seed.text
    draft = await at.ask(
        "write", filters.unlabelled, max_tokens=160, sampling=WRITE, stop=("\n\n",), passage=passage
    )
    versions = [await _judged(at, draft, 0)]
    for number in range(1, ROUNDS + 1):
        last = versions[-1]
        if not last.fault and rubric.passes(last.scores):
            break
        text = await at.ask(
            "revise", filters.unlabelled, max_tokens=160, sampling=WRITE, number=number, stop=("\n\n",),
            passage=passage, draft=last.text, critique=last.fault or last.advice or "it could be clearer",
        )  # fmt: skip
        version = await _judged(at, text, number)
        if not version.fault and len(text) > rubric.most_growth * len(draft):
            version.fault = "longer than the draft allows"
        versions.append(version)
        gained = rubric.total(version.scores) - rubric.total(last.scores)
        if not last.fault and not version.fault and gained <= 0:
            break
    sound = [version for version in versions if not version.fault]
    at.object_if("checks", versions[-1].fault if not sound else None, versions[-1].text)
    best = max(sound, key=lambda version: rubric.total(version.scores))
    at.object_if("critique", None if rubric.passes(best.scores) else "below the rubric's floors", best.text)
    if best is not versions[0] and not versions[0].fault:
        wins = await _wins(at, best.text, draft)
        at.object_if("judge", "loses against its first version" if wins == 0 else None, best.text)
    told = [{"text": v.text, "fault": v.fault, "scores": v.scores} for v in versions]
    method = f"revision {versions.index(best)}"
    return [
        at.plain(
            "synthetic",
            best.text,
            difficulty=text_difficulty(best.text),
            method=method,
            meta={"versions": told},
        )
    ]


async def _judged(at: Session, text: str, number: int) -> Version:
    """Check a version, and let the critic score it if the checks have nothing against it."""
    fault = objection(text, at.seed.text)
    if fault:
        return Version(text, fault)
    rubric = load(FLOW)
    said = await at.ask(
        "critique", lambda reply: critique(reply, text), max_tokens=140, number=number,
        schema=rubric.shape(quote=True), passage=at.seed.text, draft=text, dimensions=rubric.lines(),
    )  # fmt: skip
    return Version(text, "", *rubric.read(json.dumps(said)))


def critique(reply: str, draft: str) -> dict[str, Any]:
    """Read a critique; raises ValueError unless it scores everything and quotes the draft."""
    said = json.loads(reply)
    names = {entry.name for entry in load(FLOW).dimensions}
    if not isinstance(said, dict) or not names <= set(said):
        raise ValueError(f"a JSON object with quote, fault, {', '.join(sorted(names))} was expected")
    quote = " ".join(words.plain_words(str(said.get("quote", ""))))
    if not quote or quote not in " ".join(words.plain_words(draft)):
        raise ValueError("quote must be words of the draft")
    return said


async def _wins(at: Session, best: str, first: str) -> int:
    """Count the orders in which a blind judge prefers the revision."""
    wins = 0
    for number, (one, other) in enumerate(((best, first), (first, best))):
        said = await at.ask(
            "judge_pair",
            letter,
            max_tokens=4,
            whole=False,
            number=number,
            passage=at.seed.text,
            one=one,
            other=other,
        )
        wins += (one if said == "A" else other) == best
    return wins


def letter(reply: str) -> str:
    """Read A or B."""
    said = reply.strip(" *\"'(.")[:1].upper()
    if said not in ("A", "B"):
        raise ValueError("A or B was expected")
    return said


def objection(text: str, passage: str) -> str:
    """Say what outside checks have against an explanation of a passage; empty if nothing."""
    fault = filters.bad_form(text) or filters.invented(text, passage)
    if fault:
        return fault
    if filters.negated(text) != filters.negated(passage):
        return "negation gained or lost"
    if filters.grounded_share(text, passage) < GROUNDED:
        return "words from nowhere"
    if filters.grounded_share(passage, text) < LOST_SHARE:
        return "too little kept"
    return "copied" if words.copied_share(text, passage) > filters.COPIED_SHARE else ""
