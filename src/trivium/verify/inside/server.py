"""The fork server: started once inside the sandbox, forks a process for each snippet and watches it.

Wire: a frame is 4 bytes of length (big endian) and that many bytes of JSON. A request frame is followed by
16 raw bytes, the call's nonce. The server reads them only after it has forked, so the snippet's process never
held them and cannot sign a reply. The server's memory is closed to its children: not dumpable, no tracing.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import secrets
import select
import shutil
import signal
import struct
import sys
import time
from typing import Any, NoReturn

from .harness import prepare_server, run_and_exit
from .seccomp import Filter

PRELOAD = (
    "abc bisect collections copy dataclasses datetime decimal enum fractions functools heapq io itertools "
    "json math operator random re statistics string struct textwrap time types typing"
)
"""Imported before the first fork: a snippet finds them ready. Each costs every fork a little."""

CONTROL = 3
"""Where the server keeps its descriptor to the parent; in a snippet's process it is the result pipe."""
NONCE_BYTES = 16
CHUNK = 65_536
RESULT_BYTES = 1 << 20
_FORK = ctypes.PyDLL(None).fork
"""The C library's fork. os.fork also runs the fork hooks of threading and random, which touch 140 pages and
cost a snippet 1 ms (measured); this process has one thread and holds no lock, so they mend nothing."""

CLEAN_AT_MOST = 200
"""Left-over files that are removed one by one; beyond that a fresh sandbox is cheaper."""


def main(control: int, processes: int) -> None:
    """Serve requests on the control descriptor until it closes.

    Args:
        control: Number of the inherited descriptor.
        processes: How many threads a snippet may have.
    """
    for name in PRELOAD.split():
        importlib.import_module(name)
    _take_descriptors(control)
    prepare_server(processes)
    guard = Filter()
    guard.confine_server()
    gc.collect()
    gc.freeze()
    _send({"ready": True})
    while (request := _receive()) is not None:
        _serve(request, guard)
        if not _clean():
            return  # the parent starts a fresh sandbox


def _take_descriptors(control: int) -> None:
    """Leave four open: nothing on 0 to 2, the parent on `CONTROL`."""
    if control != CONTROL:
        os.dup2(control, CONTROL)
    os.closerange(CONTROL + 1, 1024)
    quiet = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(quiet, fd)
    os.close(quiet)


def _serve(request: dict[str, Any], guard: Filter) -> None:
    token = secrets.token_hex(16)
    out_read, out_write = os.pipe()
    result_read, result_write = os.pipe()
    pid = _FORK()
    if pid == 0:
        _become_snippet(request, token, out_write, result_write, guard)
    os.close(out_write)
    os.close(result_write)
    nonce = _read_exactly(NONCE_BYTES)
    watch = _Watch(pid, out_read, result_read, request)
    stdout, result, reason, code = watch.until_end()
    reply = _verdict(result, token, reason, code)
    reply["stdout"] = stdout[: request["output_bytes"]].decode("utf-8", "replace")
    reply["nonce"] = nonce.hex()
    _send(reply)
    watch.bury()


def _become_snippet(request: dict[str, Any], token: str, out: int, result: int, guard: Filter) -> NoReturn:
    try:
        os.dup2(out, 1)
        os.dup2(result, CONTROL)  # from here on this process has no way to the parent
        os.closerange(CONTROL + 1, 256)
        run_and_exit(request, token, CONTROL, guard)
    finally:
        os._exit(1)


class _Watch:
    """Reads a snippet's output and ends it when it has used up its time or its output."""

    def __init__(self, pid: int, out: int, result: int, request: dict[str, Any]) -> None:
        self._pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._limits = {out: request["output_bytes"], result: RESULT_BYTES}
        self._read = {out: bytearray(), result: bytearray()}
        self._seconds = request["seconds"]
        self._deadline = time.monotonic() + request["wall_seconds"]
        # Linux: the CPU clock of another process, see clock_getcpuclockid(3).
        self._clock = (~pid << 3) | 2
        self._buried = False

    def until_end(self) -> tuple[bytes, bytes, str, int]:
        """Return output, result, why it was ended ("" if it was not) and the wait status.

        A snippet that has handed over a result and closed both pipes is not waited for: its process is taken
        down while the parent already reads the reply.
        """
        poller = select.poll()
        for fd in (*self._read, self._pidfd):
            poller.register(fd, select.POLLIN)
        reason, ended, open_pipes = "", False, len(self._read)
        while not ended and not reason:
            for fd, _ in poller.poll(max(1.0, 1000 * self._left())):
                if fd == self._pidfd:
                    ended = True
                elif not self._take(fd):
                    poller.unregister(fd)
                    open_pipes -= 1
            output, result = (bytes(data) for data in self._read.values())
            reason = self._over(ended)
            if result and not open_pipes and not reason:
                return output, result, "", 0
        code = self.bury()
        output, result = (bytes(data) for data in self._read.values())
        return output, result, reason or self._over(True), code

    def bury(self) -> int:
        """Kill what is left of the process, read what it left behind, return its wait status; once only."""
        if self._buried:
            return 0
        self._buried = True
        # Not reaped yet, so the number is still its own.
        os.kill(self._pid, signal.SIGKILL)
        _, code = os.waitpid(self._pid, 0)
        for fd in self._read:
            while self._take(fd):
                pass
            os.close(fd)
        os.close(self._pidfd)
        return code

    def _take(self, fd: int) -> bool:
        data = self._read[fd]
        chunk = os.read(fd, CHUNK)
        if len(data) <= self._limits[fd]:
            data += chunk
        return bool(chunk)

    def _over(self, ended: bool) -> str:
        if any(len(data) > self._limits[fd] for fd, data in self._read.items()):
            return "output"
        return "" if ended or self._left() > 0 else "time"

    def _left(self) -> float:
        try:
            used = time.clock_gettime(self._clock)
        except OSError:  # it has just ended
            used = 0.0
        return min(self._seconds - used, self._deadline - time.monotonic())


def _verdict(result: bytes, token: str, reason: str, code: int) -> dict[str, Any]:
    if reason == "time":
        return {"status": "timeout", "error": "out of time"}
    if reason == "output":
        return {"status": "killed", "error": "too much output"}
    if os.WIFSIGNALED(code):
        number = os.WTERMSIG(code)
        status = "timeout" if number == signal.SIGXCPU else "killed"
        return {"status": status, "error": f"ended by signal {number}"}
    claim = result.decode("utf-8", "replace").split("\0")
    if len(claim) == 5 and claim[0] == token and claim[1] in ("ok", "error", "memory"):
        return dict(zip(("status", "value", "arguments", "error"), claim[1:], strict=True))
    return {"status": "killed", "error": "the process ended without handing back its result"}


def _clean() -> bool:
    """Empty the working folder; return False where that is not plain: the parent starts a fresh sandbox."""
    try:
        names = os.listdir(".")
        if len(names) > CLEAN_AT_MOST:
            return False
        for name in names:
            if os.path.isdir(name) and not os.path.islink(name):
                shutil.rmtree(name)
            else:
                os.unlink(name)
    except (OSError, RecursionError):
        return False
    return True


def _send(message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    data = struct.pack(">I", len(body)) + body
    while data:
        data = data[os.write(CONTROL, data) :]


def _receive() -> dict[str, Any] | None:
    header = _read_exactly(4)
    if len(header) < 4:
        return None
    (length,) = struct.unpack(">I", header)
    return json.loads(_read_exactly(length))


def _read_exactly(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count and (chunk := os.read(CONTROL, count - len(parts))):
        parts += chunk
    return bytes(parts)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
