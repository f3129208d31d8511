"""The mixture as epochs: shares of a token budget, capped where a source would be repeated too often.

Phi-4 report, section 3.2 and Table 5: epochs = share x budget / unique tokens. What a capped source cannot
take is shared out among the others in proportion to their shares, and the plan says where it went.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

PHI4_SHARES = {"web": 0.15, "web_rewrites": 0.15, "synthetic": 0.40, "code": 0.20, "acquired": 0.10}
"""Phi-4 report, Table 5."""

PHI4_UNIQUE_TOKENS = {
    "web": 1.3e12,
    "web_rewrites": 290e9,
    "synthetic": 290e9,
    "code": 820e9,
    "acquired": 580e9,
}
"""Phi-4 report, Table 5."""

PHI4_BUDGET_TOKENS = 10e12
"""Phi-4 report, section 3: about 10T tokens."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PlannedSource:
    """One line of the mixture."""

    source: str
    share_wanted: float
    share_got: float
    """Of the tokens that the plan places."""
    unique_tokens: int
    tokens: int
    """To train on."""
    epochs: float
    note: str
    """Why the share got differs from the share wanted; empty when it does not."""


def plan_mixture(
    shares: Mapping[str, float], unique: Mapping[str, int], budget: int, max_epochs: float
) -> list[PlannedSource]:
    """Turn shares of a budget into tokens per source.

    >>> lines = plan_mixture({"web": 0.5, "code": 0.5}, {"web": 100, "code": 1000}, 1000, 4.0)
    >>> [(line.source, line.tokens, line.epochs) for line in lines]
    [('web', 400, 4.0), ('code', 600, 0.6)]

    Args:
        shares: Wanted share of every source; scaled to sum to one.
        unique: Tokens that one epoch over a source has; a source that is missing has none.
        budget: Tokens to train on.
        max_epochs: No source is repeated more often.

    Returns:
        One line a source, in the order of `shares`. Together they place the budget, or as much of it as
        all sources at `max_epochs` can take.
    """
    total = sum(shares.values())
    caps = {name: int(unique.get(name, 0) * max_epochs) for name in shares}
    tokens = _fill({name: share / total for name, share in shares.items()}, caps, budget)
    placed = max(sum(tokens.values()), 1)
    return [
        PlannedSource(
            source=name,
            share_wanted=share / total,
            share_got=tokens[name] / placed,
            unique_tokens=int(unique.get(name, 0)),
            tokens=tokens[name],
            epochs=tokens[name] / unique[name] if unique.get(name, 0) else 0.0,
            note=_note(tokens[name], share / total * budget, caps[name], max_epochs),
        )
        for name, share in shares.items()
    ]


def unplaced(lines: list[PlannedSource], budget: int) -> int:
    """Tokens of the budget that no source could take."""
    return budget - sum(line.tokens for line in lines)


def _fill(shares: Mapping[str, float], caps: Mapping[str, int], budget: int) -> dict[str, int]:
    """Water-filling: cap the sources that would overflow, share the rest out again, until none overflows."""
    tokens = dict.fromkeys(shares, 0)
    open_sources, left = dict(shares), budget
    while open_sources:
        weight = sum(open_sources.values())
        if weight <= 0:
            return tokens
        full = [name for name, share in open_sources.items() if caps[name] <= left * share / weight]
        if not full:
            tokens.update(_split(open_sources, left))
            return tokens
        for name in full:
            tokens[name] = caps[name]
            del open_sources[name]
        left = budget - sum(tokens[name] for name in shares if name not in open_sources)
    return tokens


def _split(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers in proportion to shares that add up exactly (largest remainders)."""
    weight = sum(shares.values())
    exact = {name: total * share / weight for name, share in shares.items()}
    parts = {name: int(value) for name, value in exact.items()}
    order = sorted(shares, key=lambda name: (parts[name] - exact[name], name))
    for name in order[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def _note(tokens: int, wanted: float, cap: int, max_epochs: float) -> str:
    if not cap:
        return "no tokens; its share went to the other sources"
    if tokens == cap and tokens < wanted - 1:
        return f"capped at {max_epochs:g} epochs; the rest went to the other sources"
    if tokens > wanted + 1:
        return "takes over what other sources could not place"
    return ""
