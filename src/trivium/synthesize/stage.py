"""Synthesize: seeds and verified makers -> training rows.

Reads curate's documents and passages. Writes examples.parquet, questions.parquet (problems that are shown
nowhere), fact_questions.parquet, calls.parquet (every teacher call with its verdict), curriculum.parquet
(easy to hard) and facts.json (what is known and what is withheld).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trivium.synthesize.options import ProblemsConfig, SynthesizeConfig, TeacherConfig

if TYPE_CHECKING:
    from trivium.store.run import StageDir

__all__ = ["ProblemsConfig", "SynthesizeConfig", "TeacherConfig", "run"]


def outside(config: SynthesizeConfig) -> dict[str, str]:
    """Name the local teacher by the hash of its weights: a run without it is not a run with it."""
    from trivium.llm.teacher import find_weights
    from trivium.store.fingerprint import content_hash

    weights = find_weights() if config.teacher.where == "local" else None
    return {"teacher": content_hash(weights) if weights is not None else "none"}


def run(config: SynthesizeConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage. Returns counts, characters and drop reasons by flow, and what the teacher cost.

    Raises:
        ResourceError: The teacher's weights or the call cache cannot be read or written.
        ConfigError: The teacher's place is unknown.
    """
    from trivium.synthesize.work import synthesize

    return synthesize(config, stage)
