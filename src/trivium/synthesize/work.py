"""The stage's work in order: rules and makers first, then the teacher, then the joint checks."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trivium.errors import ResourceError
from trivium.llm.cache import CallCache, cache_path
from trivium.records import Document, Drop, Example, Passage, Question
from trivium.synthesize import teacher as teaching
from trivium.synthesize.book import Call
from trivium.synthesize.curriculum import order_table, stages_table
from trivium.synthesize.flows import constraints, docstrings, facts, problems, rule_rewrite
from trivium.synthesize.guard import Withheld
from trivium.synthesize.options import SynthesizeConfig
from trivium.synthesize.ordered import Larder, grow_ordered, rows_of, told_of
from trivium.synthesize.rows import Grown, without_repeats
from trivium.synthesize.seeds import best_first

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
    asked = facts.fact_questions(known, unknown_train, config.bogus, stage.seed)
    larder = Larder(
        documents=documents,
        passages=passages,
        questions=grown.questions,
        trivia=[row for row in asked if json.loads(row.meta)["status"] == "known"],
        guard=guard,
    )
    with _timed(seconds, "teacher"):
        taught, calls, report = _with_teacher(config, stage, larder)
    grown.add(taught)
    examples, repeated = without_repeats(grown.examples)
    drops = grown.drops + repeated
    stage.drop(drops)
    stage.write("examples", Example, examples)
    stage.write("questions", Question, grown.questions)
    stage.write("fact_questions", Question, asked)
    stage.write("calls", Call, calls)
    stage.write_table("curriculum", order_table(examples))
    if config.flows.curriculum.count:
        scored = [row for row in examples if row.flow == "curriculum"]
        stage.write_table("stages", stages_table(scored, stage.seed))
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
    config: SynthesizeConfig, stage: StageDir, larder: Larder
) -> tuple[Grown, list[Call], dict[str, Any]]:
    """Run the stage's own teacher flows and those that are ordered, or say why they are skipped."""
    backend, reason = teaching.open_backend(config.teacher, stage.workers)
    if backend is None:
        return Grown(), [], {"skipped": reason}
    code = [row for row in larder.documents if row.kind == "code"]
    if config.teacher.price is not None:
        print(f"    {teaching.most(config.teacher)}", file=sys.stderr, flush=True)
    try:
        with CallCache(cache_path(stage.path.parent)) as cache, _sandbox() as (runner, no_sandbox):
            books = teaching.teach(
                backend, cache, config.teacher, code, larder.passages, larder.guard, runner, stage.progress
            )
            report = teaching.report(books)
            done = grow_ordered(
                config.flows,
                config.teacher,
                larder,
                backend,
                cache,
                seed=stage.seed,
                money=teaching.money_left(config.teacher, report),
                runner=runner,
                progress=stage.progress,
            )
    finally:
        backend.close()
    every = [*books, *(one.book for one in done)]
    grown = Grown(
        examples=[row for book in books for row in book.examples] + rows_of(done),
        drops=[row for book in every for row in book.drops],
        tried=sum(book.seeds for book in every),
    )
    more = {
        **({"no_sandbox": no_sandbox} if no_sandbox else {}),
        **({"ordered": told_of(done)} if done else {}),
    }
    return (
        grown,
        [call for book in every for call in book.calls],
        {
            "identity": backend.identity,
            **more,
            **report,
        },
    )


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
