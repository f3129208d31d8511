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


@dataclass(frozen=True, slots=True)
class Policy:
    """A model that can be sampled and a verifier that judges what it says."""

    sample: Callable[[Sequence[Request]], list[Completion]]
    judge: Callable[[Problem, Sequence[int]], Verdict]
    """Verdict of a whole reply, given as ids without the stop token."""
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
    """Sample and judge the rollouts of all jobs in one call of the sampler.

    A rollout's completion ids include the stop token when one was drawn, so that its log-probabilities
    belong to them one to one. A rollout that ran out of budget is judged as it stands.
    """
    requests = [
        _request(policy, job, index) for job in jobs for index in range(job.start, job.start + job.count)
    ]
    completions = iter(policy.sample(requests))
    return [[_judge(policy, job, next(completions)) for _ in range(job.count)] for job in jobs]


def estimate(judged: Sequence[Judged]) -> Estimate:
    """Count the verdicts of rollouts of one prefix."""
    return count(item.verdict for item in judged)


def judge_reply(policy: Policy, problem: Problem, reply: Sequence[int]) -> Verdict:
    """Judge a reply that may end with a stop token."""
    body = reply[:-1] if reply and reply[-1] in policy.stop_ids else reply
    return policy.judge(problem, body)


def _request(policy: Policy, job: Job, index: int) -> Request:
    assert len(job.reply) < policy.budget, "a prefix that fills the budget has nothing left to sample"
    seed = request_seed(policy.seed, job.purpose, job.problem.question_id, *job.reply, "rollout", index)
    return Request(job.problem.prompt_ids + job.reply, seed, policy.budget - len(job.reply))


def _judge(policy: Policy, job: Job, completion: Completion) -> Judged:
    new = completion.ids if completion.stop_id < 0 else (*completion.ids, completion.stop_id)
    verdict = judge_reply(policy, job.problem, job.reply + new)
    prefix = job.problem.prompt_ids + job.reply
    content = ",".join(map(str, (*prefix, "|", *new)))
    row = Rollout(
        id=row_id(f"pivotal.{job.purpose}", [job.problem.question_id], content),
        question_id=job.problem.question_id,
        prefix_ids=list(prefix),
        completion_ids=list(new),
        logprobs=list(completion.logprobs),
        verdict=verdict,
        finish=completion.finish,
    )
    return Judged(row, verdict)
