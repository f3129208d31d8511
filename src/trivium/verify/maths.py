"""Are two mathematical expressions equal? math-verify and sympy, in a process that can be killed.

sympy can take for ever on a short input (a tower of powers), and math-verify's own limit is a signal that
works in a main thread only. So both run in a worker process; a reply that takes too long costs the worker its
life and is counted as an error, not as wrong.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import time

from trivium.errors import ResourceError
from trivium.verify.answers import same_number, same_text

START_SECONDS = 120.0
"""sympy's import, on a busy machine."""

LIMIT_SECONDS = 5.0

WORKER = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from math_verify import parse, verify
parse("$1/2$", parsing_timeout=None)
print("ready", flush=True)
for line in sys.stdin:
    gold, answer = json.loads(line)
    try:
        ours = parse("$" + answer.strip().strip("$") + "$", parsing_timeout=None)
        theirs = parse("$" + gold.strip().strip("$") + "$", parsing_timeout=None)
        said = "error" if not theirs else "unparsed" if not ours else "right"
        if said == "right" and not verify(theirs, ours, timeout_seconds=None):
            said = "wrong"
    except Exception:
        said = "error"
    print(said, flush=True)
"""
"""Reads [gold, answer] lines; the gold goes first, verify is not symmetric."""


class MathsChecker:
    """One worker process, started at first use and again after it was killed."""

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        """Start nothing yet; `limit_seconds` is the time on the clock for one comparison."""
        self._limit = limit_seconds
        self._worker: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def compare(self, answer: str, expected: str) -> str:
        """Return `right`, `wrong`, `unparsed` (no expression) or `error` (out of time, or the checker).

        Raises:
            ResourceError: math-verify is not installed.
        """
        if same_text(answer, expected):
            return "right"
        if _same_plain_number(answer, expected):
            return "right"
        worker = self._ready()
        assert worker.stdin is not None
        try:
            worker.stdin.write(json.dumps([expected, answer]).encode() + b"\n")
            worker.stdin.flush()
            said = _read_line(worker, self._limit)
        except BrokenPipeError:
            said = ""
        if said not in ("right", "wrong", "unparsed", "error"):
            self.close()
            return "error"
        return said

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None and self._owner == os.getpid():
            self._worker.kill()
            self._worker.communicate()
        self._worker = None

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._worker is None or self._owner != os.getpid() or self._worker.poll() is not None:
            self.close()
            self._worker = self._start()
            self._owner = os.getpid()
        return self._worker

    def _start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        if _read_line(worker, START_SECONDS) != "ready":
            worker.kill()
            worker.communicate()
            raise ResourceError(
                "verifier maths: math-verify did not start in this Python; install it with "
                "`pip install math-verify[antlr4_13_2]`."
            )
        atexit.register(self.close)
        return worker


def _same_plain_number(answer: str, expected: str) -> bool:
    try:
        return bool(same_number(answer, expected))
    except ValueError:
        return False


def _read_line(worker: subprocess.Popen[bytes], seconds: float) -> str:
    """Return the worker's next line, or an empty text if it ended or took too long."""
    assert worker.stdout is not None
    fd, line = worker.stdout.fileno(), b""
    deadline = time.monotonic() + seconds
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            return ""
        chunk = os.read(fd, 4096)
        if not chunk:
            return ""
        line += chunk
    return line.decode().strip()
