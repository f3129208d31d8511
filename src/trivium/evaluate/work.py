"""What a worker process does: one shard is one checkpoint, one task, one mode and a slice of its items."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trivium import records
from trivium.errors import DataError
from trivium.evaluate.likelihood import Scored, score
from trivium.evaluate.logs import GREEDY, ItemLog, Task
from trivium.evaluate.tasks import TASKS, bits_per_byte, recall
from trivium.models import chat
from trivium.models.load import Tokenizer, load_tokenizer
from trivium.models.sample import Completion, Request, cached_model, sample
from trivium.models.sample_draw import request_seed
from trivium.records import Example, Question, Verdict
from trivium.store.files import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A piece of work that fits in memory and is done again whole after a kill."""

    checkpoint: str
    model: str
    """Folder of the checkpoint."""
    style: str
    """plain | chat: how the checkpoint is asked."""
    task: str
    mode: str
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What all shards share."""

    tables: tuple[str, ...]
    """Parquet files of questions: the fixed items and the contest."""
    held_out: str
    """Parquet file of held-out texts; empty without one."""
    held_out_bytes: int
    """Scored bytes a source, about."""
    window: int
    """Ids read at a time in held-out texts: the pretraining context, for every checkpoint."""
    seed: int
    tokens: dict[str, int]
    """Token limit by name, see `Task.length`."""
    batch_size: int


def run_shard(setting: Setting, shard: Shard) -> dict[str, pa.Table]:
    """Answer and judge a shard's items; returns the table `logs`."""
    if shard.task == bits_per_byte.NAME:
        logs = _weigh(setting, shard)
    elif shard.task in recall.TASKS:
        logs = _recall(setting, shard)
    else:
        logs = _answer(setting, shard)
    return {"logs": records.to_table(ItemLog, logs)}


def questions_by_task(tables: tuple[str, ...]) -> dict[str, list[Question]]:
    """Read the questions of several tables, grouped by `skill`, in file order; once per process."""
    return _questions(tables, tuple(map(written_at, tables)))


def held_out_rows(table: str, most_bytes: int) -> list[Example]:
    """Read the held-out rows that are scored, in a fixed order; once per process."""
    return _held_out(table, most_bytes, written_at(table))


def written_at(table: str) -> int:
    """Return when a file was written, so that a file written anew is read anew.

    Raises:
        DataError: There is no such file.
    """
    try:
        return Path(table).stat().st_mtime_ns
    except OSError as error:
        raise DataError(f"{table}: got {error.strerror}; expected a table, run its stage again.") from None


@functools.lru_cache(maxsize=4)
def _questions(tables: tuple[str, ...], versions: tuple[int, ...]) -> dict[str, list[Question]]:
    groups: dict[str, list[Question]] = {}
    for table in tables:
        for question in records.from_table(Question, read_parquet(Path(table))):
            groups.setdefault(question.skill, []).append(question)
    return groups


@functools.lru_cache(maxsize=2)
def _held_out(table: str, most_bytes: int, version: int) -> list[Example]:
    return bits_per_byte.usable(records.from_table(Example, read_parquet(Path(table))), most_bytes)


@functools.lru_cache(maxsize=2)
def cached_tokenizer(path: str) -> Tokenizer:
    """Load a tokenizer once per process."""
    return load_tokenizer(path)


def request_for(
    tokenizer: Tokenizer, question: Question, shard: Shard, setting: Setting, limit: int, context: int
) -> Request | None:
    """Build a sampling request; None when the prompt leaves no room for a reply in the model's context.

    The random seed depends on the run, the mode and the item but not on the checkpoint, so that checkpoints
    differ by what they learned and not by their luck.
    """
    ids = chat.prompt_ids(tokenizer, question.prompt, shard.style)
    room = min(limit, context - len(ids))
    seed = request_seed(setting.seed, "evaluate", shard.mode, question.id)
    return Request(tuple(ids), seed, room) if room > 0 else None


def judged(
    task: Task, shard: Shard, question: Question, reply: str, completion: Completion | None
) -> ItemLog:
    """Judge one reply; a question that could not be asked is unparsed, never left out."""
    verdict = task.judge(question, reply) if completion is not None else Verdict.UNPARSED
    return ItemLog(
        stage=shard.checkpoint,
        task=task.name,
        item_id=question.id,
        cluster=task.cluster(question),
        group=task.group(question),
        mode=shard.mode,
        verdict=str(verdict),
        value=float(verdict == Verdict.RIGHT),
        weight=1.0,
        reply=reply,
        detail=task.outcome(question, reply),
        num_tokens=len(completion.ids) if completion is not None else 0,
        finish=completion.finish if completion is not None else "length",
    )


def _answer(setting: Setting, shard: Shard) -> list[ItemLog]:
    task, tokenizer, model = TASKS[shard.task], cached_tokenizer(shard.model), cached_model(shard.model)
    questions = questions_by_task(setting.tables)[shard.task][shard.start : shard.stop]
    limit, context = setting.tokens[task.length], int(model.config.max_position_embeddings)
    requests = [request_for(tokenizer, q, shard, setting, limit, context) for q in questions]
    completions = iter(
        sample(
            model,
            [request for request in requests if request is not None],
            temperature=0.0 if shard.mode == GREEDY else 1.0,
            stop_ids=chat.stop_ids(tokenizer),
            batch_size=setting.batch_size,
        )
    )
    found = [next(completions) if request is not None else None for request in requests]
    replies = [tokenizer.decode(c.ids).strip() if c is not None else "" for c in found]
    return [judged(task, shard, q, r, c) for q, r, c in zip(questions, replies, found, strict=True)]


def _weigh(setting: Setting, shard: Shard) -> list[ItemLog]:
    tokenizer, model = cached_tokenizer(shard.model), cached_model(shard.model)
    rows = held_out_rows(setting.held_out, setting.held_out_bytes)[shard.start : shard.stop]
    encodings = [tokenizer.plain.encode(row.text, add_special_tokens=False) for row in rows]
    pieces = [bits_per_byte.windows(encoding.ids, setting.window) for encoding in encodings]
    scored = iter(score(model, [piece for row in pieces for piece in row], tokenizer.pad_id))
    bits = [sum(sum(next(scored).bits) for _ in row) for row in pieces]
    sizes = [
        bits_per_byte.scored_bytes(row.text, encoding.offsets)
        for row, encoding in zip(rows, encodings, strict=True)
    ]
    return [
        ItemLog(
            stage=shard.checkpoint,
            task=shard.task,
            item_id=row.id,
            cluster=row.id,
            group=row.source,
            mode=shard.mode,
            verdict="",
            value=total / size,
            weight=float(size),
            reply="",
            detail="",
            num_tokens=len(encoding.ids) - 1,
            finish="eos",
        )
        for row, encoding, total, size in zip(rows, encodings, bits, sizes, strict=True)
        if size
    ]


def _recall(setting: Setting, shard: Shard) -> list[ItemLog]:
    tokenizer, model = cached_tokenizer(shard.model), cached_model(shard.model)
    groups: dict[str, list[Question]] = {}
    for question in questions_by_task(setting.tables)[shard.task][shard.start : shard.stop]:
        groups.setdefault(recall.document_of(question), []).append(question)
    documents = [recall.answered(group[-1]) for group in groups.values()]
    encodings = [tokenizer.plain.encode(text, add_special_tokens=False) for text in documents]
    scored = score(model, [encoding.ids for encoding in encodings], tokenizer.pad_id)
    rows: list[ItemLog] = []
    for group, encoding, result in zip(groups.values(), encodings, scored, strict=True):
        rows += [_recalled(tokenizer, shard, q, encoding.ids, encoding.offsets, result) for q in group]
    return rows


def _recalled(
    tokenizer: Tokenizer,
    shard: Shard,
    question: Question,
    ids: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    scored: Scored,
) -> ItemLog:
    places = recall.answer_places(question, offsets)
    said = [scored.choices[place - 1] for place in places]
    verdict = Verdict.RIGHT if said == [ids[place] for place in places] else Verdict.WRONG
    return ItemLog(
        stage=shard.checkpoint,
        task=shard.task,
        item_id=question.id,
        cluster=recall.document_of(question),
        group="",
        mode=shard.mode,
        verdict=str(verdict),
        value=float(verdict == Verdict.RIGHT),
        weight=1.0,
        reply=tokenizer.decode(said).strip(),
        detail="",
        num_tokens=len(said),
        finish="eos",
    )
