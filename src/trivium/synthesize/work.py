"""The stage's work in order: rules and makers first, then the teacher, then the joint checks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trivium.errors import ResourceError
from trivium.llm.cache import CallCache, cache_path
from trivium.records import Document, Drop, Example, Passage, Question
from trivium.synthesize import teacher as teaching
from trivium.synthesize.curriculum import order_table
from trivium.synthesize.flows import constraints, docstrings, facts, problems, rule_rewrite
from trivium.synthesize.flows.questions import extract_questions
from trivium.synthesize.flows.reversal import reverse
from trivium.synthesize.flows.rewrite import rewrite
from trivium.synthesize.guard import Withheld
from trivium.synthesize.options import SynthesizeConfig, TeacherConfig
from trivium.synthesize.rows import Grown, without_repeats
from trivium.synthesize.seeds import best_first, plainest_first, stretches
from trivium.synthesize.teacher import Call, Teacher

if TYPE_CHECKING:
    from trivium.store.run import StageDir
    from trivium.verify.sandbox import Sandbox


def synthesize(config: SynthesizeConfig, stage: StageDir) -> dict[str, Any]:
    """Make everything, write it, and return the metrics."""
    seconds: dict[str, float] = {}
    documents = stage.rows("curate", "documents", Document)
    passages = best_first(stage.rows("curate", "passages", Passage))
    known, unknown_train, unknown_test = facts.known_and_withheld(stage.seed)
    guard = Withheld([*unknown_train, *unknown_test])
    with _timed(seconds, "problems"):
        grown = problems.make_problems(config.problems, stage)
        grown.add(problems.recall_documents(config.problems, stage.seed))
        grown.add(problems.drill_documents(config.problems, stage.seed))
    with _timed(seconds, "rules"):
        grown.add(_by_rule(config, stage.seed, documents, known, guard))
    with _timed(seconds, "teacher"):
        taught, calls, report = _with_teacher(config.teacher, stage, documents, passages, guard)
    grown.add(taught)
    examples, repeated = without_repeats(grown.examples)
    drops = grown.drops + repeated
    asked = facts.fact_questions(known, unknown_train, config.bogus, stage.seed)
    stage.drop(drops)
    stage.write("examples", Example, examples)
    stage.write("questions", Question, grown.questions)
    stage.write("fact_questions", Question, asked)
    stage.write("calls", Call, calls)
    stage.write_table("curriculum", order_table(examples))
    stage.write_json("facts", facts.listing(known, unknown_train, unknown_test))
    return {
        "examples": len(examples),
        "questions": len(grown.questions),
        "fact_questions": dict(Counter(row.skill for row in asked)),
        "sources": _by(examples, "source"),
        "flows": _by(examples, "flow"),
        "methods": _methods(examples),
        "dropped": _reasons(drops),
        "teacher": report,
        **{f"{name}_seconds": round(value, 2) for name, value in seconds.items()},
    }


def _by_rule(
    config: SynthesizeConfig,
    seed: int,
    documents: Sequence[Document],
    known: Sequence[facts.Fact],
    guard: Withheld,
) -> Grown:
    """Run the flows that need no teacher but seeds, facts or verifiers."""
    open_documents = [
        row for row in documents if row.kind != "facts" and not guard.source_is_closed(row.source)
    ]
    code = [row for row in open_documents if row.kind == "code"]
    origins = facts.sources_in(documents, known)
    grown = docstrings.reverse_docstrings(
        code,
        most=config.docstring_reversals,
        most_chats=config.chat_reversals,
        most_chars=config.reversal_chars,
        given_away=guard.given_away,
    )
    grown.add(
        rule_rewrite.rewrite_by_rule(
            open_documents, most_chars=config.rule_rewrite_chars, seed=seed, given_away=guard.given_away
        )
    )
    grown.add(facts.state_facts(known, config.fact_rounds, seed, origins))
    grown.add(facts.ask_facts(known, origins))
    grown.add(facts.drill_facts(known, config.fact_drills, seed, origins))
    grown.add(constraints.make_constraints(seed, config.constraints, config.chat_constraints))
    return grown


def _with_teacher(
    config: TeacherConfig,
    stage: StageDir,
    documents: Sequence[Document],
    passages: Sequence[Passage],
    guard: Withheld,
) -> tuple[Grown, list[Call], dict[str, Any]]:
    """Run the three teacher flows, or say why they are skipped."""
    backend, reason = teaching.open_backend(config, stage.workers)
    if backend is None:
        return Grown(), [], {"skipped": reason}
    try:
        with CallCache(cache_path(stage.path.parent)) as cache, _sandbox() as (runner, no_sandbox):
            teacher = Teacher(
                backend=backend,
                cache=cache,
                generated=config.generated_tokens,
                prompt=config.prompt_tokens,
                progress=stage.progress,
            )
            grown = taught(teacher, config, documents, passages, guard, runner)
            report = {"identity": backend.identity, **({"no_sandbox": no_sandbox} if no_sandbox else {})}
            return grown, teacher.calls, {**report, **_teacher_report(teacher, grown)}
    finally:
        backend.close()


def taught(
    teacher: Teacher,
    config: TeacherConfig,
    documents: Sequence[Document],
    passages: Sequence[Passage],
    guard: Withheld,
    runner: Sandbox | None,
) -> Grown:
    """Run reversal, rewriting and questions, each with its share of the budget."""
    code = [row for row in documents if row.kind == "code" and not guard.source_is_closed(row.source)]
    prose = plainest_first(stretches(passages, config.passage_chars))
    first, second, third = config.shares
    # The two prose flows take turns, so that they do not spend the budget on the same passages.
    for_rewriting, for_questions = prose[::2], prose[1::2]
    grown = reverse(
        code,
        teacher,
        config,
        share=first / (first + second + third),
        runner=runner,
        given_away=guard.given_away,
    )
    grown.add(
        rewrite(for_rewriting, teacher, config, share=second / (second + third), given_away=guard.given_away)
    )
    grown.add(extract_questions(for_questions, teacher, config, share=1.0, given_away=guard.given_away))
    grown.drops += teacher.drops
    unjudged = teacher.unjudged()
    assert not unjudged, f"{len(unjudged)} teacher calls without a verdict, first {unjudged[0]}"
    return grown


@contextmanager
def _sandbox() -> Iterator[tuple[Sandbox | None, str]]:
    """Yield the sandbox for code that a model wrote, or None and why there is none."""
    from trivium.verify.sandbox import Sandbox

    sandbox = Sandbox()
    try:
        sandbox.__enter__()
    except ResourceError as error:
        yield None, str(error)
        return
    try:
        yield sandbox, ""
    finally:
        sandbox.close()


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


def _teacher_report(teacher: Teacher, grown: Grown) -> dict[str, Any]:
    """Return calls, tokens, verdicts and cost of an accepted example, by flow."""
    flows: dict[str, Any] = {}
    for flow in sorted({call.flow for call in teacher.calls}):
        calls = [call for call in teacher.calls if call.flow == flow]
        # A chat and a plain row of the same text are one accepted sample.
        kept = len({tuple(row.parents) for row in grown.examples if row.flow == flow})
        opened = sum(call.step in ("describe", "write", "ask") for call in calls)
        read, written = (
            sum(getattr(call, f"{side}_tokens") for call in calls) for side in ("prompt", "completion")
        )
        flows[flow] = {
            "calls": len(calls),
            "tried": opened,
            "accepted": kept,
            "yield": round(kept / max(opened, 1), 4),
            "prompt_tokens": read,
            "generated_tokens": written,
            "generated_tokens_per_accepted": round(written / kept, 1) if kept else None,
            "verdicts": dict(Counter(call.verdict for call in calls)),
            "reasons": dict(
                Counter(call.reason.partition(": ")[0] for call in calls if call.reason).most_common()
            ),
        }
    return {
        "calls": len(teacher.calls),
        "prompt_tokens": sum(call.prompt_tokens for call in teacher.calls),
        "generated_tokens": sum(call.completion_tokens for call in teacher.calls),
        "flows": flows,
    }


def _by(examples: Sequence[Example], field: str) -> dict[str, dict[str, int]]:
    """Return rows and characters by source or flow."""
    counts: dict[str, dict[str, int]] = {}
    for row in examples:
        entry = counts.setdefault(getattr(row, field), {"rows": 0, "chars": 0})
        entry["rows"] += 1
        entry["chars"] += len(row.text) + sum(len(message.content) for message in row.messages)
    return dict(sorted(counts.items()))


def _methods(examples: Sequence[Example]) -> dict[str, int]:
    solved = (row.method for row in examples if row.flow.startswith("problems.") and row.method)
    return dict(sorted(Counter(solved).items()))


def _reasons(drops: Sequence[Drop]) -> dict[str, dict[str, int]]:
    """Return drop counts by step and reason."""
    found: dict[str, Counter[str]] = {}
    for row in drops:
        found.setdefault(row.step, Counter())[row.reason] += 1
    return {step: dict(counts.most_common()) for step, counts in sorted(found.items())}
