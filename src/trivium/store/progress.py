"""Progress: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Protocol, Self


class Progress(Protocol):
    """What a stage sees of a progress bar."""

    def advance(self, n: int = 1) -> None:
        """Count n more units as done."""

    def note(self, text: str) -> None:
        """Show a few words beside the count from now on."""

    def __enter__(self) -> Self:
        """Start showing."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Stop showing."""


class SilentProgress:
    """Counts and shows nothing; for tests and library use."""

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
        self.done = 0
        self.words = ""
        self.started = self.printed = time.monotonic()

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
        rate = self.done / max(seconds, 1e-9)
        left = (self.total - self.done) / rate if rate else 0.0
        return (
            f"{self.label}: {self.done:,}/{self.total:,} {self.unit}{self.words}, "
            f"{rate:,.1f}/s, {left:,.0f} s left"
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

    def advance(self, n: int = 1) -> None:
        """Count n more units and refresh the rate."""
        self.bar.advance(self.task, n)
        speed = self.bar.tasks[0].speed
        self.bar.update(self.task, rate=f"{speed:,.0f}/s" if speed else "")

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


def make_progress(label: str, total: int, unit: str) -> Progress:
    """Return a bar on a terminal and plain lines elsewhere."""
    if sys.stderr.isatty():
        return BarProgress(label, total, unit)
    return PlainProgress(label, total, unit)
