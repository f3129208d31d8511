"""The prefix tree of the rollouts of one question, and the candidates that can be read off it for free.

Where rollouts part, the tokens they took compete: each has a sampling probability, which the sampler
recorded, and a share of right rollouts. A branching where one token did well and another badly is a
candidate; fresh rollouts decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trivium.pivotal.estimate import Estimate, count, largest_shift
from trivium.pivotal.sure import bounds
from trivium.records import Verdict


@dataclass(frozen=True, slots=True)
class Path:
    """One judged rollout from the prompt on."""

    ids: tuple[int, ...]
    """The whole reply, the stop token included when one was drawn."""
    probs: tuple[float, ...]
    """Sampling probability of each token; those before `start` stand for nothing."""
    verdict: Verdict
    start: int = 0
    """Tokens that were given and not sampled: the rollout counts for prefixes of at least this length."""


@dataclass(frozen=True, slots=True)
class Child:
    """A token that some rollouts took after a prefix."""

    token_id: int
    prob: float
    """Sampling probability after the prefix."""
    estimate: Estimate
    """The rollouts that went through it."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A prefix of the reply after which rollouts took different tokens."""

    prefix: tuple[int, ...]
    """Reply tokens before the branching; the prompt is not part of it."""
    children: tuple[Child, ...]
    """Most visited first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two competing tokens of one branch: the better and the worse by the rollouts that took them."""

    branch: Branch
    chosen: Child
    rejected: Child

    @property
    def apparent_gap(self) -> float:
        """Difference of the two shrunk success rates."""
        return self.chosen.estimate.shrunk - self.rejected.estimate.shrunk


def branches(paths: Sequence[Path]) -> Iterator[Branch]:
    """Yield every branching of the tree, from the root on, in the order of the token ids."""
    waiting: list[tuple[int, list[Path]]] = [(0, list(paths))]
    while waiting:
        depth, group = waiting.pop()
        by_token: dict[int, list[Path]] = {}
        for path in group:
            if len(path.ids) > depth:
                by_token.setdefault(path.ids[depth], []).append(path)
        sampled = {
            token: own for token, paths in by_token.items() if (own := [p for p in paths if p.start <= depth])
        }
        if len(sampled) > 1:
            yield branch_of(group[0].ids[:depth], sampled)
        waiting += [(depth + 1, by_token[token]) for token in sorted(by_token, reverse=True)]


def candidates(
    paths: Sequence[Path], *, gap: float, min_rollouts: int, min_apparent_gap: float
) -> list[Candidate]:
    """Pick the branchings worth fresh rollouts, the widest apparent gap first.

    Args:
        paths: Rollouts of one question.
        gap: Least shift of a pivotal token. A pair of which neither token may shift p by that much under
            the bound |shift| <= 1 - probability is left out.
        min_rollouts: Judged rollouts that must pass through the prefix.
        min_apparent_gap: Least difference of the shrunk success rates of the two tokens.
    """
    found = []
    for branch in branches(paths):
        if sum(child.estimate.num_rollouts for child in branch.children) < min_rollouts:
            continue
        judged = [child for child in branch.children if child.estimate.num_rollouts]
        if len(judged) < 2:
            continue
        candidate = Candidate(
            branch,
            max(judged, key=lambda child: child.estimate.shrunk),
            min(judged, key=lambda child: child.estimate.shrunk),
        )
        movable = max(largest_shift(candidate.chosen.prob), largest_shift(candidate.rejected.prob))
        if candidate.apparent_gap >= min_apparent_gap and movable >= gap:
            found.append(candidate)
    return sorted(found, key=lambda candidate: (-candidate.apparent_gap, candidate.branch.prefix))


def others(branch: Branch, *token_ids: int) -> tuple[float, Estimate]:
    """Probability mass and pooled rollouts of all tokens after the prefix but these.

    The mass is what these tokens leave over, so it counts tokens that no rollout took.
    """
    taken = {child.token_id: child for child in branch.children}
    mass = 1.0 - sum(taken[token_id].prob for token_id in token_ids)
    rest = [child.estimate for child in branch.children if child.token_id not in token_ids]
    # Counts alone: what bounds one token's success does not bound that of several together.
    pooled = sum((Estimate(e.num_rollouts, e.num_right, e.num_errors) for e in rest), Estimate())
    return max(0.0, mass), pooled


def share_ruled_out(paths: Sequence[Path], gap: float) -> tuple[int, int]:
    """Count the tokens that the bound rules out as pivots, and all tokens."""
    probs = [prob for path in paths for prob in path.probs]
    return sum(largest_shift(prob) < gap for prob in probs), len(probs)


def branch_at(paths: Sequence[Path], length: int) -> Branch:
    """The branching of rollouts that pass through one prefix of this length; at least one of them."""
    by_token: dict[int, list[Path]] = {}
    for path in paths:
        if len(path.ids) > length:
            by_token.setdefault(path.ids[length], []).append(path)
    return branch_of(paths[0].ids[:length] if paths else (), by_token)


def branch_of(prefix: tuple[int, ...], by_token: Mapping[int, Sequence[Path]]) -> Branch:
    """Count the rollouts that took each token after a prefix; all of them were sampled there or before."""
    length = len(prefix)
    children = [
        Child(
            token,
            paths[0].probs[length],
            count(path.verdict for path in paths).within(*bounds(paths, length + 1)),
        )
        for token, paths in by_token.items()
    ]
    return Branch(prefix, tuple(sorted(children, key=lambda c: (-c.estimate.num_rollouts, c.token_id))))
