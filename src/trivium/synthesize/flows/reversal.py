"""Instruction reversal: the teacher states what a function does; kept is what solvers can write again.

Phi-4 report, section 2.2: the record puts the instruction before the existing code, and stays only if code
made from the instruction matches the original. The leak check comes before that test, since a statement that
holds the code passes it without effort (a small teacher likes to paste).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.llm import Request
from trivium.records import Document
from trivium.synthesize import fidelity, filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.prompts import fill
from trivium.synthesize.rows import Grown, chat, plain, solved
from trivium.synthesize.seeds import Function, read_function
from trivium.synthesize.teacher import Call, Job, Purse, Teacher

FLOW = "reversal"
LONGEST_CODE = 500
"""Characters; the teacher's context and the solver's patience end soon after."""
STATEMENT_TOKENS = 60
MOST_SENTENCES = 2
SOLUTION_TOKENS = 110
STATEMENT_SHARE = 0.5
"""Part of the flow's budget for statements; the rest is for solving."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A function with the statement that passed the leak check."""

    function: Function
    call: Call
    statement: str


def reverse(
    documents: Sequence[Document],
    teacher: Teacher,
    config: TeacherConfig,
    *,
    share: float,
    runner: fidelity.Runner | None,
    given_away: Callable[[str], str],
) -> Grown:
    """Grow instruction and code from documented functions (plain: source code; and a chat each).

    Args:
        documents: Code documents in order of preference; functions that can be run come first.
        teacher: Writes the statements and solves them.
        config: Numbers of seeds and solvers, and the agreement wanted.
        share: Part of the teacher's remaining budget.
        runner: The sandbox; without one, likeness of code decides.
        given_away: Names the withheld fact that a text states, or returns an empty string.
    """
    functions = choose(documents, config.reversal_seeds, given_away)
    grown = Grown(tried=len(functions))
    purse = Purse(teacher, share)
    stated = state(functions, teacher, config, purse.part(STATEMENT_SHARE))
    for entry, solutions in zip(stated, solve(stated, teacher, config, purse.part(1.0)), strict=True):
        judge(entry, solutions, teacher, config, runner, grown)
    return grown


def choose(documents: Sequence[Document], most: int, given_away: Callable[[str], str]) -> list[Function]:
    """Return short functions: those that can be run first, the shortest of them first."""
    read = [read_function(document) for document in documents if not given_away(document.text)]
    short = [row for row in read if isinstance(row, Function) and len(row.code) <= LONGEST_CODE]
    return sorted(short, key=lambda row: (not fidelity.is_self_contained(row), len(row.code)))[:most]


def whole_sentences(reply: str) -> str:
    """Return the first sentences of a reply on one line; a sentence cut at the limit is left out."""
    told = words.sentences(" ".join(reply.split()))
    return " ".join(sentence for sentence in told[:MOST_SENTENCES] if sentence.endswith((".", "!")))


def state(
    functions: Sequence[Function], teacher: Teacher, config: TeacherConfig, share: float
) -> list[Stated]:
    """Ask for a statement of each function; keep those that give nothing away."""
    jobs = [_statement_job(function, config) for function in functions]
    kept: list[Stated] = []
    for function, call in zip(functions, teacher.ask(FLOW, "describe", jobs, share), strict=True):
        if call is None:
            continue
        statement = whole_sentences(call.reply)
        known = {function.short_name, *function.parameters}
        reason = filters.leaks_code(call.reply, function.code, known) or filters.bad_form(statement)
        if reason:
            teacher.reject(call, reason)
        else:
            kept.append(Stated(function, call, statement))
    return kept


def solve(
    stated: Sequence[Stated], teacher: Teacher, config: TeacherConfig, share: float
) -> list[list[Call]]:
    """Let independent solvers write each function from its statement alone."""
    jobs = [
        Job(
            Request(
                messages=fill(FLOW, "solve", signature=entry.function.signature, statement=entry.statement),
                max_tokens=SOLUTION_TOKENS,
                temperature=config.temperature if number else 0.0,
                top_p=config.top_p,
                seed=number,
                stop=("\n```",),
            ),
            (entry.function.document_id, entry.call.id),
        )
        for entry in stated
        for number in range(config.reversal_solvers)
    ]
    calls = teacher.ask(FLOW, "solve", jobs, share)
    size = config.reversal_solvers
    return [
        [call for call in calls[i * size : (i + 1) * size] if call is not None] for i in range(len(stated))
    ]


def judge(
    entry: Stated,
    solutions: Sequence[Call],
    teacher: Teacher,
    config: TeacherConfig,
    runner: fidelity.Runner | None,
    grown: Grown,
) -> None:
    """Compare the solutions with the original; make rows if one comes back the same."""
    function = entry.function
    trial = None
    if solutions and runner is not None and fidelity.is_self_contained(function):
        trial = fidelity.try_out(function, runner)
    best = 0.0
    for call in solutions:
        code = fidelity.extract_code(call.reply, function.short_name)
        if code is None:
            teacher.reject(call, "no such function in the reply")
            continue
        teacher.use(call)
        if trial is not None and runner is not None:
            best = max(best, fidelity.agreement(code, function.short_name, trial, runner))
        else:
            best = max(best, fidelity.likeness(code, function.code))
    if not solutions:
        teacher.reject(entry.call, "budget spent before it was solved")
        return
    wanted = config.reversal_agreement if trial is not None else fidelity.SIMILAR_TOKENS
    if best < wanted:
        test = "behaviour" if trial is not None else "likeness"
        teacher.reject(entry.call, f"not regenerated: {test} {best:.2f} of {wanted:.2f}")
        return
    teacher.keep(entry.call)
    prompt = f"Write the Python function {function.signature}. {entry.statement}"
    common: dict[str, Any] = {
        "parents": [function.document_id, entry.call.id],
        "depth": 1,
        "difficulty": text_difficulty(function.code),
    }
    grown.examples.append(plain(FLOW, "code", solved(prompt, f"\n{function.code}"), **common))
    grown.examples.append(chat(FLOW, prompt, function.code, **common))


def _statement_job(function: Function, config: TeacherConfig) -> Job:
    request = Request(
        messages=fill(FLOW, "describe", code=function.code, name=function.short_name),
        max_tokens=STATEMENT_TOKENS,
        temperature=config.temperature,
        top_p=config.top_p,
        stop=("\n\n",),
    )
    return Job(request, (function.document_id,))
