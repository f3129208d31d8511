"""Progress: a bar with rate and time left on a terminal, a plain line now and then elsewhere.

Beside what is shown, a stage that works leaves `scratch/progress.json`, so that another process
(`trivium view`) can watch it.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, Protocol, Self

from trivium.store.files import write_json

PROGRESS_FILE = "progress.json"
WRITTEN_SECONDS = 1.0
"""The file is written anew at most this often."""


class Progress(Protocol):
    """What a stage sees of a progress bar."""

    def resume(self, n: int) -> None:
        """Count n units as done before this start: the rate leaves them out. At most once, first of all."""

    def advance(self, n: int = 1) -> None:
        """Count n more units as done."""

    def note(self, text: str) -> None:
        """Show a few words beside the count from now on."""

    def __enter__(self) -> Self:
        """Start showing."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Stop showing."""


def rate_text(rate: float) -> str:
    """Write units a second so that slow ones are seen too: a second, a minute or an hour at a time."""
    for factor, unit in ((1, "s"), (60, "min")):
        if rate * factor >= 1:
            return f"{rate * factor:,.{0 if rate * factor >= 100 else 1}f}/{unit}"
    return f"{rate * 3600:,.1f}/h"


class SilentProgress:
    """Counts and shows nothing; for tests and library use."""

    def resume(self, n: int) -> None:
        """Ignore the count."""

    def advance(self, n: int = 1) -> None:
        """Ignore the count."""

    def note(self, text: str) -> None:
        """Ignore the words."""

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop."""


class PlainProgress:
    """Prints a line at most every ten seconds."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        """Remember what is counted; nothing is printed before the first interval."""
        self.label, self.total, self.unit = label, total, unit
        self.done = self.before = 0
        self.words = ""
        self.started = self.printed = time.monotonic()

    def resume(self, n: int) -> None:
        """Count n units that took none of the time since the start."""
        self.done = self.before = n

    def advance(self, n: int = 1) -> None:
        """Count n more units; print when ten seconds have passed since the last line."""
        self.done += n
        now = time.monotonic()
        if now - self.printed >= 10:
            self.printed = now
            print(f"    {self._line(now - self.started)}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Add the words to every later line."""
        self.words = f", {text}" if text else ""

    def _line(self, seconds: float) -> str:
        rate = (self.done - self.before) / max(seconds, 1e-9)
        left = (self.total - self.done) / rate if rate else 0.0
        return (
            f"{self.label}: {self.done:,}/{self.total:,} {self.unit}{self.words}, "
            f"{rate_text(rate)}, {left:,.0f} s left"
        )

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop."""


class BarProgress:
    """A rich progress bar."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        """Build the bar; it shows itself on enter and removes itself on exit."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("    {task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}  {task.fields[rate]}"),
            TextColumn("{task.fields[words]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task(label, total=max(total, 1), unit=unit, rate="", words="")

    def resume(self, n: int) -> None:
        """Start the bar at n units."""
        self.bar.reset(self.task, completed=n)

    def advance(self, n: int = 1) -> None:
        """Count n more units and refresh the rate."""
        self.bar.advance(self.task, n)
        speed = self.bar.tasks[0].speed
        self.bar.update(self.task, rate=rate_text(speed) if speed else "")

    def note(self, text: str) -> None:
        """Show the words beside the bar."""
        self.bar.update(self.task, words=text)

    def __enter__(self) -> Self:
        """Show the bar."""
        self.bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Remove the bar."""
        self.bar.stop()


class WrittenProgress:
    """Shows another progress and writes where it stands to a folder, for whoever watches the run."""

    def __init__(self, shown: Progress, folder: Path, label: str, total: int, unit: str) -> None:
        """Remember what is counted; the file appears on enter."""
        self.shown, self.path = shown, folder / PROGRESS_FILE
        self.state: dict[str, Any] = {"label": label, "total": total, "unit": unit, "done": 0, "words": ""}
        self.before = 0
        self.written = 0.0

    def resume(self, n: int) -> None:
        """Count n units as done before this start."""
        self.shown.resume(n)
        self.state["done"] = self.before = n
        self._write(now=True)

    def advance(self, n: int = 1) -> None:
        """Count n more units."""
        self.shown.advance(n)
        self.state["done"] += n
        self._write()

    def note(self, text: str) -> None:
        """Show and keep the words."""
        self.shown.note(text)
        self.state["words"] = text

    def _write(self, *, now: bool = False) -> None:
        clock = time.time()
        if now or clock - self.written >= WRITTEN_SECONDS:
            self.written = clock
            times = {"started": self.started, "updated": clock, "done_at_start": self.before}
            write_json(self.path, self.state | times | process_facts())

    def __enter__(self) -> Self:
        """Start showing and write the first state."""
        self.started = time.time()
        self.shown.__enter__()
        self._write(now=True)
        return self

    def __exit__(self, *exc: object) -> None:
        """Write the last state and stop showing."""
        self._write(now=True)
        self.shown.__exit__(*exc)


def process_facts() -> dict[str, int]:
    """Return this process's id and the largest resident size so far of it and of its children, in MiB."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"pid": os.getpid(), "peak_memory_mib": max(usage.ru_maxrss for usage in usages) // 1024}


def write_started(folder: Path, label: str) -> None:
    """Leave word that this process has begun a piece of work of unknown length."""
    now = time.time()
    state = {"label": label, "total": 0, "unit": "", "done": 0, "words": ""}
    times = {"started": now, "updated": now, "done_at_start": 0}
    write_json(folder / PROGRESS_FILE, state | times | process_facts())


def make_progress(label: str, total: int, unit: str, folder: Path | None = None) -> Progress:
    """Return a bar on a terminal and plain lines elsewhere; with a folder it is written there too."""
    shown = BarProgress(label, total, unit) if sys.stderr.isatty() else PlainProgress(label, total, unit)
    return shown if folder is None else WrittenProgress(shown, folder, label, total, unit)
