"""Invented constraints with invented checkers: neither is believed before the other has proved it.

AutoIF (arXiv:2406.13542): functions and cases are written apart and vote on each other in the sandbox; a
function is put back into words and must say what the instruction said. Its released code keeps a reply that a
single function accepts; here all trusted functions must.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.fidelity import extract_code
from trivium.synthesize.session import WRITE, Session, object_of
from trivium.verify.sandbox import Sandbox

FUNCTIONS, REPLIES = 3, 2
LEAST_FUNCTIONS = 2
"""AutoIF asks for 3 of many draws; we draw 3."""
LEAST_CASES = 4
LEAST_RIGHT = 0.8
"""Accuracy of a trusted function on the kept cases. Source: AutoIF."""
NAME = "evaluate"

_CASE = object_of(response={"type": "string"}, obeys={"type": "boolean"})
_CASES = object_of(cases={"type": "array", "items": _CASE, "maxItems": 6})
_CHECKABLE = re.compile(
    r"\b(?:word|letter|line|sentence|paragraph|character|begin|start|end|contain|include|use|avoid|without|comma"
    r"|digit|number|capital|lower|upper|exactly|at most|at least|only|never|each|every)",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"```|def |\bevaluate\b")


async def grow(at: Session) -> list[Example]:
    """Invent, write checkers and cases apart, let them vote, translate back, and obey."""
    runner = at.tools.runner
    at.object_if("sandbox", None if runner is not None else "no sandbox on this machine")
    assert runner is not None
    rule = await at.ask(
        "invent", filters.unlabelled, max_tokens=40, sampling=WRITE, stop=("\n",), request=at.seed.text
    )
    at.object_if("invent", bad_rule(rule), rule)
    written = [
        await at.draw("check", n, max_tokens=140, keep_cut=True, stop=("\n```\n",), rule=rule)
        for n in range(FUNCTIONS)
    ]
    codes = [code for reply in written if (code := extract_code(reply, NAME))]
    at.object_if(
        "check",
        "no two readable functions" if len(codes) < LEAST_FUNCTIONS else None,
        "\n---\n".join(written),
    )
    cases = await at.ask("cases", read_cases, max_tokens=260, schema=_CASES, rule=rule)
    trusted, reason = await asyncio.to_thread(vote, codes, cases, runner)
    at.object_if("vote", reason, "\n---\n".join([*codes, json.dumps(cases)]))
    back = await at.ask("back", filters.unlabelled, max_tokens=40, stop=("\n",), code=trusted[0])
    same = await at.agrees("judge_same", one=rule, other=back)
    at.object_if("back", None if same else "the checker says another thing", f"{rule} | {back}")
    asked = f"{at.seed.text.strip()} {rule}"
    for number in range(REPLIES):
        reply = await at.draw("reply", number, max_tokens=180, prompt=asked)
        verdicts = await asyncio.to_thread(results, trusted, [reply], runner)
        if reply and all(row[0] is True for row in verdicts):
            return [at.chat(asked, reply, meta={"rule": rule, "checkers": trusted})]
    at.object_if("reply", "no reply obeys", asked)
    return []


def bad_rule(rule: str) -> str | None:
    """Say whether an instruction is none that a program could check."""
    if not 4 <= len(words.plain_words(rule)) <= 30 or _MARKUP.search(rule):
        return "no instruction"
    if not _CHECKABLE.search(rule):
        return "nothing that a program can check"
    return None


def read_cases(text: str) -> list[tuple[str, bool]]:
    """Read cases; raises ValueError unless there are replies that obey and replies that do not."""
    data: Any = json.loads(text)
    rows = data.get("cases") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise ValueError("a JSON object with cases was expected")
    cases = [
        (row["response"], row["obeys"])
        for row in rows
        if isinstance(row, dict) and set(row) == {"response", "obeys"}
    ]
    if {obeys for _, obeys in cases} != {True, False}:
        raise ValueError("cases that obey and cases that do not were expected")
    return cases


def results(codes: Sequence[str], replies: Sequence[str], runner: Sandbox) -> list[list[bool | None]]:
    """Run every function on every reply; None where it does not return True or False."""
    table: list[list[bool | None]] = []
    for code in codes:
        outcomes = runner.call(code, NAME, [(reply,) for reply in replies], seconds=1.0)
        known = {"True": True, "False": False}
        table.append([known.get(out.value_repr) if out.status == "ok" else None for out in outcomes])
    return table


def vote(codes: Sequence[str], cases: Sequence[tuple[str, bool]], runner: Sandbox) -> tuple[list[str], str]:
    """Keep cases that most functions confirm, return the functions that are right on them, or why not."""
    codes = list({ast.unparse(ast.parse(code)): code for code in codes}.values())
    table = results(codes, [reply for reply, _ in cases], runner)
    kept = [i for i, (_, obeys) in enumerate(cases) if 2 * sum(row[i] is obeys for row in table) > len(table)]
    if len(kept) < LEAST_CASES or {cases[i][1] for i in kept} != {True, False}:
        return [], "too few confirmed cases"
    right = [sum(row[i] is cases[i][1] for i in kept) / len(kept) for row in table]
    trusted = [code for code, share in zip(codes, right, strict=True) if share >= LEAST_RIGHT]
    return trusted, "" if len(trusted) >= LEAST_FUNCTIONS else "too few trusted functions"
