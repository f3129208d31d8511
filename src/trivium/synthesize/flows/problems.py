"""Verified problems: word problems, calculations, program outputs and recall documents, from seeds alone.

No text is taken from anywhere and every answer is computed, so these rows have no parents: the maker, its
seed and the number of the problem make it again.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivium import records
from trivium.problems import arithmetic, programs, recall, word
from trivium.records import Example, Question
from trivium.store.ledger import run_shards
from trivium.synthesize.curriculum import problem_difficulty
from trivium.synthesize.options import ProblemsConfig
from trivium.synthesize.rows import Grown, chat, drop, plain, solved

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.store.run import StageDir

SHARD_ROWS = {"word": 4_000, "arithmetic": 6_000, "programs": 700}
"""Problems a shard; about a second of work each."""
FORMS = ("questions", "chat", "plain")
"""In this order a repeated problem is given away: the rarest use first."""
TOKENS_PER_PAIR = 3
"""A bare pair of a recall document, and a query for one. Source: problems.recall.TOKENS_PER_LINE."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A lot of problems of one kind for one use."""

    maker: str
    form: str
    seed: int
    count: int
    steps: tuple[int, int]


def make_problems(config: ProblemsConfig, stage: StageDir) -> Grown:
    """Make every verified problem; no prompt is in two of questions, chats and plain texts."""
    shards = list(plan(config, stage.seed))
    tables = run_shards(stage, "problems", make_shard, shards, label="verified problems")
    made = records.from_table(Question, tables["problems"]) if shards else []
    return sort_out(made, shards)


def plan(config: ProblemsConfig, seed: int) -> Iterator[Shard]:
    """Cut the wanted numbers into shards, each with a seed of its own."""
    wanted: Mapping[tuple[str, str], int] = {
        ("word", "questions"): config.questions,
        ("word", "chat"): config.chat_word,
        ("word", "plain"): config.word,
        ("arithmetic", "chat"): config.chat_arithmetic,
        ("arithmetic", "plain"): config.arithmetic,
        ("programs", "chat"): config.chat_programs,
        ("programs", "plain"): config.programs,
    }
    number = 0
    for (maker, form), count in wanted.items():
        steps = config.question_steps if form == "questions" else config.steps
        while count > 0:
            size = min(count, SHARD_ROWS[maker])
            yield Shard(maker, form, seed * 100_000 + number, size, steps)
            number += 1
            count -= size


def make_shard(shard: Shard) -> dict[str, pa.Table]:
    """Make one shard's problems (runs in a worker)."""
    if shard.maker == "word":
        made = word.make(shard.seed, shard.count, steps=shard.steps)
    elif shard.maker == "arithmetic":
        made = arithmetic.make(shard.seed, shard.count)
    else:
        made = programs.make(shard.seed, shard.count, run=_run_programs)
    return {"problems": records.to_table(Question, made)}


def sort_out(made: Sequence[Question], shards: Sequence[Shard]) -> Grown:
    """Turn problems into rows of their form; a prompt met before is dropped.

    Args:
        made: All problems, shard after shard.
        shards: What was asked; each gave exactly its count.
    """
    grown = Grown(tried=len(made))
    seen: set[str] = set()
    lots = [(shard, index) for shard in shards for index in range(shard.count)]
    for (shard, index), question in zip(lots, made, strict=True):
        if question.prompt in seen:
            detail = f"{shard.form}: {question.prompt}"
            grown.drops.append(drop(question.id, "problems", "repeated", detail=detail))
            continue
        seen.add(question.prompt)
        if shard.form == "questions":
            grown.questions.append(question)
        else:
            grown.examples.append(_row(question, shard, index))
    return grown


def recall_documents(config: ProblemsConfig, seed: int) -> Grown:
    """Make the short recall documents (source synthetic) and the long ones (source long)."""
    short = recall.training_documents(
        seed, config.recall, pairs=config.recall_pairs, filled=config.recall_filled
    )
    rng = random.Random(f"long-recall-{seed}")
    long = [_long_document(rng, config.long_tokens) for _ in range(config.long_recall)]
    rows = [_recall_row(text, "synthetic", seed, index) for index, text in enumerate(short)]
    rows += [_recall_row(text, "long", seed, index) for index, text in enumerate(long)]
    return Grown(examples=rows, tried=len(rows))


def drill_documents(config: ProblemsConfig, seed: int) -> Grown:
    """Make the drills (source synthetic)."""
    texts = arithmetic.drills(seed, config.drills, length=config.drill_equations)
    meta = {"maker": "drills", "seed": seed}
    rows = [
        plain(
            "problems.drills", "synthetic", text, difficulty=0.1, meta=json.dumps({**meta, "number": index})
        )
        for index, text in enumerate(texts)
    ]
    return Grown(examples=rows, tried=len(rows))


def _run_programs(codes: list[str]) -> list[str]:
    """Run made programs; they are ours, so a machine without a sandbox runs them in a limited process."""
    from trivium.verify.sandbox import Sandbox

    with Sandbox(allow_unsandboxed=True) as sandbox:
        return [sandbox.run(code, want_value=False).stdout for code in codes]


def _row(question: Question, shard: Shard, index: int) -> Example:
    flow = f"problems.{shard.maker}"
    add = chat if shard.form == "chat" else functools.partial(_plain_problem)
    meta = {"maker": shard.maker, "seed": shard.seed, "number": index, "template": question.template}
    return add(
        flow,
        question.prompt,
        question.solution,
        difficulty=problem_difficulty(question.difficulty, question.method),
        method=question.method,
        meta=json.dumps(meta),
    )


def _plain_problem(
    flow: str, prompt: str, solution: str, *, difficulty: float, method: str, meta: str
) -> Example:
    text = solved(prompt, solution)
    return plain(flow, "synthetic", text, difficulty=difficulty, method=method, meta=meta)


def _long_document(rng: random.Random, tokens: int) -> str:
    """Draw pairs and queries that fill the wanted length: mostly pairs, so that the way back is long."""
    filler = rng.random() < 0.6
    line = recall.TOKENS_PER_LINE if filler else TOKENS_PER_PAIR
    most = min(recall.MOST_PAIRS, (tokens - 8 * TOKENS_PER_PAIR) // line)
    pairs = rng.randint(max(1, most * 3 // 4), most)
    queries = (tokens - pairs * line) // TOKENS_PER_PAIR
    return recall.document(rng, pairs, queries, filler=filler)


def _recall_row(text: str, source: str, seed: int, index: int) -> Example:
    pairs = text.count(".")
    meta = json.dumps({"maker": "recall", "seed": seed, "number": index})
    return plain("problems.recall", source, text, difficulty=min(pairs / 200, 1.0), meta=meta)
