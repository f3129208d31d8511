"""Run Python that nobody has read: a fork server inside bubblewrap, one process a snippet.

    with Sandbox() as sandbox:
        sandbox.run("print(6 * 7)").stdout
        sandbox.call("def add(a, b): return a + b", "add", [(1, 2), (3, 4)])

What a snippet can do: use up its own seconds and memory, print, write a little into an empty /tmp, and claim
any value as its own. What it cannot: reach files, network or processes, sign a reply for the server, or touch
the process that measures it. So expected values stay outside, and are compared outside.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import types
import weakref
from collections.abc import Sequence
from typing import Any

from trivium.errors import DataError, ResourceError
from trivium.verify import jail
from trivium.verify.inside.values import Opaque, literal

STATUSES = ("ok", "error", "timeout", "memory", "killed", "refused")

MAX_TEXT = 1 << 18
"""Longest program and longest input, in characters."""

REPLACED = "the sandbox ended during the call and was replaced"

START_SECONDS = 60.0
GRACE_SECONDS = 5.0
"""How long beyond the wall limit the server may take before it is replaced."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one snippet."""

    status: str
    """ok | error (it raised) | timeout | memory | killed (signal, output, no result) | refused (not run)."""
    stdout: str = ""
    value_repr: str = ""
    """The value as text, equal for equal plain data; empty when it is not plain data."""
    error: str = ""
    arguments_repr: str = ""
    """After `call`: the arguments as the function left them."""


class Sandbox:
    """A context manager around one fork server; safe to use from several threads, one snippet at a time.

    The server is started by the first use and again after it was lost. It ends with the context, with this
    process (also on kill -9) and with the object. A forked copy of this process starts its own.

    Raises:
        ResourceError: On first use: no sandbox can be had here and `allow_unsandboxed` is false.
    """

    def __init__(self, *, allow_unsandboxed: bool = False, tmp_mib: int = 16) -> None:
        """Start nothing yet.

        Args:
            allow_unsandboxed: Where no sandbox can be had, run the code in a plain process with limits on
                time, memory and system calls, but with this user's view of the files.
            tmp_mib: Size of the sandbox's /tmp.
        """
        self.level = "not started"
        """bubblewrap | unsandboxed | not started."""
        self._allow_unsandboxed = allow_unsandboxed
        self._tmp_mib = tmp_mib
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __enter__(self) -> Sandbox:
        with self._lock:
            self._ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the server; the next use starts another."""
        with self._lock:
            self._stop()

    def run(
        self,
        code: str,
        *,
        stdin: str = "",
        seconds: float = 2.0,
        memory_mib: int = 256,
        wall_seconds: float | None = None,
        output_bytes: int = 65_536,
        want_value: bool = True,
        in_order: bool = False,
    ) -> Outcome:
        """Run a program in a process of its own.

        Args:
            code: The program. If its last statement is an expression, that is the outcome's value.
            stdin: What it reads.
            seconds: Processor time it may use. Processor time, so that a busy machine changes no outcome.
            memory_mib: Address space it may have, Python's own 30 MiB included.
            wall_seconds: Time on the clock it may take; default five times `seconds` and one more.
            output_bytes: Output it may print; beyond that it is killed and the start is kept.
            want_value: Whether to look at a last expression; without it a snippet is a little cheaper.
            in_order: Spell dictionaries of the value in their own order: equal ones may then differ in text.
        """
        request = {
            **{"code": code, "stdin": stdin, "seconds": seconds, "memory_mib": memory_mib},
            **{"wall_seconds": 5 * seconds + 1 if wall_seconds is None else wall_seconds},
            **{"output_bytes": output_bytes, "want_value": want_value, "in_order": in_order},
            **{"function": "", "arguments": "()"},
        }
        return self._ask(request)

    def call(
        self,
        code: str,
        function: str,
        args_list: Sequence[Sequence[Any]],
        *,
        seconds: float = 2.0,
        memory_mib: int = 256,
    ) -> list[Outcome]:
        """Call one function on many inputs, every call in a process of its own with the code run afresh.

        Args:
            code: Source that defines the function.
            function: Its name; dots lead into classes.
            args_list: For each call its positional arguments, plain data.
            seconds: Processor time of each call.
            memory_mib: Address space of each call.

        Returns:
            One outcome a call. Status ok means that the function returned plain data; compare `value_repr`
            (and `arguments_repr`, for functions that work in place).

        Raises:
            DataError: An argument is not plain data.
        """
        limits = {"seconds": seconds, "wall_seconds": 5 * seconds + 1, "memory_mib": memory_mib}
        base = {"code": code, "stdin": "", "output_bytes": 65_536, "function": function, **limits}
        return [self._ask({**base, "arguments": _spell(arguments)}) for arguments in args_list]

    def _ask(self, request: dict[str, Any]) -> Outcome:
        code = request["code"]
        if "\0" in code or len(code) > MAX_TEXT or len(request["stdin"]) > MAX_TEXT:
            return Outcome(status="refused", error=f"NUL in the code, or a text over {MAX_TEXT} characters")
        with self._lock:
            outcome = self._ask_once(request)
            if outcome.error == REPLACED:
                # It may have been the machine's doing; a snippet that ends its server does so again.
                outcome = self._ask_once(request)
            return outcome

    def _ask_once(self, request: dict[str, Any]) -> Outcome:
        server = self._ready()
        outcome = server.ask(request)
        if server.lost:
            self._stop()
        return outcome

    def _ready(self) -> _Server:
        if self._server is not None and self._server.owner != os.getpid():
            self._server = None  # a forked copy must not share its parent's server
        if self._server is None or not self._server.alive():
            self._stop()
            self._server = self._start()
        return self._server

    def _start(self) -> _Server:
        if not sys.platform.startswith("linux"):
            raise ResourceError("sandbox: it needs Linux; run this stage in a Linux container or machine.")
        details = "no bubblewrap program was found"
        for bwrap in jail.bubblewraps():
            server, details = _start_server(bwrap, self._tmp_mib)
            if server:
                self.level = "bubblewrap"
                return server
        if not self._allow_unsandboxed:
            raise jail.refusal(details)
        server, details = _start_server("", self._tmp_mib)
        if not server:
            raise jail.refusal(details)
        self.level = "unsandboxed"
        return server

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None


class _Server:
    """One running fork server and the socket to it."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, folder: str) -> None:
        self.owner = os.getpid()
        self.lost = False
        self._process = process
        self._channel = channel
        # Also runs when the object is forgotten and when this Python exits.
        self.stop = weakref.finalize(self, _end, process, channel, folder, self.owner)

    def alive(self) -> bool:
        return not self.lost and self._process.poll() is None

    def ask(self, request: dict[str, Any]) -> Outcome:
        nonce = secrets.token_bytes(16)
        body = json.dumps(request).encode()
        deadline = time.monotonic() + request["wall_seconds"] + GRACE_SECONDS
        try:
            self._channel.settimeout(GRACE_SECONDS)
            self._channel.sendall(struct.pack(">I", len(body)) + body + nonce)
            reply = self.receive(deadline)
        except TimeoutError:
            self.lost = True
            return Outcome(status="timeout", error="the sandbox did not answer and was replaced")
        except (OSError, ValueError):
            self.lost = True
            return Outcome(status="killed", error=REPLACED)
        if reply.get("nonce") != nonce.hex() or reply.get("status") not in STATUSES:
            self.lost = True
            return Outcome(status="killed", error="the sandbox answered out of turn and was replaced")
        texts = {"stdout": "stdout", "value_repr": "value", "error": "error", "arguments_repr": "arguments"}
        return Outcome(status=reply["status"], **{ours: reply.get(key, "") for ours, key in texts.items()})

    def receive(self, deadline: float) -> dict[str, Any]:
        (length,) = struct.unpack(">I", self._exactly(4, deadline))
        return json.loads(self._exactly(length, deadline))

    def _exactly(self, count: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._channel.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = self._channel.recv(count - len(parts))
            if not chunk:
                raise ConnectionResetError("the server closed the channel")
            parts += chunk
        return bytes(parts)


def _end(process: subprocess.Popen[bytes], channel: socket.socket, folder: str, owner: int) -> None:
    channel.close()
    if owner == os.getpid():
        process.kill()
        process.wait()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _start_server(bwrap: str, tmp_mib: int) -> tuple[_Server | None, str]:
    """Start a server, in bubblewrap if a program is given; return it, or None and what was said instead."""
    ours, theirs = socket.socketpair()
    folder = "" if bwrap else tempfile.mkdtemp(prefix="trivium-")
    fd = theirs.fileno()
    command = jail.jailed_command(bwrap, fd, tmp_mib) if bwrap else jail.bare_command(fd)
    with theirs, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            pass_fds=(fd,),
            env={} if bwrap else jail.bare_environment(),
            cwd=folder or "/",
        )
        theirs.close()
        server = _Server(process, ours, folder)
        try:
            server.receive(time.monotonic() + START_SECONDS)
            return server, ""
        except (OSError, ValueError):
            server.stop()
            said.seek(0)
            return None, said.read().decode("utf-8", "replace")


def _spell(arguments: Sequence[Any]) -> str:
    try:
        return literal(tuple(arguments), in_order=True)
    except Opaque as reason:
        raise DataError(f"sandbox call: got an argument that {reason}; pass plain Python data.") from None
