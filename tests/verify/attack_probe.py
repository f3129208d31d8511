"""Runs attack programs and looks, from outside, for anything that they achieved.

An attack is a program of `attacks/*.toml`. It is run twice: as a solution of `f`, whose tests expect values
that it cannot know, and as a program. What counts as success is never the program's word alone: the tests
passed, the secret of a file or of the environment came out, a listener was reached, a process of ours was
touched, the host's folder changed, a snippet overran its time, a process stayed behind, or the next snippet
does not find everything as it was.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

from trivium.verify.sandbox import Outcome, Sandbox
from trivium.verify.trial import try_out

FOLDER = Path(__file__).parent / "attacks"
WORKED = "ATTACK WORKED"
SECONDS, WALL_SECONDS = 0.5, 2.0
SLACK_SECONDS = 20.0
"""Added to the wall limit: a busy machine must not look like an escape."""

PRISTINE = """
import os, random, resource, sys, threading, signal, time
print(len([]), abs(-1), random.random(), os.getcwd(), sorted(os.environ), os.umask(0o22), time.tzname)
limits = [resource.getrlimit(k) for k in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)]
files = sorted(os.listdir('/tmp')), sorted(os.listdir('/')), os.stat('/tmp').st_mode
print(os.getpriority(0, 0), limits, files, threading.active_count(), sys.path, len(sys.modules))
signal.getitimer(signal.ITIMER_REAL), signal.getsignal(2) == signal.default_int_handler, signal.getsignal(14)
"""
"""What a snippet can see of its surroundings; the same before and after every attack."""


class Attack(NamedTuple):
    """One program."""

    family: str
    name: str
    code: str


def attacks() -> list[Attack]:
    """Read every attack of the folder."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for name, row in tomllib.loads(path.read_text()).items():
            found.append(Attack(path.stem, name, row["code"]))
    return found


class Task(NamedTuple):
    """Tests with values that nobody can guess; to pass any of them is to succeed."""

    tests: tuple[str, ...]
    value: str


def task() -> Task:
    """Draw a task: equality, tolerance and a library's comparison, each of which some attack aims at."""
    values = [secrets.randbelow(10**9) + 2**21 for _ in range(5)]
    exact = "\n".join(f"assert f({n}) == {value}" for n, value in enumerate(values[:3], 1))
    near = f"assert abs(f(4) - {values[3]}.5) < 1e-6"
    library = f"import math\nassert math.isclose(f(5), {values[4]}.5)"
    return Task((exact, near, library), str(values[0]))


class World:
    """A context with everything that an attack may want, and one sandbox to attack from."""

    def __enter__(self) -> World:
        self.secret = secrets.token_hex(16)
        os.environ["TRIVIUM_ATTACK_SECRET"] = self.secret
        self._folder = tempfile.TemporaryDirectory()
        self.home = Path(self._folder.name)
        (self.home / "token").write_text(self.secret)
        (self.home / "planted.py").write_text("")
        self.listeners = [socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
        self.listeners[0].bind(("127.0.0.1", 0))
        self.port = self.listeners[0].getsockname()[1]
        self.listeners[1].bind(("127.0.0.1", self.port))
        self.listeners.append(socket.socket(socket.AF_UNIX))
        self.listeners[2].bind(f"\0trivium-{self.port}")
        for one in self.listeners:
            one.setblocking(False)
        self.listeners[0].listen()
        self.listeners[2].listen()
        self.victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self.niceness = str(os.getpriority(os.PRIO_PROCESS, self.victim.pid))
        self.sandbox = Sandbox()
        self.sandbox.__enter__()
        self.pristine = self._look()
        return self

    def __exit__(self, *exc: object) -> None:
        self.sandbox.close()
        self.victim.kill()
        self.victim.wait()
        for one in self.listeners:
            one.close()
        self._folder.cleanup()
        del os.environ["TRIVIUM_ATTACK_SECRET"]

    def attempt(self, attack: Attack) -> list[str]:
        """Run one attack; return what it achieved, which should be nothing."""
        drawn, began = task(), time.monotonic()
        code = self.filled(attack.code, drawn)
        limits = {"seconds": SECONDS, "memory_mib": 128}
        trials = [try_out(self.sandbox, code, tests, **limits) for tests in drawn.tests]
        tried = time.monotonic() - began
        outcome = self.sandbox.run(code, wall_seconds=WALL_SECONDS, **limits)
        ran = time.monotonic() - began - tried
        found = ["tests passed"] if any(trial.passed for trial in trials) else []
        found += self._shown(outcome)
        found += self._touched()
        if ran > WALL_SECONDS + SLACK_SECONDS or tried > 16 * (5 * SECONDS + 1) + SLACK_SECONDS:
            found.append(f"it took {tried:.1f} s and {ran:.1f} s")
        return found

    def filled(self, code: str, drawn: Task) -> str:
        """Put this world's places into a program. The value is another than the tests'."""
        places = {
            "SECRET": str(self.home / "token"),
            "HOME": str(self.home),
            "PORT": str(self.port),
            "VICTIM": str(self.victim.pid),
            "VALUE": str(int(drawn.value) + 1),
        }
        for name, place in places.items():
            code = code.replace(f"@{name}@", place)
        return code

    def _look(self) -> Outcome:
        return self.sandbox.run(PRISTINE, seconds=5.0, wall_seconds=60.0)

    def _shown(self, outcome: Outcome) -> list[str]:
        texts = f"{outcome.stdout} {outcome.value_repr} {outcome.error}"
        found = ["it read the secret"] if self.secret in texts else []
        return found + (
            [f"it says that it worked: {outcome.stdout[:200]}"] if WORKED in outcome.stdout else []
        )

    def _touched(self) -> list[str]:
        found = []
        for one in self.listeners:
            try:
                one.recvfrom(1) if one.type == socket.SOCK_DGRAM else one.accept()
                found.append("it reached a listener")
            except BlockingIOError:
                pass
        state = Path(f"/proc/{self.victim.pid}/stat").read_text().rpartition(")")[2].split()
        if self.victim.poll() is not None or state[0] not in "SRD" or state[16] != self.niceness:
            found.append("it touched another process")
        if sorted(os.listdir(self.home)) != ["planted.py", "token"]:
            found.append("it changed the host's folder")
        after = self._look()
        if after != self.pristine:
            found.append(f"the next snippet sees a difference: {after}, before: {self.pristine}")
        left = self.left_behind()
        return found + ([f"processes stayed: {left}"] if left else [])

    def left_behind(self) -> list[int]:
        """Return the processes of the sandbox beyond bubblewrap, its init and the server."""
        server = self.sandbox._server
        assert server is not None
        for _ in range(100):
            pids = descendants(server._process.pid)
            if len(pids) <= 2:
                return []
            time.sleep(0.02)
        return pids[2:]


def falls_for(attack: Attack, world: World) -> bool:
    """Whether the usual way falls for it: code and tests in one process, exit status as the verdict."""
    drawn = task()
    code = world.filled(attack.code, drawn)
    return any(_exits_with_zero(f"{code}\n\n{tests}") for tests in drawn.tests)


def _exits_with_zero(program: str) -> bool:
    command = [sys.executable, "-I", "-c", program]
    try:
        return not subprocess.run(command, capture_output=True, timeout=20, check=False, cwd="/").returncode
    except subprocess.TimeoutExpired:
        return False


def descendants(pid: int) -> list[int]:
    """Return the living processes that a process has started, directly or not, parents first."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            parents[int(name)] = int(parent)
    found, last = [], [pid]
    while last:
        last = [child for child, parent in parents.items() if parent in last]
        found += last
    return found
