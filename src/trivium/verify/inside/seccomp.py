"""The system calls a snippet may make: two seccomp filters, a long one on the server, a short one on a fork.

The long one is an allow list: files, memory, time, threads, pipes, and the few calls that the server needs to
fork and watch. Everything else (sockets, tracing, mounts, namespaces, shared memory, program start) answers
ENOSYS, as if this kernel did not have it. The short one takes the server's few away again, so a snippet makes
no process and sends no signal. It is short because each fork pays for it (a long one costs 0.13 ms more,
measured). Three calls are looked at: clone makes only threads in a snippet, prlimit64 acts on the caller,
ioctl cannot type into a terminal. Numbers: asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64) of
Linux 6.1; numbers that later kernels add stay outside the list, so they are refused.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import struct

_LOAD, _EQ, _GT, _GE, _SET, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
"""Classic BPF: load a word, jump if equal / greater / greater or equal / bit set, return."""

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x00010000
_TIOCSTI = 0x5412
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_MODE_FILTER = 2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """System call numbers of one kind of processor."""

    audit: int
    """Its AUDIT_ARCH number in linux/audit.h."""
    clone: int
    prlimit64: int
    ioctl: int
    server_only: tuple[int, ...]
    """fork (where there is one), kill, pidfd_open, memfd_create, prctl, seccomp."""
    allowed: str
    """Numbers and ranges, ascending."""


MACHINES = {
    "x86_64": Machine(
        audit=0xC000003E,
        clone=56,
        prlimit64=302,
        ioctl=16,
        server_only=(57, 62, 434, 319, 157, 317),
        allowed=(
            "0-28 32-40 44-48 51-55 60-61 63 72-91 95-100 102 104 107-108 110-111 115 118 120-121 "
            "124 127-128 130-132 137-138 140 143 145-147 158 186 201-202 204 213 217-219 221-226 "
            "228-233 235 257-258 261-271 273-276 280-281 283-284 286-287 290-293 295-296 309 316 "
            "318 324 326-328 332 334 436 439"
        ),
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        clone=220,
        prlimit64=261,
        ioctl=29,
        server_only=(129, 434, 279, 167, 277),
        allowed=(
            "17 19-25 29 32 34-38 43-46 48-50 52-53 56-57 59 61-73 76-80 82-83 85-88 93-94 96 "
            "98-103 107-111 113-115 120-121 123-126 128 132-137 139 141 148 150 153 155-156 158 160 "
            "163 165-166 168-169 172-179 199 204-212 214-216 222-223 226-227 232-233 260 276 278 "
            "283 285-287 291 293 436 439"
        ),
    ),
}


class Filter:
    """Both filters, packed before the first fork, because packing them would cost every snippet."""

    def __init__(self) -> None:
        """Pack the filters of this machine; raises OSError where its system calls are not listed."""
        name = os.uname().machine
        if name not in MACHINES:
            raise OSError(f"no system call list for {name}")
        machine = MACHINES[name]
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        self._kept: list[ctypes.Array[ctypes.c_char]] = []
        self._server = self._pack(server_program(machine))
        self._snippet = self._pack(snippet_program(machine))

    def confine_server(self) -> None:
        """No new privileges, the long filter, and no child may trace this process or read its memory."""
        self._prctl(_PR_SET_NO_NEW_PRIVS, 1, 0)
        self._prctl(_PR_SET_DUMPABLE, 0, 0)
        self._prctl(_PR_SET_SECCOMP, _MODE_FILTER, self._server)

    def confine_snippet(self) -> None:
        """In the child: take away what only the server needs, for good."""
        self._prctl(_PR_SET_SECCOMP, _MODE_FILTER, self._snippet)

    def _pack(self, code: bytes) -> int:
        """Return the address of a `struct sock_fprog`; the buffers stay alive with this object."""
        buffer = ctypes.create_string_buffer(code, len(code))
        header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
        self._kept += [buffer, ctypes.create_string_buffer(header, len(header))]
        return ctypes.addressof(self._kept[-1])

    def _prctl(self, option: int, first: int, second: int) -> None:
        if self._libc.prctl(option, first, second, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def server_program(machine: Machine) -> bytes:
    """Return the server's filter as packed BPF instructions of 8 bytes each."""
    lines = [(_LOAD, 0, 0, 4), (_EQ, 1, 0, machine.audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    lines += _looked_at(machine.prlimit64, 16, (_EQ, 0, 1, 0))
    lines += _looked_at(machine.ioctl, 24, (_EQ, 1, 0, _TIOCSTI))
    for number in (machine.clone, *machine.server_only):
        lines += [(_EQ, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for span in machine.allowed.split():
        low, high = (int(number) for number in (span.split("-") * 2)[:2])
        # The ranges ascend: below this one means in none, so the answer is known either way.
        lines += [(_GE, 1, 0, low), (_RETURN, 0, 0, _ERRNO | _ENOSYS)]
        lines += [(_GT, 1, 0, high), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _ERRNO | _ENOSYS))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def snippet_program(machine: Machine) -> bytes:
    """Return the filter of one fork: no processes, no signals, no further filters."""
    lines = [(_LOAD, 0, 0, 0), *_looked_at(machine.clone, 16, (_SET, 0, 1, _CLONE_THREAD))]
    for number in machine.server_only:
        lines += [(_EQ, 0, 1, number), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _looked_at(number: int, offset: int, test: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """For one call: load the low word of an argument, allow it if the test falls to the first return."""
    verdict = [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    return [(_EQ, 0, 4, number), (_LOAD, 0, 0, offset), test, *verdict]
