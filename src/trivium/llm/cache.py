"""The call cache: every reply ever paid for, in one SQLite file that many runs share.

A key says what was asked, and not what was done with the answer: parsers and filters may change without
asking again. A truncated reply is kept with its limit, so that a larger limit asks again for it alone.
The file is in WAL mode and each reply is its own transaction: a killed process loses none that it has had.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from trivium.errors import DataError, ResourceError
from trivium.llm.calls import Reply

CREATE = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT NOT NULL,
    max_tokens INTEGER NOT NULL,
    text TEXT NOT NULL,
    finish TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    error TEXT NOT NULL,
    raw TEXT NOT NULL,
    PRIMARY KEY (key, max_tokens)
) WITHOUT ROWID
"""
VARIABLE = "TRIVIUM_CACHE"
"""Names a folder whose call cache all runs share; without it every run folder has its own."""

COLUMNS = "text, finish, prompt_tokens, completion_tokens, error, raw"


def cache_path(run_folder: Path) -> Path:
    """Return where a run keeps its calls: the shared folder if one is named, else the run folder."""
    return Path(os.environ.get(VARIABLE) or run_folder) / "calls.sqlite"


class CallCache:
    """Replies by key and length limit; a context manager.

    Raises:
        DataError: The file is not a call cache.
        ResourceError: The file cannot be opened or written.
    """

    def __init__(self, path: Path | str) -> None:
        """Open the cache, and make it if it is not there."""
        self.path = Path(path)
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(CREATE)

    def get(self, key: str, max_tokens: int) -> Reply | None:
        """Return the stored reply that a call with this limit would give, or None.

        That is the reply stored for this very limit, or one that ended by itself within it.
        """
        with self._explained():
            rows = self._db.execute(
                f"SELECT max_tokens, {COLUMNS} FROM calls WHERE key = ? ORDER BY max_tokens", (key,)
            ).fetchall()
        for limit, *fields in rows:
            reply = _reply(fields)
            ended = reply.finish == "stop" and reply.completion_tokens < max_tokens
            if limit == max_tokens or ended or reply.error:
                return reply
        return None

    def put(self, key: str, max_tokens: int, reply: Reply) -> None:
        """Store a reply; of two replies for one call the first stays, so that all readers see the same."""
        values = (key, max_tokens, reply.text, reply.finish, reply.prompt_tokens, reply.completion_tokens)
        with self._explained():
            self._db.execute(
                "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, reply.error, reply.raw),
            )

    def __len__(self) -> int:
        """Return the number of stored replies."""
        return int(self._db.execute("SELECT COUNT(*) FROM calls").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> CallCache:
        """Return the cache itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the file."""
        self.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's and the file system's errors into sentences."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ResourceError(
                f"call cache {self.path}: got {error}; expected a writable file on a disk with room; "
                "free space, mend the permissions or name another folder in TRIVIUM_CACHE."
            ) from error
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"call cache {self.path}: got {error}; expected a call cache of trivium; move the file away."
            ) from error
        except OSError as error:
            raise ResourceError(
                f"call cache {self.path}: got {error.strerror or error}; expected a writable folder; "
                "mend the permissions or name another folder in TRIVIUM_CACHE."
            ) from error


def _reply(fields: list[object]) -> Reply:
    text, finish, prompt_tokens, completion_tokens, error, raw = fields
    return Reply(
        text=str(text),
        finish=str(finish),
        prompt_tokens=int(str(prompt_tokens)),
        completion_tokens=int(str(completion_tokens)),
        error=str(error),
        raw=str(raw),
    )
