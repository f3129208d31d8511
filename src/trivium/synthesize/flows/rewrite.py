"""Rewrite and self-revision: draft, check, critique, revise; the best version that passes is kept.

Phi-4 report, section 2.2 and appendix D.1.2. Self-correction without outside help makes reasoning worse
(arXiv:2310.01798), so our own faithfulness check goes into the critique and has the last word, and the
version kept is the best scored, never the last by default; ties go to the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trivium.llm import Request
from trivium.synthesize import filters
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.prompts import fill
from trivium.synthesize.rows import Grown, plain
from trivium.synthesize.rubrics import Rubric, load
from trivium.synthesize.seeds import Stretch
from trivium.synthesize.teacher import Call, Job, Purse, Teacher

FLOW = "rewrite"
DRAFT_TOKENS = 80
CRITIQUE_TOKENS = 70
HOPELESS = ("boilerplate", "empty", "length ratio", "words from nowhere", "withheld fact")
"""Faults of a draft that has not understood its passage; revising such a one is money thrown away."""
DRAFT_SHARE = 0.6
"""Part of the flow's budget for drafts; critiques and revisions share the rest round by round."""


@dataclass
class Version:
    """One wording of a stretch and what was found about it."""

    call: Call
    text: str
    fault: str
    """What the checks object to; empty if nothing."""
    scores: dict[str, int] = field(default_factory=dict)
    advice: str = ""
    """The critic's worst fault."""
    critique: Call | None = None


@dataclass
class Chain:
    """A stretch with its versions, oldest first."""

    stretch: Stretch
    versions: list[Version] = field(default_factory=list)

    def best(self, rubric: Rubric) -> Version | None:
        """Return the best scored version without fault; the earlier of equals."""
        sound = [version for version in self.versions if not version.fault]
        return max(sound, key=lambda version: rubric.total(version.scores), default=None)


def rewrite(
    stretches: Sequence[Stretch],
    teacher: Teacher,
    config: TeacherConfig,
    *,
    share: float,
    given_away: Callable[[str], str],
) -> Grown:
    """Grow rewrites of stretches of prose (source web_rewrites).

    Args:
        stretches: Seeds in order of preference.
        teacher: Writer, critic and reviser, in different prompts and temperatures.
        config: Number of seeds and of revision rounds.
        share: Part of the teacher's remaining budget.
        given_away: Names the withheld fact that a text states, or returns an empty string.
    """
    rubric = load(FLOW)
    left = Purse(teacher, share)
    chains = [Chain(stretch) for stretch in stretches[: config.rewrite_seeds] if not given_away(stretch.text)]
    _write(chains, teacher, config, left.part(DRAFT_SHARE), given_away)
    for _ in range(config.revision_rounds):
        open_chains = [chain for chain in chains if chain.versions]
        _criticise(open_chains, teacher, rubric, left.part(0.4))
        _revise(open_chains, teacher, config, rubric, left.part(0.7), given_away)
    _criticise([chain for chain in chains if len(chain.versions) > 1], teacher, rubric, left.part(1.0))
    grown = Grown(tried=len(chains))
    for chain in chains:
        _settle(chain, teacher, rubric, grown)
    return grown


def worth_revising(version: Version, rubric: Rubric) -> bool:
    """Say whether another version should be asked for."""
    if version.fault:
        return not version.fault.startswith(HOPELESS)
    return not rubric.passes(version.scores)


def fault_of(text: str, passage: str, finish: str, given_away: Callable[[str], str]) -> str:
    """Return what the checks object to in a rewrite; empty if nothing."""
    if finish == "length":
        return "truncated"
    fault = filters.bad_form(text) or filters.unfaithful(text, passage)
    if not fault and (fact := given_away(text)):
        fault = f"withheld fact: {fact}"
    return fault or ""


def _write(
    chains: list[Chain],
    teacher: Teacher,
    config: TeacherConfig,
    share: float,
    given_away: Callable[[str], str],
) -> None:
    jobs = [_job("write", chain, config, passage=chain.stretch.text) for chain in chains]
    for chain, call in zip(chains, teacher.ask(FLOW, "write", jobs, share), strict=True):
        if call is not None:
            chain.versions.append(_version(call, chain, given_away))


def _criticise(chains: list[Chain], teacher: Teacher, rubric: Rubric, share: float) -> None:
    """Let the critic score every version that has passed the checks and was not scored yet."""
    waiting = [
        (chain, version)
        for chain in chains
        for version in chain.versions
        if not version.fault and version.critique is None
    ]
    jobs = [
        Job(
            Request(
                messages=fill(
                    FLOW,
                    "critique",
                    passage=chain.stretch.text,
                    draft=version.text,
                    dimensions=rubric.lines(),
                ),
                max_tokens=CRITIQUE_TOKENS,
                schema=rubric.schema(),
            ),
            (chain.stretch.passage_id, version.call.id),
        )
        for chain, version in waiting
    ]
    for (_, version), call in zip(waiting, teacher.ask(FLOW, "critique", jobs, share), strict=True):
        if call is None:
            continue
        version.critique = call
        version.scores, version.advice = rubric.read(call.reply)
        if version.scores:
            teacher.use(call)
        else:
            teacher.reject(call, "critique without scores")


def _revise(
    chains: list[Chain],
    teacher: Teacher,
    config: TeacherConfig,
    rubric: Rubric,
    share: float,
    given_away: Callable[[str], str],
) -> None:
    """Ask for a better version where the last one has a fault or misses a floor of the rubric."""
    waiting = [chain for chain in chains if worth_revising(chain.versions[-1], rubric)]
    jobs = []
    for chain in waiting:
        last = chain.versions[-1]
        critique = last.fault or last.advice or "it could be clearer"
        values = {"passage": chain.stretch.text, "draft": last.text, "critique": critique}
        jobs.append(_job("revise", chain, config, seed=len(chain.versions), **values))
    for chain, call in zip(waiting, teacher.ask(FLOW, "revise", jobs, share), strict=True):
        if call is None:
            continue
        version = _version(call, chain, given_away)
        if not version.fault and len(version.text) > rubric.most_growth * len(chain.versions[0].text):
            version.fault = "longer than the draft allows"
        chain.versions.append(version)


def _settle(chain: Chain, teacher: Teacher, rubric: Rubric, grown: Grown) -> None:
    best = chain.best(rubric)
    for version in chain.versions:
        if version is best:
            teacher.keep(version.call)
        else:
            teacher.reject(version.call, version.fault or "another version scored at least as well")
    if best is None:
        return
    calls = [version.call.id for version in chain.versions[: chain.versions.index(best) + 1]]
    grown.examples.append(
        plain(
            FLOW,
            "web_rewrites",
            best.text,
            parents=[chain.stretch.passage_id, *calls],
            depth=1,
            difficulty=text_difficulty(best.text),
            method=f"revision {chain.versions.index(best)}",
        )
    )


def _job(step: str, chain: Chain, config: TeacherConfig, seed: int = 0, **values: str) -> Job:
    request = Request(
        messages=fill(FLOW, step, **values),
        max_tokens=DRAFT_TOKENS,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=seed,
        stop=("\n",),
    )
    parents = [chain.stretch.passage_id]
    for last in chain.versions[-1:]:
        parents += [last.call.id] + ([last.critique.id] if last.critique is not None else [])
    return Job(request, tuple(parents))


def _version(call: Call, chain: Chain, given_away: Callable[[str], str]) -> Version:
    text = filters.unlabelled(call.reply)
    return Version(call, text, fault_of(text, chain.stretch.text, call.finish, given_away))
