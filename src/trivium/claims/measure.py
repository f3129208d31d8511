"""What a trained arm does: held-out problems at T=0 and T=1, distance to SFT, tasks it was not trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.claims.world import World
from trivium.evaluate import work
from trivium.evaluate.logs import GREEDY, SAMPLED
from trivium.evaluate.tasks import TASKS, contest
from trivium.models import chat
from trivium.models.load import Tokenizer
from trivium.models.sample import Completion, Request, cached_model, sample
from trivium.models.sample_draw import request_seed
from trivium.records import Question, Verdict, to_table

if TYPE_CHECKING:
    import pyarrow as pa

UNTOUCHED = ("arithmetic", "facts_known", "facts_unknown", "instructions")
"""Tasks of the stage evaluate that the questions are not about."""

CHUNK = 250
"""Held-out problems of one piece of work."""

DRIFT_TOKENS = 4096
"""Tokens of one forward pass when the distance to SFT is measured."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A model and a slice of problems."""

    arm: str
    number: int
    """Of the seed."""
    model: Path
    split: str
    start: int
    stop: int
    samples: int
    drift: bool = False
    """Whether the distance to SFT is measured too."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one model did with one problem."""

    arm: str
    seed: int
    item_id: str
    greedy: float
    """1 when the greedy reply is right."""
    right: int
    """Right replies of those sampled at T=1."""
    samples: int
    tokens: int
    """Tokens of all sampled replies."""
    nats: float
    """Minus the log-probability of all of them: an unbiased estimate of entropy."""
    greedy_tokens: int
    kl_nats: float
    """KL(model || SFT) summed over the tokens of the first sampled reply."""
    kl_tokens: int


def ask_problems(world: World, asked: Asked) -> Mapping[str, pa.Table]:
    """Answer a slice of the problems; returns the table `outcomes`."""
    return {"outcomes": to_table(Outcome, ask(world, asked))}


def ask(world: World, asked: Asked) -> list[Outcome]:
    """Answer every problem once greedily and `samples` times at T=1; all models draw alike."""
    tokenizer, model = work.cached_tokenizer(str(asked.model)), cached_model(asked.model)
    path = str(world.problems(asked.split))
    questions = work.questions_by_task((path,))[contest.NAME][asked.start : asked.stop]
    requests = [_request(world, asked, question) for question in questions]
    plain = [request for request in requests if request is not None]
    many = [
        dataclasses.replace(request, seed=request_seed(request.seed, index))
        for request in plain
        for index in range(asked.samples)
    ]
    stops, size = chat.stop_ids(tokenizer), world.evaluate.batch_size
    greedy = sample(model, plain, temperature=0.0, stop_ids=stops, batch_size=size)
    drawn = sample(model, many, temperature=1.0, stop_ids=stops, batch_size=size)
    far = drifts(world, asked, plain, drawn[:: asked.samples]) if asked.drift else [(0.0, 0)] * len(plain)
    each = iter(range(len(plain)))
    rows = []
    for question, request in zip(questions, requests, strict=True):
        if request is None:
            rows.append(_outcome(asked, question, tokenizer, [], [], (0.0, 0)))
        else:
            at = next(each)
            replies = drawn[at * asked.samples : (at + 1) * asked.samples]
            rows.append(_outcome(asked, question, tokenizer, [greedy[at]], replies, far[at]))
    return rows


def drifts(
    world: World, asked: Asked, requests: Sequence[Request], replies: Sequence[Completion]
) -> list[tuple[float, int]]:
    """KL(model || SFT) in nats over the tokens of each reply that the model sampled, and their number."""
    import torch

    from trivium.models.load import load_model
    from trivium.train.preference_losses import divergences
    from trivium.train.work import fill

    model, sft = cached_model(asked.model), load_model(world.sft)
    documents = [
        ([*request.prefix_ids, *reply.ids, *([reply.stop_id] if reply.stop_id >= 0 else [])])
        for request, reply in zip(requests, replies, strict=True)
    ]
    marked = [
        (ids, [False] * len(request.prefix_ids) + [True] * (len(ids) - len(request.prefix_ids)))
        for ids, request in zip(documents, requests, strict=True)
    ]
    found: list[tuple[float, int]] = []
    with torch.no_grad():
        for group in fill(marked, [len(ids) for ids, _ in marked], DRIFT_TOKENS):
            parts = divergences(sft, model, group).split([sum(marks) for _, marks in group])
            found += [(float(part.sum()), len(part)) for part in parts]
    return found


def ask_untouched(world: World, shard: work.Shard) -> Mapping[str, pa.Table]:
    """Answer a slice of another task, as the stage evaluate does; returns the table `logs`."""
    return work.run_shard(setting_of(world), shard)


def untouched_shards(world: World, arm: str, number: int, model: Path) -> list[work.Shard]:
    """Pieces of work for all other tasks of one model."""
    groups = work.questions_by_task(setting_of(world).tables)
    return [
        work.Shard(
            checkpoint=f"{arm}/{number}",
            model=str(model),
            style="chat",
            task=name,
            mode=GREEDY,
            start=0,
            stop=min(len(groups[name]), world.config.untouched),
        )
        for name in UNTOUCHED
        if groups.get(name)
    ]


def kept(task: str, verdict: str) -> float:
    """1 for what should not be lost: a right reply, and for a fact that nobody can know, not a wrong one."""
    wanted = verdict != Verdict.WRONG if task == "facts_unknown" else verdict == Verdict.RIGHT
    return float(wanted)


def setting_of(world: World) -> work.Setting:
    """What the shards of the evaluation share."""
    return work.Setting(
        tables=(str(world.stages["items"] / "questions.parquet"),),
        held_out="",
        held_out_bytes=0,
        window=0,
        seed=world.seed,
        tokens={
            name: getattr(world.evaluate, name)
            for name in ("solution_tokens", "answer_tokens", "instruction_tokens")
        },
        batch_size=world.evaluate.batch_size,
    )


def _request(world: World, asked: Asked, question: Question) -> Request | None:
    tokenizer, model = work.cached_tokenizer(str(asked.model)), cached_model(asked.model)
    shard = work.Shard(
        checkpoint=asked.arm,
        model=str(asked.model),
        style="chat",
        task=contest.NAME,
        mode=SAMPLED,
        start=asked.start,
        stop=asked.stop,
    )
    setting = setting_of(world)
    limit = setting.tokens[TASKS[contest.NAME].length]
    context = int(model.config.max_position_embeddings)
    return work.request_for(tokenizer, question, shard, setting, limit, context)


def _outcome(
    asked: Asked,
    question: Question,
    tokenizer: Tokenizer,
    greedy: Sequence[Completion],
    drawn: Sequence[Completion],
    drift: tuple[float, int],
) -> Outcome:
    def right(reply: Completion) -> bool:
        return contest.judge(question, tokenizer.decode(reply.ids).strip()) == Verdict.RIGHT

    return Outcome(
        arm=asked.arm,
        seed=asked.number,
        item_id=question.id,
        greedy=float(any(map(right, greedy))),
        right=sum(map(right, drawn)),
        samples=asked.samples,
        tokens=sum(len(reply.logprobs) for reply in drawn),
        nats=-sum(sum(reply.logprobs) for reply in drawn),
        greedy_tokens=sum(len(reply.logprobs) for reply in greedy),
        kl_nats=drift[0],
        kl_tokens=drift[1],
    )
