"""Does a function do on given inputs what a reference does? Both run in the sandbox, and never together.

    answer = encode(Differential(reference="def f(x): return x + 1", function="f", calls=("(1,)", "(2,)")))
    judge("same_outputs", "def f(x): return 1 + x", answer)                                # Verdict.RIGHT

The comparison is EvalPlus's (Liu et al. 2023, arXiv 2305.01210): equal, or close where the reference gives
floats or a tolerance is named, or as an oracle of the problem says. It is made out here, on values that came
back as text; a solution's process holds the inputs and nothing of what is expected.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trivium.errors import DataError
from trivium.verify.inside.values import read
from trivium.verify.sandbox import MAX_TEXT, Sandbox

SECONDS, FACTOR = 4.0, 4.0
"""Processor time of a batch of calls: EvalPlus's least of a single call, or so many times the reference's."""
REFERENCE_SECONDS, BATCH_SECONDS = 60.0, 15.0
"""What the reference may spend on all calls, EvalPlus's limit of a problem, and on one batch."""
MEMORY_MIB = 1024
BATCH_CALLS, BATCH_CHARS = 128, 100_000
"""Calls of one batch, and the characters of their arguments."""
FLOAT_ATOL, RTOL = 1e-6, 1e-7
"""EvalPlus's absolute tolerance where the reference gives floats and none is named; numpy's relative one."""

TAIL = """

import io as _io, sys as _sys, time as _time
class _Quiet(_io.TextIOBase):
    def write(self, text):
        return len(text)
_sys.stdout = _Quiet()
_values = [({read})({function}(*_args)) for _args in (lambda nan: [{calls}])(float("nan"))]
(_values, _time.process_time())
"""

READ = {"given": "lambda _v: _v if isinstance(_v, bool) else _v is not None"}
"""What of a value is carried out of the sandbox, by oracle: of match objects only whether there is one."""

ERROR, UNREADABLE, PASSED, FAILED = "bad_reference", "unreadable", "passed", "failed"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Differential:
    """What a solution is held against."""

    reference: str
    """Code that defines the function, known to be right."""
    function: str
    calls: tuple[str, ...]
    """Of each call its positional arguments, a tuple of plain data as a Python literal."""
    atol: float = 0.0
    oracle: str = ""
    """A key of `ORACLES` where equality is not what is asked."""


def encode(task: Differential) -> str:
    """Write what the verifier `same_outputs` takes as the expected answer."""
    return json.dumps(dataclasses.asdict(task))


def decode(text: str) -> Differential:
    """Read what `encode` wrote.

    Raises:
        DataError: It is something else.
    """
    try:
        found = json.loads(text)
        task = Differential(**{**found, "calls": tuple(found["calls"])})
    except (ValueError, TypeError, KeyError):
        task = None
    if task is None or (task.oracle and task.oracle not in ORACLES):
        raise DataError(f"same_outputs: got {text[:80]!r}; expected JSON of a Differential, use encode().")
    return task


def compare(sandbox: Sandbox, code: str, task: Differential) -> str:
    """Return passed, failed, unreadable (no Python) or bad_reference (it gives nothing to compare with)."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNREADABLE
    batches = expected(sandbox, task)
    if not batches:
        return ERROR
    for batch in batches:
        seconds = max(SECONDS, FACTOR * batch.seconds)
        given, _ = answers(sandbox, code, task, batch.calls, seconds)
        if given is None or not all(
            same(task, call, out, exp)
            for call, out, exp in zip(batch.calls, given, batch.values, strict=True)
        ):
            return FAILED
    return PASSED


def usable(sandbox: Sandbox, task: Differential) -> int:
    """Return how many calls the reference answers with plain data; the others are not compared."""
    return sum(len(batch.calls) for batch in expected(sandbox, task))


class Batch(NamedTuple):
    """Calls with what the reference gives, and its processor time."""

    calls: tuple[str, ...]
    values: list[Any]
    seconds: float


@functools.lru_cache(maxsize=256)
def expected(sandbox: Sandbox, task: Differential) -> tuple[Batch, ...]:
    """Run the reference once for all solutions.

    A batch that it does not get through is halved until what cannot be answered, or spelled, stands alone.
    """
    found: list[Batch] = []
    waiting, spent = batches_of(task.calls)[::-1], 0.0
    while waiting and spent < REFERENCE_SECONDS:
        calls = waiting.pop()
        given, seconds = answers(sandbox, task.reference, task, calls, BATCH_SECONDS)
        spent += seconds
        if given is not None:
            found.append(Batch(calls, given, seconds))
        elif len(calls) > 1:
            half = len(calls) // 2
            waiting += [calls[half:], calls[:half]]
    return tuple(found)


def batches_of(calls: Sequence[str]) -> list[tuple[str, ...]]:
    """Cut calls into batches; one that is longer than a program may be is left out."""
    found: list[list[str]] = [[]]
    for call in calls:
        if len(call) > MAX_TEXT // 2:
            continue
        full = len(found[-1]) == BATCH_CALLS or sum(map(len, found[-1])) + len(call) > BATCH_CHARS
        if full and found[-1]:
            found.append([])
        found[-1].append(call)
    return [tuple(batch) for batch in found if batch]


def answers(
    sandbox: Sandbox, code: str, task: Differential, calls: Sequence[str], seconds: float
) -> tuple[list[Any] | None, float]:
    """Return what the calls give, and the processor time; None where they come to no end or to no plain data.

    What the code prints during them goes nowhere.
    """
    told = {"function": task.function, "read": READ.get(task.oracle, "lambda _v: _v")}
    program = code + TAIL.format(calls=", ".join(calls), **told)
    outcome = sandbox.run(program, seconds=seconds, memory_mib=MEMORY_MIB, in_order=True)
    spent = seconds if outcome.status in ("timeout", "memory") else 0.0
    try:
        found, took = read(outcome.value_repr if outcome.status == "ok" else "")
        return (list(found), float(took)) if len(found) == len(calls) else (None, spent)
    except (ValueError, TypeError):
        return None, spent


def same(task: Differential, call: str, out: Any, exp: Any) -> bool:
    """Say whether a value is as good as the reference's."""
    try:
        if task.oracle:
            return bool(ORACLES[task.oracle](read(call), out, exp, task.atol))
        return equal(out, exp, task.atol)
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return False


def equal(out: Any, exp: Any, atol: float) -> bool:
    """Equal, or of one type and shape and close in every number."""
    if out == exp:
        return True
    if atol == 0 and _floats(exp):
        atol = FLOAT_ATOL
    return atol != 0 and type(out) is type(exp) and close(out, exp, atol)


def close(out: Any, exp: Any, atol: float) -> bool:
    """Compare numbers, and lists and tuples of them, as `numpy.allclose` does with its relative tolerance."""
    if isinstance(exp, list | tuple):
        return (
            isinstance(out, list | tuple)
            and len(out) == len(exp)
            and all(close(one, two, atol) for one, two in zip(out, exp, strict=True))
        )
    if isinstance(out, int | float | complex) and isinstance(exp, int | float | complex):
        return out == exp or abs(out - exp) <= atol + RTOL * abs(exp)
    return False


def _floats(value: Any) -> bool:
    whole = isinstance(value, list | tuple) and bool(value)
    return isinstance(value, float) or (whole and all(isinstance(one, float) for one in value))


def _root(args: Any, out: Any, exp: Any, atol: float) -> bool:
    return abs(sum(factor * math.pow(out, power) for power, factor in enumerate(args[0]))) <= atol


def _digits(args: Any, out: Any, exp: Any, atol: float) -> bool:
    one, two = str(args[0]), str(args[1])
    width = max(len(one), len(two))
    pairs = zip(one.zfill(width), two.zfill(width), strict=True)
    return out == exp or out == sum(abs(int(a) - int(b)) for a, b in pairs)


def _pyramid(args: Any, out: Any, exp: Any, atol: float) -> bool:
    base, height = args
    slant = math.sqrt((base / 2) ** 2 + height**2)
    return equal(out, exp, atol) or abs(out - round(base**2 + 2 * base * slant)) <= atol


ORACLES: dict[str, Callable[[Any, Any, Any, float], bool]] = {
    "any": lambda args, out, exp, atol: True,
    "set": lambda args, out, exp, atol: set(out) == set(exp),
    "given": lambda args, out, exp, atol: out == exp,
    "or_zero": lambda args, out, exp, atol: equal(out, exp, atol) or out == 0,
    "root": _root,
    "digits": _digits,
    "pyramid": _pyramid,
}
"""EvalPlus's special oracles: no value is wrong (the task is void), equal as sets, given or none, zero too
(a sum without numbers), a root of a polynomial, digits padded with zeros, a pyramid by its height."""
