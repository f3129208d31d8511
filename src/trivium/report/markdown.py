"""The stage table and the checks of a run as Markdown, for a README or a mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trivium.report.page import HEADLINES, PAIRED_SUFFIX, stage_table

FAMILIES = ("strict_seen", "strict_held_out")
"""Shown beside the headlines: kinds of constraints that fine-tuning has seen, and kinds that it has not."""


def table(rows: list[dict[str, Any]]) -> str:
    """Return table.json as Markdown: percent with a 95 % interval, a column a checkpoint.

    Args:
        rows: `{stage, task, metric, value, low, high, n, ...}`.
    """
    kept = [row for row in rows if row["metric"].removesuffix(PAIRED_SUFFIX) in (*HEADLINES, *FAMILIES)]
    arranged = stage_table(kept)
    cells = {(row["task"], row["metric"], row["stage"]): row for row in kept}
    stages = arranged["stages"]
    lines = [_line(["task", *stages, "n"]), _line(["---", *["---:"] * (len(stages) + 1)])]
    for line in (*arranged["lines"], *arranged["rest"]):
        found = [cells.get((line["task"], line["metric"], stage)) for stage in stages]
        shown = [_percent(row) if row else "" for row in found]
        name = f"{line['task']}, {line['metric']}".replace("_", " ")
        lines.append(_line([name, *shown, f"{line['n']:,}"]))
    return "\n".join(lines)


def checks(found: Sequence[dict[str, Any]]) -> str:
    """Return what the run was meant to show, a line each."""
    return "\n".join(
        f"- {'holds' if check['holds'] else 'does not hold'}: {check['name']} ({check['detail']})"
        for check in found
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(row: dict[str, Any]) -> str:
    return f"{row['value'] * 100:.1f} [{row['low'] * 100:.1f}, {row['high'] * 100:.1f}]"
