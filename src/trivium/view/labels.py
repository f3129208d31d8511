"""A person's labels: one line of JSON each, appended to the run's `labels.jsonl`; a row's last one counts."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from trivium.errors import DataError

FILE = "labels.jsonl"
ANSWERS = ("yes", "no", "unsure")
LONGEST_NOTE = 2000
LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a person said of a row."""

    queue: str
    """What was asked: a key of `review.QUEUES`."""
    id: str
    answer: str
    """One of `ANSWERS`; empty takes an earlier label back."""
    note: str = ""
    by: str = ""
    """Who says so: a name that tells the people of one run apart."""
    time: float = 0.0
    """Seconds since the epoch."""


class Labels:
    """The labels of one run."""

    def __init__(self, run: Path) -> None:
        """Name the file; it is made with the first label."""
        self.path = run / FILE
        self.lock = threading.Lock()

    def all(self, queue: str, by: str = "") -> dict[str, Label]:
        """Return row id -> the label of one person that counts, in the order of labelling.

        Raises:
            DataError: A line of the file is no label.
        """
        return self.people(queue).get(by, {})

    def people(self, queue: str) -> dict[str, dict[str, Label]]:
        """Return name -> row id -> the label that counts, for everyone who has labelled.

        Raises:
            DataError: A line of the file is no label.
        """
        found: dict[str, dict[str, Label]] = {}
        for number, line in enumerate(self._lines(), 1):
            label = _read(line, f"{self.path}:{number}")
            if label.queue == queue:
                own = found.setdefault(label.by, {})
                own.pop(label.id, None)
                if label.answer:
                    own[label.id] = label
        return found

    def add(self, label: Label) -> None:
        """Append a label and have it on the disk before returning.

        Raises:
            DataError: The answer is none of `ANSWERS`.
        """
        if label.answer and label.answer not in ANSWERS:
            raise DataError(f"label: got {label.answer[:20]!r}; expected one of {', '.join(ANSWERS)}.")
        stamped = asdict(label) | {
            "note": label.note[:LONGEST_NOTE],
            "by": label.by[:LONGEST_NAME],
            "time": round(time.time(), 3),
        }
        line = json.dumps(stamped, ensure_ascii=True) + "\n"
        with self.lock, open(self.path, "ab") as file:
            whole = self.path.read_bytes().rfind(b"\n") + 1
            file.truncate(whole)  # what a kill cut short is no label
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[str]:
        """Whole lines; one that a kill cut short is left out and written over by the next."""
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8")
        return [line for line in text.split("\n")[:-1] if line]


def _read(line: str, place: str) -> Label:
    try:
        return Label(**json.loads(line))
    except (ValueError, TypeError):
        raise DataError(f"{place}: got no label; expected JSON with queue, id and answer.") from None
