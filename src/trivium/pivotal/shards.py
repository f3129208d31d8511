"""The stage's work in pieces that a worker process can do alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import verify
from trivium.errors import DataError
from trivium.models import chat
from trivium.models.load import Tokenizer, load_tokenizer
from trivium.models.sample import cached_model, sample
from trivium.pivotal.estimate import StopRule
from trivium.pivotal.measure import Read, rollouts_of
from trivium.pivotal.mine import SearchRule, mine
from trivium.pivotal.rollouts import Policy, Problem
from trivium.pivotal.solve import Solution, busiest, choose_solutions, solved
from trivium.records import Drop, Question, Rollout, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.pivotal.stage import PivotalConfig
    from trivium.store.run import StageDir

Prompted = tuple[Problem, str]
"""A question as ids, and its prompt as text."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker needs to know; small and picklable."""

    model_path: str
    seed: int
    temperature: float
    budget: int
    batch_size: int
    rule: SearchRule
    solved_rollouts: int


def open_settings(config: PivotalConfig, stage: StageDir) -> Settings:
    """Gather the settings of a run."""
    rule = SearchRule(
        root_rollouts=config.root_rollouts,
        band=config.band,
        min_rollouts=config.min_rollouts,
        min_apparent_gap=config.min_apparent_gap,
        max_candidates=config.max_candidates,
        stop=StopRule(config.gap, config.looks, config.level),
    )
    return Settings(
        model_path=str(stage.folder(config.model) / "model"),
        seed=stage.seed,
        temperature=config.temperature,
        budget=config.max_reply_tokens,
        batch_size=config.batch_size,
        rule=rule,
        solved_rollouts=config.solved_rollouts,
    )


def prepare(
    config: PivotalConfig, stage: StageDir, questions: Sequence[Question], settings: Settings
) -> list[Prompted]:
    """Turn questions into prompts, up to the number asked for; those that do not fit the context are dropped.

    Raises:
        DataError: None fits.
    """
    tokenizer = _tokenizer(settings.model_path)
    context = json.loads((Path(settings.model_path) / "config.json").read_text("utf-8"))[
        "max_position_embeddings"
    ]
    found: list[Prompted] = []
    drops: list[Drop] = []
    for question in questions:
        if len(found) == config.num_questions:
            break
        ids = tuple(chat.prompt_ids(tokenizer, question.prompt, "chat"))
        if len(ids) + settings.budget <= context:
            found.append((Problem(question.id, ids, question.answer, question.verifier), question.prompt))
        else:
            detail = f"{len(ids)} prompt tokens + {settings.budget} exceed the context of {context}"
            drops.append(Drop(id=question.id, step="pivotal.prompt", reason="too long", detail=detail))
    stage.drop(drops)
    if not found:
        raise DataError(
            f"pivotal: no prompt leaves {settings.budget} tokens for a reply in a context of {context}; "
            "lower pivotal.max_reply_tokens."
        )
    return found


def cut(problems: Sequence[Problem], size: int) -> list[tuple[Problem, ...]]:
    """Cut into pieces of a fixed size, whatever the number of workers."""
    return [tuple(problems[i : i + size]) for i in range(0, len(problems), size)]


def search(settings: Settings) -> Callable[[tuple[Problem, ...]], Mapping[str, pa.Table]]:
    """The search of one shard as a picklable function."""
    return partial(_search_shard, settings)


def solve(
    config: PivotalConfig, stage: StageDir, problems: Sequence[Prompted], mined: Read, settings: Settings
) -> list[dict[str, Any]]:
    """Work out the solutions of the page, one a shard."""
    from trivium.store.ledger import run_shards

    found = rollouts_of(mined.rollouts, busiest(mined.pivotal_tokens, 8 * config.num_solved))
    chosen = choose_solutions(problems, found, mined.pivotal_tokens, config.num_solved)
    if not chosen:
        return []
    pieces = [
        (solution, tuple(row for row in found if row.question_id == solution.problem.question_id))
        for solution in chosen
    ]
    tables = run_shards(stage, "solve", partial(_solve_shard, settings), pieces, label="pivotal solutions")
    return [json.loads(text) for text in tables["solved"].column("page").to_pylist()]


def kind_of(settings: Settings) -> Callable[[int, int], str]:
    """Tell what two competing tokens are: `digit` (a slip of the pen), `stop`, or `word` (a choice)."""
    tokenizer = _tokenizer(settings.model_path)
    return partial(_kind, tokenizer, frozenset(chat.stop_ids(tokenizer)))


def nothing_right(problems: Sequence[Prompted], rollouts: pa.Table, settings: Settings) -> str:
    """The error for a verifier that judged no rollout right, with three examples."""
    tokenizer = _tokenizer(settings.model_path)
    asked = {problem.question_id: (problem, prompt) for problem, prompt in problems[:3]}
    shown = []
    for rollout in {row.question_id: row for row in rollouts_of(rollouts, asked)}.values():
        problem, prompt = asked[rollout.question_id]
        reply = tokenizer.decode(rollout.completion_ids)
        shown.append(f"\n  {prompt!r} -> {reply!r} ({rollout.verdict}, expected {problem.answer!r})")
    verifiers = ", ".join(sorted({problem.verifier for problem, _ in problems}))
    return (
        f"pivotal: none of {rollouts.num_rows:,} rollouts was judged right by {verifiers}, expected some; "
        f"see that answers and verifier fit the replies, or train longer. Examples: {''.join(shown)}"
    )


def _search_shard(settings: Settings, problems: tuple[Problem, ...]) -> Mapping[str, pa.Table]:
    return mine(_policy(settings), problems, settings.rule).tables()


def _solve_shard(settings: Settings, piece: tuple[Solution, tuple[Rollout, ...]]) -> Mapping[str, pa.Table]:
    import pyarrow

    solution, seen = piece
    text_of = partial(_tokenizer(settings.model_path).decode, keep_special=True)
    page = solved(
        _policy(settings), solution, seen, settings.solved_rollouts, settings.rule.stop.gap, text_of
    )
    return {"solved": pyarrow.table({"page": [json.dumps(page)]})}


def _policy(settings: Settings) -> Policy:
    tokenizer = _tokenizer(settings.model_path)
    stops = chat.stop_ids(tokenizer)
    draw = partial(
        sample,
        cached_model(settings.model_path),
        temperature=settings.temperature,
        stop_ids=stops,
        batch_size=settings.batch_size,
    )
    return Policy(draw, partial(_judge, tokenizer), frozenset(stops), settings.budget, settings.seed)


def _judge(tokenizer: Tokenizer, problem: Problem, reply: Sequence[int]) -> Verdict:
    return verify.judge(problem.verifier, tokenizer.decode(reply), problem.answer)


def _kind(tokenizer: Tokenizer, stops: frozenset[int], one: int, other: int) -> str:
    if one in stops or other in stops:
        return "stop"
    texts = [tokenizer.decode([token]).strip() for token in (one, other)]
    return "digit" if all(text.isdigit() for text in texts) else "word"


@lru_cache(maxsize=1)
def _tokenizer(model_path: str) -> Tokenizer:
    return load_tokenizer(model_path)
