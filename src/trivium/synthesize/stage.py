"""Synthesize: seeds and verified makers -> training rows.

Reads curate's documents and passages. Writes examples.parquet, questions.parquet (problems that are shown
nowhere), fact_questions.parquet, calls.parquet (every teacher call with its verdict), curriculum.parquet
(easy to hard) and facts.json (what is known and what is withheld).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.synthesize.options import (
    FlowConfig,
    FlowsConfig,
    ProblemsConfig,
    SynthesizeConfig,
    TeacherConfig,
)

if TYPE_CHECKING:
    from trivium.store.run import StageDir

__all__ = ["FlowConfig", "FlowsConfig", "ProblemsConfig", "SynthesizeConfig", "TeacherConfig", "run"]


def outside(config: SynthesizeConfig) -> dict[str, str]:
    """Name the local teacher by the hash of its weights, and the seeds of ordered flows by theirs."""
    from trivium.llm.teacher import find_weights
    from trivium.store.fingerprint import content_hash

    weights = find_weights() if config.teacher.where == "local" else None
    found = {"teacher": content_hash(weights) if weights is not None else "none"}
    for name, flow in config.flows.ordered().items():
        if flow.data:
            found[f"flows.{name}.data"] = content_hash(Path(flow.data))
    return found


def run(config: SynthesizeConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage. Returns counts, characters and drop reasons by flow, and what the teacher cost.

    Raises:
        ResourceError: The teacher's weights or the call cache cannot be read or written.
        ConfigError: The teacher's place is unknown.
    """
    from trivium.synthesize.work import synthesize

    return synthesize(config, stage)
