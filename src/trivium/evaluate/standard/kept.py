"""Outputs kept by what was asked: a rerun, more samples or more tasks ask only for the rest."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trivium.errors import DataError, ResourceError
from trivium.llm.cache import VARIABLE

CREATE = "CREATE TABLE IF NOT EXISTS outputs (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
MOST_KEYS = 500
"""Keys of one query; SQLite takes 999 parameters everywhere."""


def kept_path(folder: Path) -> Path:
    """Return where outputs are kept: the shared cache folder if one is named, else the given one."""
    return Path(os.environ.get(VARIABLE) or folder) / "outputs.sqlite"


def key_of(*parts: Any) -> str:
    """Return the key of what was asked; every part that the answer hangs on has to be among them."""
    text = json.dumps(parts, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def get(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Return what is kept of these keys."""
    found: dict[str, Any] = {}
    with _open(path) as db:
        for start in range(0, len(keys), MOST_KEYS):
            part = keys[start : start + MOST_KEYS]
            marks = ",".join("?" * len(part))
            rows = db.execute(f"SELECT key, value FROM outputs WHERE key IN ({marks})", part)
            found.update((key, json.loads(value)) for key, value in rows)
    return found


def put(path: Path, rows: Mapping[str, Any]) -> None:
    """Keep values; of two for one key the first stays."""
    values: Iterable[tuple[str, str]] = [(key, json.dumps(value)) for key, value in rows.items()]
    with _open(path) as db:
        db.executemany("INSERT OR IGNORE INTO outputs VALUES (?, ?)", values)


class _open:
    """A connection for one transaction; what goes wrong is one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(self.path, timeout=60)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute(CREATE)
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        return self.db

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.db.commit()
        self.db.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.DatabaseError) -> DataError | ResourceError:
        if isinstance(error, sqlite3.OperationalError):
            return ResourceError(
                f"{self.path}: got {error}; expected a cache that can be written, see disk and permissions."
            )
        return DataError(f"{self.path}: got a broken cache ({error}); expected a whole one, delete it.")
