"""One snippet in its own process: limits on, run, hand the value back.

The process belongs to the snippet: whatever this file holds, the snippet can reach. So nothing here is
trusted. What comes back is a claim about a value; the server outside this process adds what it saw itself
(time, output, exit), and the values are compared outside.
"""

from __future__ import annotations

import ast
import os
import random
import resource
import sys
import types
from typing import Any, NoReturn

from .seccomp import Filter
from .values import Opaque, literal

MEBIBYTE = 1 << 20
ERROR_CHARS = 500
FIXED_LIMITS = ((resource.RLIMIT_FSIZE, 8 * MEBIBYTE), (resource.RLIMIT_CORE, 0))
OPEN_FILES = 32


def prepare_server(processes: int) -> None:
    """Do in the server, once, what its children inherit: streams on descriptors 0 and 1, fixed limits.

    Args:
        processes: How many threads a snippet may have.
    """
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)
    sys.argv = ["snippet.py"]
    # The forks inherit this state, so two runs of one snippet draw the same numbers.
    random.seed(0)
    for kind, value in (*FIXED_LIMITS, (resource.RLIMIT_NPROC, processes)):
        _limit(kind, value)


def run_and_exit(request: dict[str, Any], token: str, result_fd: int, guard: Filter) -> NoReturn:
    """Run the request's code in this process, write the outcome to `result_fd` and end the process.

    The outcome is five texts with a NUL between: token, status, value, arguments, error.
    """
    write, close, leave = os.write, os.close, os._exit
    try:
        if request["stdin"]:
            _give_stdin(request["stdin"].encode("utf-8", "replace"))
        _limit(resource.RLIMIT_AS, request["memory_mib"] * MEBIBYTE)
        _limit(resource.RLIMIT_CPU, int(request["seconds"]) + 2)
        _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
        guard.confine_snippet()
        outcome = _execute(request)
        texts = (token, *(text.replace("\0", " ") for text in outcome))
        payload = "\0".join(texts).encode("utf-8", "replace")
        while payload:
            payload = payload[write(result_fd, payload) :]
        # Said and done: the server need not wait until this process is taken down.
        close(result_fd)
        close(1)
    finally:
        leave(0)


def _give_stdin(data: bytes) -> None:
    fd = os.memfd_create("stdin")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    os.dup2(fd, 0)
    os.close(fd)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _execute(request: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return status, value, arguments and error."""
    stdout = sys.stdout
    try:
        outcome = _call(request) if request["function"] else _run(request)
    except MemoryError:
        outcome = ("memory", "", "", "MemoryError")
    except BaseException as error:  # a snippet may raise anything, SystemExit included
        outcome = ("error", "", "", _describe(error))
    sys.settrace(None)
    sys.setprofile(None)
    try:
        stdout.flush()
    except BaseException as error:
        return ("error", "", "", _describe(error))
    return outcome


def _run(request: dict[str, Any]) -> tuple[str, str, str, str]:
    """Run a program; its value is that of a last line which is an expression."""
    namespace = _namespace()
    if not request["want_value"]:
        exec(compile(request["code"], "snippet.py", "exec"), namespace)
        return ("ok", "None", "", "")
    rest, last = _last_line_apart(request["code"]) or _last_expression_apart(request["code"])
    exec(rest, namespace)
    if last is None:
        return ("ok", "None", "", "")
    value = eval(last, namespace)
    try:
        return ("ok", literal(value, in_order=request["in_order"]), "", "")
    except Opaque as reason:
        return ("ok", "", "", str(reason))


def _last_line_apart(code: str) -> tuple[types.CodeType, types.CodeType] | None:
    """Compile a program and its last line, where that is an expression; None where it takes a closer look.

    Two compilations touch 74 pages fewer than a syntax tree in Python objects, and each costs this process a
    page fault (measured). A line that belongs to the one before leaves that one incomplete, which does not
    compile.
    """
    text = code.rstrip()
    start = text.rfind("\n") + 1
    try:
        last = compile("\n" * text.count("\n", 0, start) + text[start:], "snippet.py", "eval")
        return compile(text[:start], "snippet.py", "exec"), last
    except (SyntaxError, ValueError):
        return None


def _last_expression_apart(code: str) -> tuple[types.CodeType, types.CodeType | None]:
    """Compile a program and its last statement, if that is an expression."""
    tree = ast.parse(code, "snippet.py")
    value = None
    if tree.body and isinstance(last := tree.body[-1], ast.Expr):
        tree.body.pop()
        value = compile(ast.Expression(last.value), "snippet.py", "eval")
    return compile(tree, "snippet.py", "exec"), value


def _call(request: dict[str, Any]) -> tuple[str, str, str, str]:
    """Define the code's names, call one of them, spell the value and the arguments as the call left them."""
    namespace = _namespace()
    exec(compile(request["code"], "snippet.py", "exec"), namespace)
    first, *rest = request["function"].split(".")
    if first not in namespace:
        raise NameError(f"the code does not define {first}")
    function = namespace[first]
    for name in rest:
        function = getattr(function, name)
    arguments = ast.literal_eval(request["arguments"])
    value = function(*arguments)
    try:
        return ("ok", literal(value), literal(arguments), "")
    except Opaque as reason:
        return ("error", "", "", f"the value cannot be compared: {reason}")


def _namespace() -> dict[str, Any]:
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    return module.__dict__


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:ERROR_CHARS]
    except BaseException:  # the snippet's own __str__ runs here
        return f"{type(error).__name__}: (no message)"
