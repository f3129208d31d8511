"""Does a solution pass its tests? The two never meet in one process.

    try_out(sandbox, "def add(a, b): return a + b", "assert add(1, 2) == 3").passed      # True

The tests run in a fork of their own with stand-ins for the solution's functions; each call that they make is
run in another fork, which holds the solution and that call's arguments but nothing of what is expected. The
values come back as text and are compared where the solution is not. So a solution that patches `==`, walks
the stack for the expected values, exits early or forges the end of the run gains nothing by it.
"""

from __future__ import annotations

import ast
import builtins
import sys
from typing import NamedTuple

from trivium.verify.sandbox import Outcome, Sandbox

MOST_ROUNDS = 256
"""Runs of the tests with a growing table; more means that they never stop asking."""


class Trial(NamedTuple):
    """What came of a solution and its tests."""

    status: str
    """passed | failed | unreadable (the solution is not Python) | bad_tests (the tests are not, or ask for
    something that cannot be carried between processes)."""
    why: str = ""
    calls: tuple[str, ...] = ()
    """The programs that ran where the solution is; the last line of each is the value that was asked for."""

    @property
    def passed(self) -> bool:
        """Whether every test came to its end and held."""
        return self.status == "passed"


def try_out(sandbox: Sandbox, code: str, tests: str, *, seconds: float = 2.0, memory_mib: int = 256) -> Trial:
    """Run tests on a solution, every call of the solution in a process of its own.

    Args:
        sandbox: Where both run.
        code: The solution: a module.
        tests: Python that uses the solution's names and raises where it is wrong (`assert` is usual). Plain
            data, objects of the solution's classes and exceptions cross between the two; functions do not.
        seconds: Processor time of each call and of each run of the tests.
        memory_mib: Address space of each.
    """
    try:
        solution = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Trial("unreadable", str(error))
    try:
        names, imports = _shared(solution, ast.parse(tests))
    except (SyntaxError, ValueError, RecursionError) as error:
        return Trial("bad_tests", str(error))
    answers: dict[str, tuple[str, str]] = {}
    for _ in range(MOST_ROUNDS):
        outcome = sandbox.run(
            f"from inside.replay import run_tests\nrun_tests({tests!r}, {names!r}, {imports!r}, {answers!r})",
            seconds=seconds,
            memory_mib=memory_mib,
        )
        if outcome.status != "ok" or not outcome.value_repr:
            # With answers in the table, it is these that are too much for the tests: the solution's doing.
            return Trial("failed" if answers else "bad_tests", outcome.error, tuple(answers))
        word, details = ast.literal_eval(outcome.value_repr)
        if word != "asks":
            bad = word == "failed" and details[0].startswith("Opaque")
            return Trial("bad_tests" if bad else word, "".join(details), tuple(answers))
        for program in details:
            answers[program] = _answer(sandbox, code, program, seconds, memory_mib)
    return Trial("bad_tests", f"they asked for more in each of {MOST_ROUNDS} runs", tuple(answers))


def _answer(sandbox: Sandbox, code: str, program: str, seconds: float, memory_mib: int) -> tuple[str, str]:
    outcome = sandbox.run(f"{code}\n\n{program}\n", seconds=seconds, memory_mib=memory_mib, in_order=True)
    if outcome.status == "ok":
        return ("value", outcome.value_repr) if outcome.value_repr else ("object", "")
    return _failure(outcome)


def _failure(outcome: Outcome) -> tuple[str, str]:
    if outcome.status == "error" and not outcome.error.startswith(("SystemExit", "KeyboardInterrupt")):
        return "raised", outcome.error
    return "ended", f"{outcome.status}: {outcome.error}"


def _shared(solution: ast.Module, tests: ast.Module) -> tuple[list[str], str]:
    """Return the names that the tests take from the solution, and the imports that they take with them.

    A built-in name stays what it is and a name of the tests stays theirs, whatever the solution calls so.
    """
    stored = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name) and _is_stored(node)}
    stored |= {node.name for node in tests.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    loaded = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name) and not _is_stored(node)}
    wanted = loaded - stored - set(dir(builtins))
    names, imports = set(), []
    for node in solution.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports += _plain_imports(node, wanted)
    return sorted(names & wanted), "\n".join(imports)


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _plain_imports(node: ast.Import | ast.ImportFrom, wanted: set[str]) -> list[str]:
    """The imports under their own names, from the standard library; under another name they could deceive."""
    whole = {alias.name for alias in node.names if not alias.asname and alias.name in wanted}
    if isinstance(node, ast.Import):
        return [f"import {name}" for name in sorted(whole & sys.stdlib_module_names)]
    if node.level or node.module not in sys.stdlib_module_names:
        return []
    return [f"from {node.module} import {name}" for name in sorted(whole)]
