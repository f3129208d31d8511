"""The stage table in words: rows are tasks, columns are checkpoints, an interval beside every number."""

from __future__ import annotations

from collections.abc import Sequence

from trivium.evaluate.estimate import DIFFERENCE, TableRow

HEADLINES = (
    # (task, metric, title, decimals); bits per byte and shares in the order a reader asks for them
    ("contest", "accuracy", "contest, greedy", 1),
    ("contest", "accuracy_sampled", "contest, sampled at T=1", 1),
    ("arithmetic", "accuracy", "arithmetic", 1),
    ("programs", "accuracy", "program output", 1),
    ("facts_known", "right", "known facts: right", 1),
    ("facts_known", "wrong", "known facts: wrong", 1),
    ("facts_known", "refused", "known facts: refused", 1),
    ("facts_unknown", "wrong", "unknowable facts: wrong", 1),
    ("facts_unknown", "refused", "unknowable facts: refused", 1),
    ("bogus", "refused", "bogus questions: refused", 1),
    ("instructions", "strict", "instructions, strict", 1),
    ("instructions", "strict_seen", "instructions, kinds seen", 1),
    ("instructions", "strict_held_out", "instructions, kinds held out", 1),
    ("recall_1x", "accuracy", "recall at 1x context", 1),
    ("recall_2x", "accuracy", "recall at 2x context", 1),
    ("recall_4x", "accuracy", "recall at 4x context", 1),
)
"""Shares are shown in per cent with a 95 % interval."""

BITS_TASK = "bits_per_byte"


def stages_of(rows: Sequence[TableRow]) -> list[str]:
    """Return the checkpoints in the order in which they first appear (training order)."""
    return list(dict.fromkeys(row.stage for row in rows))


def find(rows: Sequence[TableRow], stage: str, task: str, metric: str) -> TableRow | None:
    """Return one number, or None when the table lacks it."""
    return next((r for r in rows if (r.stage, r.task, r.metric) == (stage, task, metric)), None)


def grid(rows: Sequence[TableRow]) -> list[list[str]]:
    """Lay the headline numbers out: a header line, then one line a measure."""
    stages = stages_of(rows)
    lines = [["task", *stages, "n"]]
    for task, metric, title, decimals in [*HEADLINES, *_bits_lines(rows)]:
        cells = [find(rows, stage, task, metric) for stage in stages]
        present = [cell for cell in cells if cell is not None]
        if present:
            scale = 1 if task == BITS_TASK else 100
            shown = [_cell(cell, scale, decimals) for cell in cells]
            lines.append([title, *shown, f"{max(cell.n for cell in present):,}"])
    return lines


def to_text(rows: Sequence[TableRow]) -> str:
    """Render for a terminal: aligned columns, shares in per cent, 95 % intervals in brackets."""
    lines = grid(rows)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    drawn = [
        "  ".join(_align(cell, w, i) for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    drawn.insert(1, "-" * len(drawn[0]))
    return "\n".join(line.rstrip() for line in drawn) + "\n"


def to_markdown(rows: Sequence[TableRow]) -> str:
    """Render for the README: the same numbers as a Markdown table."""
    header, *body = grid(rows)
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body]) + "\n"


def _bits_lines(rows: Sequence[TableRow]) -> list[tuple[str, str, str, int]]:
    found = dict.fromkeys(r.metric for r in rows if r.task == BITS_TASK and not r.metric.endswith(DIFFERENCE))
    return [(BITS_TASK, metric, f"bits per byte, {metric.replace('_', ' ')}", 3) for metric in found]


def _cell(row: TableRow | None, scale: int, decimals: int) -> str:
    if row is None:
        return "-"
    low, value, high = (f"{number * scale:.{decimals}f}" for number in (row.low, row.value, row.high))
    return f"{value} [{low}, {high}]"


def _align(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column == 0 else text.rjust(width)
