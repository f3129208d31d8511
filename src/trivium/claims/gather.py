"""One budget of rollouts a seed, spent in two ways that cost the same tokens on every question.

Both ways share the first whole replies. Then the pivotal search spends tokens to find and confirm pairs;
the other arms get fresh whole replies to the same questions for as many tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trivium.claims.world import World, training_questions
from trivium.errors import DataError
from trivium.models.sample_draw import request_seed
from trivium.pivotal import rollouts, shards
from trivium.pivotal.mine import Searched
from trivium.pivotal.rollouts import Job, Policy, Problem
from trivium.pivotal.stage import fitting
from trivium.records import Rollout, from_table, to_table

if TYPE_CHECKING:
    import pyarrow as pa

SPARE = 1.5
"""So many times the whole replies that should do are asked for; what exceeds the budget is not used."""

Piece = tuple[int, tuple[Problem, ...]]
"""Number of the seed, and some of its problems."""


def settings_for(world: World, number: int) -> shards.Settings:
    """Settings of the search for one seed."""
    return shards.open_settings(world.pivotal, world.door("pivotal", world.seed_folder(number), number))


def choose_problems(world: World, number: int) -> list[Problem]:
    """Draw the questions of one seed, as prompts in ids.

    Raises:
        DataError: The run has no fitting question.
    """
    config, seed = world.pivotal, world.seed_of(number)
    door = world.door("pivotal", world.seed_folder(number), number)
    found = training_questions(world) if world.heldout else list(fitting(config, door))
    if not found:
        raise DataError(
            f"claims: {config.questions} has no question of skill {config.skill!r}; run it again."
        )
    found.sort(key=lambda question: request_seed(seed, "claims", question.id))
    return shards.prepare(config, door, found, settings_for(world, number))


def gather(world: World, piece: Piece) -> Mapping[str, pa.Table]:
    """Search some questions, and sample whole replies for the tokens that confirming took."""
    number, problems = piece
    settings = settings_for(world, number)
    tables = dict(shards.search(settings)(problems))
    searched = from_table(Searched, tables["searched"])
    extra = whole_replies(shards.open_policy(settings), problems, searched)
    return {
        **{name: tables[name] for name in ("searched", "rollouts", "preferences")},
        "control": to_table(Rollout, extra),
    }


def whole_replies(policy: Policy, problems: Sequence[Problem], searched: Sequence[Searched]) -> list[Rollout]:
    """Sample fresh whole replies to each question until the next would exceed its tokens for searching."""
    budgets = {row.question_id: row.search_tokens + row.confirm_tokens for row in searched}
    lengths = {row.question_id: row.root_tokens / max(row.num_rollouts, 1) for row in searched}
    jobs = [
        Job(problem, (), 0, math.ceil(SPARE * budget / lengths[problem.question_id]) + 1, "control")
        for problem in problems
        if (budget := budgets[problem.question_id]) > 0
    ]
    found: list[Rollout] = []
    for job, judged in zip(jobs, rollouts.roll(policy, jobs), strict=True):
        left = budgets[job.problem.question_id]
        for item in judged:
            left -= len(item.row.completion_ids)
            if left < 0:
                break
            found.append(item.row)
    return found
