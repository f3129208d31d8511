"""Rewrite and self-revision: draft, check, critique, revise; the best version that passes is kept.

Phi-4 report, section 2.2 and appendix D.1.2. Self-correction without outside help makes reasoning worse
(arXiv:2310.01798), so our own faithfulness check goes into the critique and has the last word, and the
version kept is the best scored, never the last by default; ties go to the earlier one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import yaml

from trivium.records import Example
from trivium.synthesize import filters
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.prompts import FOLDER
from trivium.synthesize.rubrics import Rubric, load
from trivium.synthesize.session import WRITE, Session

FLOW = "rewrite"
DRAFT_TOKENS = 100
CRITIQUE_TOKENS = 70
HOPELESS = ("boilerplate", "empty", "length ratio", "words from nowhere")
"""Faults of a draft that has not understood its passage; revising such a one is money thrown away."""


@dataclass
class Version:
    """One wording of a passage and what was found about it."""

    text: str
    fault: str
    """What the checks object to; empty if nothing."""
    scores: dict[str, int] = field(default_factory=dict)
    advice: str = ""
    """The critic's worst fault."""


@functools.cache
def styles() -> dict[str, str]:
    """Read the styles: name -> how the teacher is asked."""
    found: dict[str, str] = yaml.safe_load((FOLDER / FLOW / "styles.yaml").read_text(encoding="utf-8"))
    return found


async def grow(at: Session) -> list[Example]:
    """Rewrite a passage in one of the styles (source web_rewrites); revise while it helps."""
    rubric, passage = load(FLOW), at.seed.text
    style = at.random.choice(sorted(styles()))

    async def written(step: str, number: int = 0, **values: str) -> Version:
        reply = await at.ask(
            step, max_tokens=DRAFT_TOKENS, sampling=WRITE, number=number, whole=False, stop=("\n",),
            how=styles()[style], passage=passage, fills=values,
        )  # fmt: skip
        return await _version(at, reply, rubric)

    versions = [await written("write")]
    for number in range(1, at.tools.rounds + 1):
        last = versions[-1]
        if not worth_revising(last, rubric):
            break
        critique = last.fault or last.advice or "it could be clearer"
        version = await written("revise", number, draft=last.text, critique=critique)
        if not version.fault and len(version.text) > rubric.most_growth * len(versions[0].text):
            version.fault = "longer than the draft allows"
        versions.append(version)
    sound = [version for version in versions if not version.fault]
    at.object_if("write", None if sound else versions[0].fault, versions[0].text)
    best = max(sound, key=lambda version: rubric.total(version.scores))
    method = f"{style}, revision {versions.index(best)}"
    return [at.plain("web_rewrites", best.text, difficulty=text_difficulty(best.text), method=method)]


async def _version(at: Session, reply: str, rubric: Rubric) -> Version:
    """Check a wording; the critic sees only what passes, and only where revising is paid for."""
    text = filters.unlabelled(reply)
    finish = at.desk.turns[-1].reply.finish
    version = Version(text, fault_of(text, at.seed.text, finish))
    if not version.fault and at.tools.rounds:
        said = await at.ask(
            "critique", max_tokens=CRITIQUE_TOKENS, schema=rubric.shape(), whole=False,
            passage=at.seed.text, draft=text, dimensions=rubric.lines(),
        )  # fmt: skip
        version.scores, version.advice = rubric.read(said)
    return version


def worth_revising(version: Version, rubric: Rubric) -> bool:
    """Say whether another version should be asked for."""
    if version.fault:
        return not version.fault.startswith(HOPELESS)
    return not rubric.passes(version.scores)


def fault_of(text: str, passage: str, finish: str) -> str:
    """Return what the checks object to in a rewrite; empty if nothing."""
    if finish == "length":
        return "truncated"
    return filters.bad_form(text) or filters.unfaithful(text, passage) or ""
