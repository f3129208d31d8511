"""Candidates with their evidence, and the pairs that a stated false-discovery rate leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trivium.pivotal import pairs
from trivium.pivotal.confirm import Outcome
from trivium.pivotal.false_discovery import discovery_levels, e_value
from trivium.records import Drop, PivotalToken, Preference, from_table, to_table

if TYPE_CHECKING:
    import pyarrow as pa

STEP = "pivotal.fdr"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A candidate and what fresh rollouts said of it."""

    id: str
    """Of the pair that it would be."""
    question_id: str
    decision: str
    """accept, futile or unsettled."""
    chosen_rollouts: int
    chosen_right: int
    rejected_rollouts: int
    rejected_right: int
    e_value: float
    """Evidence for a difference of at least the gap; see `false_discovery.e_value`."""
    level: float = 1.0
    """Smallest false-discovery rate at which it is a discovery among all candidates of the search."""


def settled(outcome: Outcome, gap: float) -> Settled:
    """Return the row of a candidate; its level is known only when all candidates are."""
    chosen, rejected = outcome.chosen, outcome.rejected
    return Settled(
        id=pairs.preference(outcome, gap).id,
        question_id=outcome.problem.question_id,
        decision=outcome.decision,
        chosen_rollouts=chosen.num_rollouts,
        chosen_right=chosen.num_right,
        rejected_rollouts=rejected.num_rollouts,
        rejected_right=rejected.num_right,
        e_value=e_value(chosen, rejected, gap),
    )


def ranked(rows: Sequence[Settled]) -> list[Settled]:
    """Fill in the level of every candidate of a search."""
    levels = discovery_levels([row.e_value for row in rows])
    return [replace(row, level=level) for row, level in zip(rows, levels, strict=True)]


def within(tables: Mapping[str, pa.Table], rate: float) -> dict[str, pa.Table]:
    """Rank the candidates; with a rate above 0 keep only pairs, and their tokens, that it allows.

    Args:
        tables: Of all shards together.
        rate: Greatest expected share of false pairs among those kept; 0 keeps every confirmed pair.
    """
    rows = ranked(from_table(Settled, tables["candidates"]))
    found = {**tables, "candidates": to_table(Settled, rows)}
    if not rate:
        return found
    level_of = {row.id: row.level for row in rows}
    every = from_table(Preference, tables["preferences"])
    kept = [pair for pair in every if level_of[pair.id] <= rate]
    named = {parent for pair in kept for parent in pair.parents}
    tokens = [row for row in from_table(PivotalToken, tables["pivotal_tokens"]) if row.id in named]
    drops = [_drop(pair, level_of[pair.id], rate) for pair in every if level_of[pair.id] > rate]
    return found | {
        "preferences": to_table(Preference, kept),
        "pivotal_tokens": to_table(PivotalToken, tokens),
        "drops": to_table(Drop, [*from_table(Drop, tables["drops"]), *drops]),
    }


def _drop(pair: Preference, level: float, rate: float) -> Drop:
    return Drop(
        id=pair.id,
        step=STEP,
        reason="false-discovery rate",
        detail=f"a discovery only from a rate of {level:.3g}, above {rate:g}",
        source=pair.question_id,
    )
