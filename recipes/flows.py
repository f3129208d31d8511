"""Every flow that needs a teacher, a few rows each: to see them work and to read what they give.

    ./trivium run recipes/flows.py
    ./trivium run recipes/flows.py --set synthesize.flows.rewrite.count=500

Seeds are what the Python installation has: its documentation, its functions, made problems with worked
solutions, facts of its tables; `synthesize.flows.rewrite.data=books` names other ones. The local teacher is
too small for most flows: what is missing is told with its reasons in metrics.json and dropped/. An endpoint
is named as in every recipe (docs/howto/teacher.md).
"""

from __future__ import annotations

import dataclasses

from trivium.recipe import Recipe, shipped
from trivium.synthesize.stage import FlowConfig, FlowsConfig, ProblemsConfig, SynthesizeConfig, TeacherConfig

FEW = FlowConfig(count=2, max_candidates=12, generated_tokens=6_000)
"""Enough to read; six thousand tokens are about two minutes of the local teacher."""


def recipe() -> Recipe:
    """Return the recipe."""
    return dataclasses.replace(
        shipped("pocket"),
        name="flows",
        stages=("curate", "synthesize"),
        synthesize=SynthesizeConfig(
            problems=ProblemsConfig(
                word=0,
                arithmetic=0,
                drills=0,
                programs=0,
                recall=0,
                long_recall=0,
                chat_word=0,
                chat_arithmetic=0,
                chat_programs=0,
                questions=300,
            ),
            teacher=TeacherConfig(generated_tokens=0, prompt_tokens=0),
            flows=FlowsConfig(
                tagging=FEW,
                conversation=FEW,
                taxonomy=FEW,
                revision=FEW,
                reversal=FEW,
                rewrite=FEW,
                questions=FEW,
                plurality=FEW,
                execution=FEW,
                infill=FEW,
                instructions=FEW,
                checkers=FEW,
                knowledge=FEW,
                trajectory=FEW,
                curriculum=FEW,
            ),
            docstring_reversals=0,
            chat_reversals=0,
            rule_rewrite_chars=0,
            fact_rounds=0,
            constraints=0,
            chat_constraints=0,
        ),
    )
