"""Execution-validated code: solutions and tests are written apart and judged by each other in the sandbox.

Phi-4 report, section 2.2 (execution loops and tests for code); dual agreement after CodeT (arXiv:2207.10397).
A test is trusted if the agreeing solutions pass it; tests that a stub passes, or that let most mutants live,
prove nothing, and neither does a lone solution.
"""

from __future__ import annotations

import ast
import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.records import Example
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.fidelity import extract_code
from trivium.synthesize.session import Session
from trivium.verify.mutants import mutants
from trivium.verify.sandbox import Sandbox
from trivium.verify.trial import try_out

SOLUTIONS, SUITES = 3, 2
LEAST_ASSERTS = 5
LEAST_AGREEING = 2
LEAST_KILLED = 0.6
"""Share of mutants that the trusted tests must fail."""
MUTANTS = 8
MOST_ASSERTS = 16


@dataclass(frozen=True, slots=True)
class Agreement:
    """Solutions that pass the same tests, and these tests."""

    solutions: tuple[int, ...]
    asserts: tuple[int, ...]


async def grow(at: Session) -> list[Example]:
    """Write solutions, write tests, cross-check them, plant mutants."""
    task = statement(at.seed.text, at.seed.solution)
    at.object_if("task", "no statement or no function" if task is None else None, at.seed.text)
    assert task is not None
    name, signature, told = task
    runner = at.tools.runner
    at.object_if("sandbox", None if runner is not None else "no sandbox on this machine")
    assert runner is not None
    replies = [
        await at.draw(
            "solve",
            n,
            max_tokens=180,
            keep_cut=True,
            stop=("\n```\n",),
            signature=signature,
            statement=told,
        )
        for n in range(SOLUTIONS)
    ]
    codes = [code for reply in replies if (code := extract_code(reply, name))]
    at.object_if(
        "solve", "no two readable solutions" if len(codes) < LEAST_AGREEING else None, "\n---\n".join(replies)
    )
    suites = [
        await at.draw(
            "test",
            n,
            max_tokens=200,
            keep_cut=True,
            stop=("\n```\n",),
            signature=signature,
            statement=told,
        )
        for n in range(SUITES)
    ]
    asserts = asserts_in("\n".join(suites), name)
    at.object_if("test", "too few tests" if len(asserts) < LEAST_ASSERTS else None, "\n---\n".join(suites))
    reason, best, suite = await asyncio.to_thread(judged, codes, asserts, name, runner, at.random)
    at.object_if("cross-check", reason, "\n---\n".join([*codes, *asserts]))
    asked = f"Write the Python function {signature}. {told}"
    return [
        at.chat(
            asked, best, difficulty=text_difficulty(best), meta={"tests": suite, "verifier": "program_tests"}
        )
    ]


def statement(code: str, text: str) -> tuple[str, str, str] | None:
    """Return a function's name, signature and statement (the given text, else its docstring), or None."""
    try:
        node = next(n for n in reversed(ast.parse(code).body) if isinstance(n, ast.FunctionDef))
    except (SyntaxError, ValueError, StopIteration):
        return None
    told = text or " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return (node.name, f"{node.name}({ast.unparse(node.args)})", told) if told else None


def asserts_in(reply: str, name: str) -> list[str]:
    """Return the different one-line asserts of a reply that call the function with something."""
    found: dict[str, None] = {}
    for line in reply.split("\n"):
        try:
            tree = ast.parse(line.strip())
        except (SyntaxError, ValueError):
            continue
        if len(tree.body) == 1 and isinstance(node := tree.body[0], ast.Assert):
            called = [
                n for n in ast.walk(node.test) if isinstance(n, ast.Call) and ast.unparse(n.func) == name
            ]
            if called and isinstance(node.test, ast.Compare):
                found[ast.unparse(node)] = None
    return list(found)[:MOST_ASSERTS]


def judged(
    codes: Sequence[str], asserts: Sequence[str], name: str, runner: Sandbox, rng: random.Random
) -> tuple[str, str, str]:
    """Cross-check; return (reason against, best solution, trusted tests)."""
    passes = [[try_out(runner, code, test).passed for test in asserts] for code in codes]
    found = agree(passes)
    if len(found.solutions) < LEAST_AGREEING:
        return "no two solutions agree", "", ""
    trusted = [asserts[i] for i in found.asserts]
    if len(trusted) < LEAST_ASSERTS:
        return "too few trusted tests", "", ""
    suite = "\n".join(trusted)
    best = min((codes[i] for i in found.solutions), key=len)
    if try_out(runner, f"def {name}(*_, **__):\n    return None", suite).passed:
        return "a stub passes the tests", "", ""
    variants = mutants(best, rng, MUTANTS)
    killed = sum(not try_out(runner, variant, suite, seconds=0.5).passed for variant in variants)
    if variants and killed < LEAST_KILLED * len(variants):
        return "mutants survive the tests", "", ""
    return "", best, suite


def agree(passes: Sequence[Sequence[bool]]) -> Agreement:
    """Return solutions that pass the same tests: the most of them times the most tests."""
    groups: dict[tuple[bool, ...], list[int]] = {}
    for number, row in enumerate(passes):
        groups.setdefault(tuple(row), []).append(number)
    row, members = max(groups.items(), key=lambda entry: (len(entry[1]) * sum(entry[0]), -entry[1][0]))
    return Agreement(tuple(members), tuple(i for i, passed in enumerate(row) if passed))
