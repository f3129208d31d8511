"""Instruction reversal: the teacher states what a function does; kept is what solvers can write again.

Phi-4 report, section 2.2: the record puts the instruction before the existing code, and stays only if code
made from the instruction matches the original. The leak check comes before that test, since a statement that
holds the code passes it without effort (a small teacher likes to paste).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from trivium.records import Example
from trivium.synthesize import fidelity, filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.rows import solved
from trivium.synthesize.seeds import Function, take_apart
from trivium.synthesize.session import WRITE, Session

FLOW = "reversal"
LONGEST_CODE = 500
"""Characters; the teacher's context and the solver's patience end soon after."""
STATEMENT_TOKENS = 60
MOST_SENTENCES = 2
SOLUTION_TOKENS = 110


async def grow(at: Session) -> list[Example]:
    """State what a function does, let solvers write it from that, compare (source code; and a chat)."""
    function = take_apart(at.seed.text, at.seed.id, at.seed.source, at.seed.name)
    at.object_if("seed", function if isinstance(function, str) else None, at.seed.text)
    assert isinstance(function, Function)
    at.object_if("seed", "too long" if len(function.code) > LONGEST_CODE else None, function.code)
    said = await at.ask(
        "describe", max_tokens=STATEMENT_TOKENS, sampling=WRITE, whole=False, stop=("\n\n",),
        code=function.code, name=function.short_name,
    )  # fmt: skip
    statement = whole_sentences(said)
    known = {function.short_name, *function.parameters}
    at.object_if(
        "describe", filters.leaks_code(said, function.code, known) or filters.bad_form(statement), said
    )
    replies = [
        await at.ask(
            "solve", max_tokens=SOLUTION_TOKENS, sampling=WRITE if number else None, number=number,
            whole=False, stop=("\n```",), signature=function.signature, statement=statement,
        )
        for number in range(at.tools.solvers)
    ]  # fmt: skip
    reason = await asyncio.to_thread(not_regenerated, function, replies, at.tools.runner, at.tools.agreement)
    at.object_if("describe", reason, "\n---\n".join([statement, *replies]))
    prompt = f"Write the Python function {function.signature}. {statement}"
    difficulty = text_difficulty(function.code)
    return [
        at.plain("code", solved(prompt, f"\n{function.code}"), difficulty=difficulty),
        at.chat(prompt, function.code, difficulty=difficulty),
    ]


def whole_sentences(reply: str) -> str:
    """Return the first sentences of a reply on one line; a sentence cut at the limit is left out."""
    told = words.sentences(" ".join(reply.split()))
    return " ".join(sentence for sentence in told[:MOST_SENTENCES] if sentence.endswith((".", "!")))


def not_regenerated(
    function: Function, replies: Sequence[str], runner: fidelity.Runner | None, agreement: float
) -> str | None:
    """Say how far from the original the best regeneration stays; None if one comes back the same.

    By behaviour where the function can be run and tells inputs apart, else by likeness of code.
    """
    codes = [code for reply in replies if (code := fidelity.extract_code(reply, function.short_name))]
    if not codes:
        return "no such function in the replies"
    trial = None
    if runner is not None and fidelity.is_self_contained(function):
        trial = fidelity.try_out(function, runner)
    if trial is not None and runner is not None:
        best = max(fidelity.agreement(code, function.short_name, trial, runner) for code in codes)
        return None if best >= agreement else f"not regenerated: behaviour {best:.2f} of {agreement:.2f}"
    best = max(fidelity.likeness(code, function.code) for code in codes)
    wanted = fidelity.SIMILAR_TOKENS
    return None if best >= wanted else f"not regenerated: likeness {best:.2f} of {wanted:.2f}"
