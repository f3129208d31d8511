"""Report stage: one HTML file that needs no network, written from the finished stages' files alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportConfig:
    """What the page shows."""

    title: str = ""
    """Heading; the run's name when empty."""
    examples: int = 6
    """Kept and dropped rows to show of each kind."""


def run(config: ReportConfig, stage: StageDir) -> dict[str, Any]:
    """Write report.html beside the stage folders' files. Returns its size and the sections it holds."""
    from trivium.report.collect import collect
    from trivium.report.page import render

    content = collect(stage.path.parent, dict(stage.inputs), title=config.title, examples=config.examples)
    page = render(content)
    stage.write_text("report.html", page)
    return {"bytes": len(page.encode()), "sections": [name for name in content.sections()]}
