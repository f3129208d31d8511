"""Preference pairs as units of work: single-token pairs of one trajectory share a forward pass.

Two pairs whose prompts are prefixes of one another lie on one trajectory; the longest prompt is read once and
scores them all. Token ids are used exactly as given: nothing is appended, nothing tokenised again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trivium.records import Drop, Preference
from trivium.train.hashing import unit_interval


@dataclasses.dataclass(frozen=True, slots=True)
class TokenUnit:
    """A trajectory and the single-token pairs on it."""

    ids: tuple[int, ...]
    """The longest prompt."""
    positions: tuple[int, ...]
    """Index of the last prompt token of every pair."""
    pairs: tuple[int, ...]
    """Index of every pair."""
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    @property
    def num_tokens(self) -> int:
        """Tokens of one forward pass."""
        return len(self.ids)


@dataclasses.dataclass(frozen=True, slots=True)
class ReplyUnit:
    """Two whole replies to one prompt."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    pairs: tuple[int, ...]
    """Index of the pair."""

    @property
    def num_tokens(self) -> int:
        """Tokens of one forward pass."""
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)


Unit = TokenUnit | ReplyUnit


def choose_pairs(
    rows: Sequence[Preference], *, origins: Sequence[str], most: int, longest: int, seed: int, step: str
) -> tuple[list[Preference], list[Drop]]:
    """Keep the pairs to train on, in the order of their ids.

    Args:
        rows: All pairs; of rows with the same id the first counts.
        origins: Origins to keep; empty keeps all.
        most: Largest number of pairs, drawn evenly from the seed; 0 keeps all.
        longest: Tokens of prompt and reply together at most.
        seed: Of the draw.
        step: Stage name for the drops.
    """
    unique = {row.id: row for row in reversed(rows)}
    reasons = {row_id: _refuse(row, origins, longest) for row_id, row in unique.items()}
    usable = [row_id for row_id in unique if not reasons[row_id]]
    drawn = sorted(usable, key=lambda row_id: (unit_interval(seed, "pairs", row_id), row_id))
    kept = set(drawn[:most] if most else drawn)
    reasons |= {row_id: "more pairs than max_pairs" for row_id in usable if row_id not in kept}
    drops = [
        Drop(id=row_id, step=step, reason=reason, source=unique[row_id].origin)
        for row_id, reason in sorted(reasons.items())
        if reason
    ]
    return [unique[row_id] for row_id in sorted(kept)], drops


def split_by_question(
    rows: Sequence[Preference], heldout_frac: float, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """Split into training and held-out pairs; all pairs of a question fall on one side."""
    apart = {
        row.question_id
        for row in rows
        if unit_interval(seed, "heldout pairs", row.question_id) < heldout_frac
    }
    training = [row for row in rows if row.question_id not in apart]
    return training, [row for row in rows if row.question_id in apart]


def make_units(rows: Sequence[Preference]) -> list[Unit]:
    """Group pairs into units; pair indices are those of `rows`."""
    single = [n for n, row in enumerate(rows) if len(row.chosen_ids) == len(row.rejected_ids) == 1]
    alone = set(single)
    units: list[Unit] = list(_trajectories(rows, single))
    for number, row in enumerate(rows):
        if number not in alone:
            sides = tuple(row.prompt_ids), tuple(row.chosen_ids), tuple(row.rejected_ids)
            units.append(ReplyUnit(*sides, (number,)))
    return units


def _trajectories(rows: Sequence[Preference], numbers: Sequence[int]) -> list[TokenUnit]:
    prompts = {number: tuple(rows[number].prompt_ids) for number in numbers}
    by_question: dict[str, list[tuple[tuple[int, ...], list[int]]]] = {}
    for number in sorted(numbers, key=lambda n: (-len(prompts[n]), prompts[n], rows[n].id)):
        prompt = prompts[number]
        paths = by_question.setdefault(rows[number].question_id, [])
        home = next((members for ids, members in paths if ids[: len(prompt)] == prompt), None)
        if home is None:
            paths.append((prompt, [number]))
        else:
            home.append(number)
    return [
        TokenUnit(
            ids=ids,
            positions=tuple(len(prompts[n]) - 1 for n in members),
            pairs=tuple(members),
            chosen=tuple(rows[n].chosen_ids[0] for n in members),
            rejected=tuple(rows[n].rejected_ids[0] for n in members),
        )
        for paths in by_question.values()
        for ids, members in paths
    ]


def _refuse(row: Preference, origins: Sequence[str], longest: int) -> str:
    if origins and row.origin not in origins:
        return "origin not asked for"
    if not row.prompt_ids or not row.chosen_ids or not row.rejected_ids:
        return "empty prompt or reply"
    if list(row.chosen_ids) == list(row.rejected_ids):
        return "both replies are the same"
    size = len(row.prompt_ids) + max(len(row.chosen_ids), len(row.rejected_ids))
    return "longer than row_tokens" if size > longest else ""
