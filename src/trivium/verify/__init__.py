"""Is this reply right? One verifier a kind of question, five verdicts that are never folded together.

    judge("number", "6 x 7 = 42. Answer: 42", "42")    # Verdict.RIGHT

A verifier is a function (reply, expected answer) -> Verdict.
"""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from trivium.errors import DataError
from trivium.records import Verdict
from trivium.verify.answers import MARK, final_answer, is_refusal, same_number, same_text
from trivium.verify.final import last_number, letter, marked_answer

if TYPE_CHECKING:
    from trivium.verify.maths import MathsChecker
    from trivium.verify.sandbox import Outcome, Sandbox

__all__ = ["VERIFIERS", "Verdict", "compared", "judge"]


def judge(verifier: str, reply: str, answer: str) -> Verdict:
    """Say whether a reply is right.

    Args:
        verifier: A key of `VERIFIERS`.
        reply: The model's whole reply.
        answer: What the verifier expects: a number, a text, an expression, an option's letter, a regular
            expression, a program's output (`program`) or its tests (`program_tests`), the JSON of
            `constraints.encode` or of `differential.encode` (`same_outputs`). `refusal` ignores it.

    Returns:
        RIGHT or WRONG for a reply that was read; REFUSED for an opening of `answers.REFUSALS` without another
        final answer; UNPARSED for a reply without a readable answer; ERROR if the expected answer or the
        verifier itself is at fault.

    Raises:
        DataError: Unknown verifier.
        ResourceError: The verifier needs something that this machine lacks (`maths`, the programs).
    """
    if verifier not in VERIFIERS:
        raise DataError(f"verifier: got {verifier!r}, expected one of {', '.join(VERIFIERS)}; rename it.")
    return VERIFIERS[verifier](reply, answer)


def compared(answer: str) -> float:
    """Return the share of the calls of a `same_outputs` answer that its reference answers here, in time.

    The others are not compared, whatever the reply.

    Raises:
        DataError: The text is no such answer.
        ResourceError: There is no sandbox.
    """
    from trivium.verify.differential import decode, usable

    task = decode(answer)
    return usable(_sandbox(), task) / max(1, len(task.calls))


def _number(reply: str, answer: str) -> Verdict:
    return _number_verdict(reply, marked_answer(reply), answer)


def _last_number(reply: str, answer: str) -> Verdict:
    return _number_verdict(reply, last_number(reply), answer)


def _number_verdict(reply: str, found: str | None, answer: str) -> Verdict:
    if found is None or is_refusal(found):
        return _no_answer(reply)
    try:
        same = same_number(found, answer)
    except ValueError:
        return Verdict.ERROR
    return Verdict.UNPARSED if same is None else _verdict(same)


def _exact(reply: str, answer: str) -> Verdict:
    return _text_verdict(reply, answer, fold_case=False)


def _text(reply: str, answer: str) -> Verdict:
    return _text_verdict(reply, answer, fold_case=True)


def _text_verdict(reply: str, answer: str, *, fold_case: bool) -> Verdict:
    """A reply without `Answer:` is its own answer: facts and copies are asked for bare."""
    found = final_answer(reply) or ("" if MARK in reply else reply.strip().removesuffix("."))
    expected = answer.strip().removesuffix(".")
    if same_text(found, expected, fold_case=fold_case):
        return Verdict.RIGHT
    if not found or is_refusal(found):
        return _no_answer(reply)
    return Verdict.WRONG


def _choice(reply: str, answer: str) -> Verdict:
    expected = letter(answer)
    if expected is None:
        return Verdict.ERROR
    found = letter(reply)
    return _no_answer(reply) if found is None else _verdict(found == expected)


def _regex(reply: str, answer: str) -> Verdict:
    """Right is a reply in which the pattern is found, anywhere in it."""
    try:
        found = re.search(answer, reply) is not None
    except re.error:
        return Verdict.ERROR
    return _verdict(found) if reply.strip() else Verdict.UNPARSED


def _maths(reply: str, answer: str) -> Verdict:
    found = marked_answer(reply)
    if found is None or is_refusal(found):
        return _no_answer(reply)
    return Verdict(_maths_checker().compare(found, answer))


def _constraints(reply: str, answer: str) -> Verdict:
    from trivium.verify.constraints import decode, passes

    try:
        picks = decode(answer)
    except DataError:
        return Verdict.ERROR
    if passes(reply, picks):
        return Verdict.RIGHT
    return Verdict.WRONG if reply.strip() and not is_refusal(reply) else _no_answer(reply)


def _refusal(reply: str, answer: str) -> Verdict:
    """Right is a refusal, and only that: one that goes on to give an answer is wrong."""
    del answer
    found = final_answer(reply)
    refuses = is_refusal(reply) and (found is None or is_refusal(found))
    if refuses or (found is not None and is_refusal(found)):
        return Verdict.RIGHT
    return Verdict.WRONG if reply.strip() else Verdict.UNPARSED


def _program(reply: str, answer: str) -> Verdict:
    """Run the last fenced block, or the whole reply, in the sandbox; compare what it prints."""
    code = _code(reply)
    if code is None:
        return _no_answer(reply)
    outcome = _sandbox().run(code, want_value=False)
    if _unreadable(outcome):
        return Verdict.UNPARSED
    printed = [line.rstrip() for line in outcome.stdout.rstrip().splitlines()]
    expected = [line.rstrip() for line in answer.rstrip().splitlines()]
    return _verdict(outcome.status == "ok" and printed == expected)


def _program_tests(reply: str, answer: str) -> Verdict:
    """Run the tests with every call of the reply's code in a process that knows nothing of them."""
    from trivium.verify.trial import try_out

    code = _code(reply)
    if code is None:
        return _no_answer(reply)
    return _TRIAL_VERDICTS[try_out(_sandbox(), code, answer).status]


def _same_outputs(reply: str, answer: str) -> Verdict:
    """Call the reply's function on inputs, and compare what it gives with what a reference gives."""
    from trivium.verify.differential import compare, decode

    code = _code(reply)
    if code is None:
        return _no_answer(reply)
    try:
        task = decode(answer)
    except DataError:
        return Verdict.ERROR
    return _TRIAL_VERDICTS[compare(_sandbox(), code, task)]


_TRIAL_VERDICTS = {
    "passed": Verdict.RIGHT,
    "failed": Verdict.WRONG,
    "unreadable": Verdict.UNPARSED,
    "bad_tests": Verdict.ERROR,
    "bad_reference": Verdict.ERROR,
}


def _code(reply: str) -> str | None:
    """The last fenced block, or the whole reply; None where that is empty or a refusal."""
    blocks = re.findall(r"```(?:python|py)?[ \t]*\n(.*?)```", reply, re.DOTALL)
    code = blocks[-1] if blocks else reply
    return None if not code.strip() or (not blocks and is_refusal(reply)) else code


def _unreadable(outcome: Outcome) -> bool:
    return outcome.status == "refused" or (
        outcome.status == "error" and outcome.error.startswith("SyntaxError")
    )


VERIFIERS: dict[str, Callable[[str, str], Verdict]] = {
    "number": _number,
    "last_number": _last_number,
    "choice": _choice,
    "exact": _exact,
    "text": _text,
    "maths": _maths,
    "constraints": _constraints,
    "refusal": _refusal,
    "regex": _regex,
    "program": _program,
    "program_tests": _program_tests,
    "same_outputs": _same_outputs,
}

_CHECKERS: dict[str, MathsChecker] = {}
_SANDBOXES: dict[str, Sandbox] = {}
"""One worker process of each kind, started by the first reply that needs it."""


def _maths_checker() -> MathsChecker:
    if "maths" not in _CHECKERS:
        from trivium.verify.maths import MathsChecker

        _CHECKERS["maths"] = MathsChecker()
    return _CHECKERS["maths"]


def _sandbox() -> Sandbox:
    if "program" not in _SANDBOXES:
        from trivium.verify.sandbox import Sandbox

        _SANDBOXES["program"] = Sandbox()
        atexit.register(_SANDBOXES["program"].close)
    return _SANDBOXES["program"]


def _no_answer(reply: str) -> Verdict:
    found = final_answer(reply)
    return Verdict.REFUSED if is_refusal(found or reply) else Verdict.UNPARSED


def _verdict(right: bool) -> Verdict:
    return Verdict.RIGHT if right else Verdict.WRONG
