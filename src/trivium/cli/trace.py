"""trace: from a row back to the bytes it came from."""

from __future__ import annotations

from trivium.cli.verbs import TraceVerb


def trace(command: TraceVerb) -> int:
    """Print the way back, one indented block a row."""
    from trivium.store import lineage

    for line in lineage.describe(lineage.trace(command.run, command.id)):
        print(line)
    return 0
