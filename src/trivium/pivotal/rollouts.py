"""Rollouts of a policy: ask for many, get judged ones, on token ids from end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.models.sample import Completion, Request
from trivium.models.sample_draw import request_seed
from trivium.pivotal.estimate import Estimate, count
from trivium.records import Rollout, Verdict, row_id


@dataclass(frozen=True, slots=True)
class Problem:
    """A question as the policy sees it."""

    question_id: str
    prompt_ids: tuple[int, ...]
    answer: str
    verifier: str
    prompt: str = ""
    """What is asked, as text; for the page and for a verifier that reads the question."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A model that can be sampled and a verifier that judges what it says."""

    sample: Callable[[Sequence[Request]], list[Completion]]
    judge: Callable[[Sequence[tuple[Problem, Sequence[int]]]], list[Verdict]]
    """Verdicts of whole replies, given as ids without the stop token; many at once."""
    stop_ids: frozenset[int]
    budget: int
    """Tokens of a whole reply, the stop token included: the same for every rollout of a question, however
    long the prefix it starts from. Otherwise p would change with the length left and break the bound."""
    seed: int


@dataclass(frozen=True, slots=True)
class Job:
    """Ask for rollouts `start` to `start + count - 1` from a prefix of the reply."""

    problem: Problem
    reply: tuple[int, ...]
    start: int
    count: int
    purpose: str
    """Part of the seed, so that searching and confirming never share a rollout."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A rollout and its verdict."""

    row: Rollout
    verdict: Verdict


def roll(policy: Policy, jobs: Sequence[Job]) -> list[list[Judged]]:
    """Sample and judge the rollouts of all jobs in one call of the sampler and one of the verifier.

    A rollout's completion ids include the stop token when one was drawn, so that its log-probabilities
    belong to them one to one. A rollout that ran out of budget is judged as it stands.
    """
    asked = [(job, index) for job in jobs for index in range(job.start, job.start + job.count)]
    completions = policy.sample([_request(policy, job, index) for job, index in asked])
    new = [c.ids if c.stop_id < 0 else (*c.ids, c.stop_id) for c in completions]
    replies = [(job.problem, job.reply + ids) for (job, _), ids in zip(asked, new, strict=True)]
    verdicts = judge_replies(policy, replies)
    judged = iter(
        [
            Judged(_row(job, ids, completion, verdict), verdict)
            for (job, _), ids, completion, verdict in zip(asked, new, completions, verdicts, strict=True)
        ]
    )
    return [[next(judged) for _ in range(job.count)] for job in jobs]


def estimate(judged: Sequence[Judged]) -> Estimate:
    """Count the verdicts of rollouts of one prefix."""
    return count(item.verdict for item in judged)


def judge_replies(policy: Policy, replies: Sequence[tuple[Problem, tuple[int, ...]]]) -> list[Verdict]:
    """Judge replies that may end with a stop token."""
    if not replies:
        return []
    return policy.judge([(problem, _body(policy, reply)) for problem, reply in replies])


def _body(policy: Policy, reply: tuple[int, ...]) -> tuple[int, ...]:
    return reply[:-1] if reply and reply[-1] in policy.stop_ids else reply


def _request(policy: Policy, job: Job, index: int) -> Request:
    assert len(job.reply) < policy.budget, "a prefix that fills the budget has nothing left to sample"
    seed = request_seed(policy.seed, job.purpose, job.problem.question_id, *job.reply, "rollout", index)
    return Request(job.problem.prompt_ids + job.reply, seed, policy.budget - len(job.reply))


def _row(job: Job, new: tuple[int, ...], completion: Completion, verdict: Verdict) -> Rollout:
    prefix = job.problem.prompt_ids + job.reply
    content = ",".join(map(str, (*prefix, "|", *new)))
    return Rollout(
        id=row_id(f"pivotal.{job.purpose}", [job.problem.question_id], content),
        question_id=job.problem.question_id,
        prefix_ids=list(prefix),
        completion_ids=list(new),
        logprobs=list(completion.logprobs),
        verdict=verdict,
        finish=completion.finish,
    )
