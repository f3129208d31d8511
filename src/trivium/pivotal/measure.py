"""What the search found and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from trivium.pivotal import pairs
from trivium.pivotal.discoveries import Settled
from trivium.pivotal.estimate import StopRule, false_accept_rate
from trivium.pivotal.mine import Searched
from trivium.records import Drop, PivotalToken, Preference, Rollout, from_table

if TYPE_CHECKING:
    import pyarrow as pa


RATES = (0.01, 0.05, 0.1, 0.2)
"""False-discovery rates at which candidates are counted."""


@dataclass(frozen=True, slots=True)
class Read:
    """The tables of all shards as records; rollouts stay a table, as there are many and few are looked at."""

    searched: list[Searched]
    rollouts: pa.Table
    settled: list[Settled]
    pivotal_tokens: list[PivotalToken]
    preferences: list[Preference]
    drops: list[Drop]


def read(tables: Mapping[str, pa.Table]) -> Read:
    """Turn the joined tables of the shards back into records."""
    return Read(
        searched=from_table(Searched, tables["searched"]),
        rollouts=tables["rollouts"],
        settled=from_table(Settled, tables["candidates"]),
        pivotal_tokens=from_table(PivotalToken, tables["pivotal_tokens"]),
        preferences=from_table(Preference, tables["preferences"]),
        drops=from_table(Drop, tables["drops"]),
    )


def rollouts_of(rollouts: pa.Table, question_ids: Collection[str]) -> list[Rollout]:
    """The rollouts of some questions, in the order of the table."""
    import pyarrow as pa

    wanted = set(question_ids)
    mask = pa.array([question_id in wanted for question_id in rollouts.column("question_id").to_pylist()])
    return from_table(Rollout, rollouts.filter(mask))


def metrics(
    mined: Read, prompt_lengths: Mapping[str, int], kind_of: Callable[[int, int], str], rule: StopRule
) -> dict[str, Any]:
    """Counts, cost and statistics of the search.

    Args:
        mined: Everything the shards wrote.
        prompt_lengths: Question id -> tokens of its prompt.
        kind_of: Kind of a pair of token ids.
        rule: How candidates were settled.
    """
    rows, confirmed = mined.searched, len(mined.preferences)
    false_accept = false_accept_rate(rule)
    candidates = sum(row.num_candidates for row in rows)
    root_tokens = sum(row.root_tokens for row in rows)
    search_tokens = sum(row.search_tokens for row in rows)
    confirm_tokens = sum(row.confirm_tokens for row in rows)
    tokens = root_tokens + search_tokens + confirm_tokens
    return {
        "questions": len(rows),
        "questions_in_band": sum(row.in_band for row in rows),
        "questions_with_pairs": sum(row.num_confirmed > 0 for row in rows),
        "candidates": candidates,
        "confirmed": confirmed,
        "confirmed_share": _share(confirmed, candidates),
        "pivotal_tokens": len(mined.pivotal_tokens),
        "left_out": dict(sorted(Counter(f"{d.step}: {d.reason}" for d in mined.drops).items())),
        "rollouts": mined.rollouts.num_rows,
        "verdicts": dict(sorted(Counter(mined.rollouts.column("verdict").to_pylist()).items())),
        "tokens_generated": tokens,
        "tokens_root": root_tokens,
        "tokens_search": search_tokens,
        "tokens_confirm": confirm_tokens,
        "tokens_per_pair": round(_share(tokens, confirmed), 1),
        "tokens_ruled_out_share": _share(sum(row.tokens_ruled_out for row in rows), root_tokens),
        "bound_violations": sum(map(pairs.breaks_bound, mined.pivotal_tokens)),
        "gap_threshold": rule.gap,
        "false_accept_rate": false_accept,
        "false_discovery_rate_bound": min(1.0, false_accept * _share(candidates, confirmed)),
        "discoveries_at_rate": {str(rate): sum(t.level <= rate for t in mined.settled) for rate in RATES},
        "pairs": _pair_statistics(mined.preferences, kind_of),
        "pivots": _pivot_statistics(mined.pivotal_tokens, prompt_lengths),
    }


def _pair_statistics(found: Sequence[Preference], kind_of: Callable[[int, int], str]) -> dict[str, Any]:
    if not found:
        return {}
    kinds = Counter(kind_of(pair.chosen_ids[0], pair.rejected_ids[0]) for pair in found)
    return {
        "kinds": dict(sorted(kinds.items())),
        "mean_gap": sum(pair.gap for pair in found) / len(found),
        "distinct_contrasts": len({(pair.chosen_ids[0], pair.rejected_ids[0]) for pair in found}),
    }


def _pivot_statistics(found: Sequence[PivotalToken], prompt_lengths: Mapping[str, int]) -> dict[str, Any]:
    """Sign, size, place in the reply and sampling probability of the pivotal tokens."""
    if not found:
        return {}
    shifts = [token.prob_after - token.prob_before for token in found]
    places = [len(token.prefix_ids) - prompt_lengths[token.question_id] for token in found]
    return {
        "up": sum(shift > 0 for shift in shifts),
        "down": sum(shift < 0 for shift in shifts),
        "mean_size": sum(map(abs, shifts)) / len(shifts),
        "median_place_in_reply": median(places),
        "at_first_token": sum(place == 0 for place in places),
        "median_token_prob": median(token.token_prob for token in found),
        "median_used_share_of_bound": median(
            abs(shift) / (1 - token.token_prob) for shift, token in zip(shifts, found, strict=True)
        ),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
