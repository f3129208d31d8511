"""The tree of a question's rollouts: where replies part, and how many from there end right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trivium.records import Verdict
from trivium.stats import wilson

BRANCHES = 8
"""Ways shown from one place, those most often taken."""
LEAST = 2
"""Fewer rollouts are shown as their text and not split further."""


@dataclass(frozen=True)
class Path:
    """One rollout behind the prompt."""

    tokens: tuple[int, ...]
    start: int
    """Tokens that were given, not drawn: it counts only from there on."""
    verdict: str


@dataclass
class Branch:
    """A stretch of tokens that all its rollouts share."""

    text: str
    num_right: int
    num_rollouts: int
    """Rollouts drawn from the end of this stretch or before it: they tell p(right) there without bias."""
    low: float
    high: float
    branches: list[Branch] = field(default_factory=list)
    more: int = 0
    """Rollouts in ways that are not shown."""

    @property
    def prob(self) -> float | None:
        """Share of right ones; None where none was drawn from here."""
        return self.num_right / self.num_rollouts if self.num_rollouts else None

    @property
    def shade(self) -> str:
        """The report's colour class for p."""
        return "" if self.prob is None else f"p{round(10 * self.prob)}"


def grow(paths: Sequence[Path], text_of: Callable[[Sequence[int]], str], depth: int = 0) -> Branch:
    """Return the tree of rollouts that agree on their first `depth` tokens.

    Args:
        paths: Rollouts of one question; at least one.
        text_of: Text of token ids.
        depth: Tokens that the branch above has shown.
    """
    end = _shared(paths, depth)
    own = [path for path in paths if path.start <= end]
    right = sum(path.verdict == Verdict.RIGHT for path in own)
    low, high = wilson(right, len(own))
    branch = Branch(text_of(paths[0].tokens[depth:end]), right, len(own), low, high)
    ways: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        if len(path.tokens) > end:
            ways[path.tokens[end]].append(path)
    ordered = sorted(ways.values(), key=lambda some: (-len(some), some[0].tokens))
    branch.branches = [grow(some, text_of, end) for some in ordered[:BRANCHES]]
    branch.more = sum(len(some) for some in ordered[BRANCHES:])
    return branch


def _shared(paths: Sequence[Path], depth: int) -> int:
    """Return how many tokens all paths share; of a few rollouts, all of the first one's."""
    first = paths[0].tokens
    if len(paths) < LEAST:
        return len(first)
    end = depth
    while end < len(first) and all(len(p.tokens) > end and p.tokens[end] == first[end] for p in paths):
        end += 1
    return end
