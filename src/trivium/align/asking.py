"""Ask a checkpoint questions several times each, judge every reply, and keep all of it as rollouts.

The work is cut into shards of questions, so a killed stage goes on where it was; every reply's randomness
hangs on the run's seed, the question and the number of the reply, so shards and workers do not matter.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trivium import records, verify
from trivium.models import chat, prompting
from trivium.models.load import Tokenizer, load_tokenizer
from trivium.models.sample import Completion, Request, cached_model, sample
from trivium.models.sample_draw import request_seed
from trivium.records import Question, Rollout, Verdict, row_id
from trivium.store.ledger import run_shards

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """How a checkpoint is asked."""

    model: str
    """Folder of the checkpoint."""
    style: str
    """plain | chat, in our own format; or template, the model's own where it has one."""
    replies: int
    """Per question."""
    max_new_tokens: int
    seed: int
    purpose: str
    """Part of every reply's seed, so that two stages never draw the same numbers."""
    temperature: float = 1.0
    batch_size: int = 256


MODEL_STYLE = "template"
"""Of `Asking.style`: any model through its own chat template, ended by its own stop tokens."""

SHARD_BATCHES = 8
"""Batches of one shard; fixed, so that nothing depends on the number of workers."""


def ask(stage: StageDir, asking: Asking, questions: Sequence[Question]) -> list[Rollout]:
    """Ask every question `replies` times; rollouts come question by question."""
    size = max(1, SHARD_BATCHES * asking.batch_size // asking.replies)
    shards = [list(questions[i : i + size]) for i in range(0, len(questions), size)]
    work = functools.partial(ask_shard, asking)
    tables = run_shards(stage, asking.purpose, work, shards, label=f"{asking.purpose}: asking")
    return records.from_table(Rollout, tables["rollouts"]) if tables else []


def ask_shard(asking: Asking, questions: Sequence[Question]) -> dict[str, pa.Table]:
    """Sample and judge the replies to some questions; returns the table `rollouts`."""
    tokenizer, model = cached_tokenizer(asking.model), cached_model(asking.model)
    context = int(model.config.max_position_embeddings)
    asked: list[tuple[Question, Request]] = []
    for question in questions:
        asked += [(question, r) for r in requests_for(tokenizer, question, asking, context)]
    completions = sample(
        model,
        [request for _, request in asked],
        temperature=asking.temperature,
        stop_ids=stop_ids(asking, tokenizer),
        batch_size=asking.batch_size,
        precision="auto",
    )
    rows = [
        rollout_of(tokenizer, question, request, completion)
        for (question, request), completion in zip(asked, completions, strict=True)
    ]
    return {"rollouts": records.to_table(Rollout, rows)}


@functools.lru_cache(maxsize=2)
def cached_tokenizer(path: str) -> Tokenizer:
    """Load a tokenizer once per process."""
    return load_tokenizer(Path(path))


@functools.lru_cache(maxsize=2)
def cached_asker(path: str) -> prompting.Asker:
    """Read a model's chat template once per process."""
    return prompting.make_asker(path, cached_tokenizer(path), "auto")


def requests_for(tokenizer: Tokenizer, question: Question, asking: Asking, context: int) -> list[Request]:
    """Build a question's requests; none when its prompt fills the model's context."""
    ids = prompt_ids(asking, tokenizer, question.prompt)
    room = min(asking.max_new_tokens, context - len(ids))
    if room < 1:
        return []
    seeds = [request_seed(asking.seed, asking.purpose, question.id, k) for k in range(asking.replies)]
    return [Request(ids, seed, room) for seed in seeds]


def prompt_ids(asking: Asking, tokenizer: Tokenizer, prompt: str) -> tuple[int, ...]:
    """Return the ids after which the model replies."""
    if asking.style == MODEL_STYLE:
        return cached_asker(asking.model)(prompt)
    return tuple(chat.prompt_ids(tokenizer, prompt, asking.style))


def stop_ids(asking: Asking, tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the ids that end a reply."""
    if asking.style == MODEL_STYLE:
        return prompting.stop_ids(asking.model, tokenizer)
    return chat.stop_ids(tokenizer)


def rollout_of(tokenizer: Tokenizer, question: Question, request: Request, completion: Completion) -> Rollout:
    """Judge one completion; the rollout keeps the stop token, so that ids and log-probabilities match."""
    verdict = verify.judge(question.verifier, reply_text(tokenizer, completion.ids), question.answer)
    stopped = completion.stop_id >= 0
    return Rollout(
        id=row_id("align.asking", [question.id], f"{request.seed}"),
        question_id=question.id,
        prefix_ids=list(request.prefix_ids),
        completion_ids=[*completion.ids, completion.stop_id] if stopped else list(completion.ids),
        logprobs=list(completion.logprobs),
        verdict=str(verdict),
        finish=completion.finish,
    )


def reply_text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Return a completion as the text that is judged: white space around it does not count."""
    return tokenizer.decode(ids).strip()


def by_question(rollouts: Iterable[Rollout]) -> dict[str, list[Rollout]]:
    """Group rollouts by question, in the order of their first one."""
    groups: dict[str, list[Rollout]] = {}
    for rollout in rollouts:
        groups.setdefault(rollout.question_id, []).append(rollout)
    return groups


def replies_with_verdicts(tokenizer: Tokenizer, rollouts: Sequence[Rollout]) -> list[tuple[str, Verdict]]:
    """Return (reply, verdict) of each rollout."""
    return [(reply_text(tokenizer, r.completion_ids), Verdict(r.verdict)) for r in rollouts]
