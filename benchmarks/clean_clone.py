"""The first command of the README in a clean clone: does it end well, in which time, in how much memory?

    python benchmarks/clean_clone.py FOLDER [KEY=VALUE ...]

Clones the committed state of this checkout into FOLDER (which must not exist), installs, then runs
`./trivium run recipes/pocket.py` there and watches it. Memory is the sum over all processes of the run of
their proportional set size (Linux), looked at twice a second. Prints one JSON line each for minutes and
memory; the peer is the limit that the project sets itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MINUTES, GIGABYTES = 15.0, 4.0
"""Limits of the pocket recipe on two cores, after installation."""


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they are still there."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def proportional_bytes(pid: int) -> int:
    """Return a process's memory, shared pages divided among those who share them; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def watch(words: list[str], folder: Path) -> tuple[int, float, int]:
    """Run a command; returns its exit code, seconds and the largest sum of memory."""
    began, most = time.monotonic(), 0
    process = subprocess.Popen(words, cwd=folder)
    while process.poll() is None:
        most = max(most, sum(proportional_bytes(pid) for pid in descendants(process.pid)))
        time.sleep(0.5)
    return process.returncode, time.monotonic() - began, most


def main(folder: Path, settings: list[str]) -> None:
    """Clone, install, run, print."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    code, seconds, _ = watch(["./trivium", "--reinstall"], folder)
    print(f"installation: exit {code} after {seconds:.0f} s", flush=True)
    flags = [word for setting in settings for word in ("--set", setting)]
    code, seconds, most = watch(["./trivium", "run", "recipes/pocket.py", *flags], folder)
    print(f"run: exit {code} after {seconds:.0f} s", flush=True)
    versions = {name: metadata.version(name) for name in ("torch", "pyarrow")} | {"cpus": os.cpu_count()}
    for name, ours, limit in (
        ("minutes of the pocket run in a clean clone", seconds / 60, MINUTES),
        ("gigabytes of all its processes together", most / 1e9, GIGABYTES),
    ):
        line = {"name": name, "ours": round(ours, 2), "peer": limit, "ratio": round(ours / limit, 3)}
        print(json.dumps(line | {"target": 1.0, "holds": code == 0 and ours <= limit, "versions": versions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
