"""Sampled solutions with the success probability after every token: ground truth for claims 11 and 12."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from trivium.claims.gather import settings_for
from trivium.claims.pairs import by_question, whole_only
from trivium.claims.world import World
from trivium.models.load import load_tokenizer
from trivium.models.sample_draw import request_seed
from trivium.pivotal import shards
from trivium.pivotal.mine import Searched
from trivium.pivotal.rollouts import Problem
from trivium.pivotal.solve import Solution, solved
from trivium.records import Rollout

if TYPE_CHECKING:
    import pyarrow as pa

SCANNED = 0
"""The repetition whose rollouts are scanned."""


def choose_traces(
    world: World, problems: Sequence[Problem], searched: Sequence[Searched], rolled: Sequence[Rollout]
) -> list[Solution]:
    """Draw finished replies, one to each of some questions in the band, whatever their pivots."""
    known = {problem.question_id: problem for problem in problems}
    band = {row.question_id for row in searched if row.in_band}
    seed = world.seed_of(SCANNED)
    groups = by_question(row for row in whole_only(rolled) if row.question_id in band and row.finish == "eos")
    order = sorted(groups, key=lambda question_id: request_seed(seed, "scan", question_id))
    return [
        Solution(
            known[question_id],
            groups[question_id][request_seed(seed, question_id) % len(groups[question_id])],
            (),
        )
        for question_id in order[: world.config.traces]
    ]


def scan(world: World, solution: Solution) -> Mapping[str, pa.Table]:
    """Estimate p after every token of a reply that may move it; one row a token.

    Tokens whose bounds add up to less than `trivium.pivotal.solve.CARRY` share an estimate.
    """
    import pyarrow as pa

    settings = settings_for(world, SCANNED)
    text_of = partial(load_tokenizer(world.sft).decode, keep_special=True)
    gap, count = world.pivotal.gap, world.config.scan_rollouts
    page = solved(shards.open_policy(settings), solution, (), count, gap, text_of)
    before, rows = page["p_start"], []
    for place, token in enumerate(page["tokens"]):
        rows.append(
            {
                "question_id": page["question_id"],
                "place": place,
                "text": token["text"],
                "prob": token["prob"],
                "p_before": before,
                "p_after": token["p"],
                "carried": token["carried"],
            }
        )
        before = token["p"]
    return {"scanned": pa.Table.from_pylist(rows)}
