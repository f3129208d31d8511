"""All rollouts of some questions, found again by the prefixes that they pass through.

A rollout that started at an ancestor and agrees with a prefix is an exact draw from that prefix: all rollouts
of a question share one total budget and one temperature, and whether it agrees says nothing of what follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trivium.pivotal import rollouts
from trivium.pivotal.estimate import Estimate, count, known
from trivium.pivotal.rollouts import Job, Judged, Policy, Problem
from trivium.pivotal.tree import Path
from trivium.records import Verdict

PURPOSE = "search"


@dataclass(frozen=True, slots=True)
class Trace:
    """A sampled reply that a search walks along."""

    problem: Problem
    path: Path

    @property
    def end(self) -> Estimate:
        """Success after the whole reply, which is known."""
        return known(self.path.verdict == Verdict.RIGHT)


Place = tuple[Trace, int]
"""A prefix: this many tokens of a trace."""


@dataclass(slots=True)
class Forest:
    """The rollouts of some questions; grows on demand."""

    policy: Policy
    paths: dict[str, list[Path]]
    """Question id -> its rollouts: whole replies first, then those that were grown, in order."""
    grown: list[Judged] = field(default_factory=list)
    asked: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)

    @classmethod
    def plant(cls, policy: Policy, roots: Mapping[str, Sequence[Judged]]) -> Forest:
        """Begin with whole replies."""
        return cls(policy, {key: [path_of(item, 0) for item in judged] for key, judged in roots.items()})

    def through(self, place: Place, *, reuse: bool = True) -> list[Path]:
        """Return the rollouts that count for a prefix, but for the trace itself, whose end is no chance here.

        Args:
            place: The prefix.
            reuse: Whether rollouts that started at an ancestor count.
        """
        trace, length = place
        prefix = trace.path.ids[:length]
        return [
            path
            for path in self.paths[trace.problem.question_id]
            if (path.start <= length if reuse else path.start == length)
            and path.ids[:length] == prefix
            and path is not trace.path
        ]

    def estimate(self, place: Place, *, reuse: bool = True) -> Estimate:
        """Success after a prefix; known where the reply ends with it."""
        trace, length = place
        if length == len(trace.path.ids):
            return trace.end
        return count(path.verdict for path in self.through(place, reuse=reuse))

    def grow(self, places: Sequence[Place], target: int, *, reuse: bool = True) -> None:
        """Sample until `target` rollouts count for every prefix, in one call of the sampler."""
        jobs: dict[tuple[str, tuple[int, ...]], Job] = {}
        for trace, length in places:
            if length == len(trace.path.ids):
                continue
            key = trace.problem.question_id, trace.path.ids[:length]
            missing = target - len(self.through((trace, length), reuse=reuse))
            if missing > 0 and (key not in jobs or jobs[key].count < missing):
                jobs[key] = Job(trace.problem, key[1], self.asked.get(key, 0), missing, PURPOSE)
        for (key, job), judged in zip(
            jobs.items(), rollouts.roll(self.policy, list(jobs.values())), strict=True
        ):
            self.asked[key] = job.start + job.count
            self.grown += judged
            self.paths[key[0]] += [path_of(item, len(job.reply), job.reply) for item in judged]


def path_of(judged: Judged, start: int, given: tuple[int, ...] = ()) -> Path:
    """A rollout as a path from the prompt on."""
    import numpy as np

    row = judged.row
    sampled = np.exp(np.asarray(row.logprobs, dtype=np.float64)).tolist()
    return Path(
        ids=(*given, *row.completion_ids),
        probs=(*(1.0 for _ in given), *sampled),
        verdict=judged.verdict,
        start=start,
    )


def choose_traces(problem: Problem, paths: Sequence[Path], number: int) -> list[Trace]:
    """Pick replies to walk along: wrong and right ones in turn, in the order in which they were sampled."""
    wrong = [path for path in paths if path.verdict != Verdict.RIGHT]
    right = [path for path in paths if path.verdict == Verdict.RIGHT]
    chosen: list[Path] = []
    while len(chosen) < number and (wrong or right):
        turn = wrong if (len(chosen) % 2 == 0 and wrong) or not right else right
        path = turn.pop(0)
        if all(path.ids != other.ids for other in chosen):
            chosen.append(path)
    return [Trace(problem, path) for path in chosen]
