"""Writes docs/cli.md from the verbs' own help: `python -m trivium.cli.manual > docs/cli.md`."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from unittest import mock

from trivium.cli import main, verbs

COLUMNS = 100
HEADER = """# Command line

Written by `python -m trivium.cli.manual > docs/cli.md` from the verbs themselves; a test compares the two.
Errors that you can mend are one sentence on standard error with exit code 2; Ctrl-C leaves a run that goes on
where it was (exit code 130).
"""


def manual() -> str:
    """Return the text of docs/cli.md."""
    parts = [HEADER, f"```\n{help_of()}\n```\n"]
    parts += [f"## {name}\n\n```\n{help_of(name)}\n```\n" for name in verbs.VERBS]
    return "\n".join(parts)


def help_of(*words: str) -> str:
    """Return what `trivium WORDS --help` prints on a terminal of 100 columns without colour."""
    page = io.StringIO()
    settings = {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "TERM": "dumb"}
    with mock.patch.dict(os.environ, settings), contextlib.redirect_stdout(page):
        with contextlib.suppress(SystemExit):
            main.parse([*words, "--help"])
    return "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines())


if __name__ == "__main__":
    sys.stdout.write(manual())
