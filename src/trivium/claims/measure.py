"""What a trained arm does: held-out problems at T=0 and T=1, distance to SFT, tasks it was not trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.claims import untouched
from trivium.claims.world import World, read_problems
from trivium.errors import DataError
from trivium.evaluate import work
from trivium.evaluate.logs import GREEDY, SAMPLED, ItemLog
from trivium.models import prompting
from trivium.models.load import Tokenizer
from trivium.models.sample import Completion, Request, cached_model, sample
from trivium.models.sample_draw import request_seed
from trivium.pivotal import verifiers
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
    drift: int = 0
    """Of so many of them at most, from the first, the distance to SFT is measured too."""


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
    model = cached_model(asked.model)
    questions = read_problems(world, asked.split)[asked.start : asked.stop]
    requests = requests_for(world, asked, questions)
    plain = [request for request in requests if request is not None]
    many = [
        dataclasses.replace(request, seed=request_seed(request.seed, index))
        for request in plain
        for index in range(asked.samples)
    ]
    tokenizer = work.cached_tokenizer(str(asked.model))
    stops, size = prompting.stop_ids(asked.model, tokenizer), world.evaluate.batch_size
    firm = [dataclasses.replace(request, greedy=True) for request in plain]
    replies = sample(
        model, [*firm, *many], temperature=1.0, stop_ids=stops, batch_size=size, precision="auto"
    )
    greedy, drawn = replies[: len(firm)], replies[len(firm) :]
    far = iter(drifts(world, asked, plain, drawn[:: asked.samples]))
    each = iter(range(len(plain)))
    mine: list[list[Completion]] = []
    for request in requests:
        at = next(each) if request is not None else -1
        mine.append([greedy[at], *drawn[at * asked.samples : (at + 1) * asked.samples]] if at >= 0 else [])
    right = judge(questions, mine, tokenizer)
    return [
        _outcome(asked, question, replies, marks, next(far, (0.0, 0)) if replies else (0.0, 0))
        for question, replies, marks in zip(questions, mine, right, strict=True)
    ]


def judge(
    questions: Sequence[Question], replies: Sequence[Sequence[Completion]], tokenizer: Tokenizer
) -> list[list[bool]]:
    """Whether each reply to each question is right."""
    every = [
        verifiers.Asked(
            question.verifier, question.prompt, tokenizer.decode(reply.ids).strip(), question.answer
        )
        for question, own in zip(questions, replies, strict=True)
        for reply in own
    ]
    verdicts = iter(verifiers.judge_all(every, verifiers.JudgeModel()))
    return [[next(verdicts) == Verdict.RIGHT for _ in own] for own in replies]


def drifts(
    world: World, asked: Asked, requests: Sequence[Request], replies: Sequence[Completion]
) -> list[tuple[float, int]]:
    """KL(model || SFT) in nats over the tokens of each reply that the model sampled, and their number.

    For the first `asked.drift` problems alone.
    """
    import torch

    from trivium.models.load import load_model
    from trivium.train.forward import precision
    from trivium.train.preference_losses import divergences
    from trivium.train.work import fill

    requests, replies = requests[: asked.drift], replies[: asked.drift]
    if not requests:
        return []
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
    with torch.no_grad(), precision(sft, "auto"):
        for group in fill(marked, [len(ids) for ids, _ in marked], DRIFT_TOKENS):
            parts = divergences(sft, model, group).split([sum(marks) for _, marks in group])
            found += [(float(part.sum()), len(part)) for part in parts]
    return found


def ask_untouched(world: World, shard: work.Shard) -> Mapping[str, pa.Table]:
    """Answer a slice of another task, as the stage evaluate does or off a file; returns the table `logs`."""
    if world.untouched:
        return {"logs": to_table(ItemLog, untouched.ask(shard))}
    return work.run_shard(setting_of(world), shard)


def untouched_shards(world: World, arm: str, number: int, model: Path) -> list[work.Shard]:
    """Pieces of work for all other tasks of one model; for a model of one's own, those of the files given."""
    if world.heldout:
        return [
            work.Shard(
                checkpoint=f"{arm}/{number}",
                model=str(model),
                style="plain",
                task=path,
                mode="likelihood",
                start=0,
                stop=world.config.untouched,
            )
            for path in world.untouched
        ]
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


def requests_for(world: World, asked: Asked, questions: Sequence[Question]) -> list[Request | None]:
    """Build one request a question; None where it cannot be asked or leaves no room for a reply.

    The random seed depends on the experiment and the question but not on the model, so that models differ by
    what they learned and not by their luck.
    """
    pivotal, tokenizer = world.pivotal, work.cached_tokenizer(str(asked.model))
    asker = prompting.make_asker(asked.model, tokenizer, pivotal.prompt_style, pivotal.system)
    context = prompting.context_length(asked.model) or 2**31
    limit = world.evaluate.solution_tokens
    found: list[Request | None] = []
    for question in questions:
        try:
            ids = asker(pivotal.prompt.replace("{question}", question.prompt))
        except DataError:
            found.append(None)
            continue
        room = min(limit, context - len(ids))
        seed = request_seed(world.seed, "evaluate", SAMPLED, question.id)
        found.append(Request(ids, seed, room) if room > 0 else None)
    return found


def _outcome(
    asked: Asked,
    question: Question,
    replies: Sequence[Completion],
    right: Sequence[bool],
    drift: tuple[float, int],
) -> Outcome:
    """Put together what became of one question: the greedy reply first, then those drawn."""
    greedy, drawn = replies[:1], replies[1:]
    return Outcome(
        arm=asked.arm,
        seed=asked.number,
        item_id=question.id,
        greedy=float(any(right[:1])),
        right=sum(right[1:]),
        samples=asked.samples,
        tokens=sum(len(reply.logprobs) for reply in drawn),
        nats=-sum(sum(reply.logprobs) for reply in drawn),
        greedy_tokens=sum(len(reply.logprobs) for reply in greedy),
        kl_nats=drift[0],
        kl_tokens=drift[1],
    )
