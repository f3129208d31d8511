"""The stage's work in pieces that a worker process can do alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError
from trivium.models import prompting
from trivium.models.load import Tokenizer, find_model, load_tokenizer
from trivium.models.sample_served import Server
from trivium.models.sampling import Sampler
from trivium.pivotal import gallery, verifiers
from trivium.pivotal.estimate import StopRule
from trivium.pivotal.kept import keeping
from trivium.pivotal.measure import Read, rollouts_of
from trivium.pivotal.mine import mine
from trivium.pivotal.rollouts import Policy, Problem
from trivium.pivotal.searches import SearchRule
from trivium.pivotal.solve import Solution, busiest, choose_solutions, solved
from trivium.records import Drop, Question, Rollout, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.pivotal.stage import PivotalConfig
    from trivium.store.run import StageDir


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker needs to know; small and picklable."""

    model_path: str
    sampler: Sampler
    seed: int
    temperature: float
    budget: int
    batch_size: int
    rule: SearchRule
    solved_rollouts: int
    judge: verifiers.JudgeModel
    calls: str
    """File that keeps the calls of a judging model."""
    kept: str = ""
    """Folder that keeps the rollouts of unfinished pieces of work; empty keeps none."""


def open_settings(config: PivotalConfig, stage: StageDir) -> Settings:
    """Gather the settings of a run."""
    from trivium.llm.cache import cache_path

    rule = SearchRule(
        root_rollouts=config.root_rollouts,
        band=config.band,
        min_rollouts=config.min_rollouts,
        min_apparent_gap=config.min_apparent_gap,
        max_candidates=config.max_candidates,
        stop=StopRule(config.gap, config.looks, config.level, config.patience),
        search=config.search,
        traces=config.traces,
        trace_rollouts=config.trace_rollouts,
    )
    return Settings(
        model_path=str(find_model(config.model, stage, weights=not config.endpoint)),
        sampler=Sampler(
            device=config.device,
            engine=config.engine,
            server=Server(endpoint=config.endpoint, name=config.served_name) if config.endpoint else None,
        ),
        seed=stage.seed,
        temperature=config.temperature,
        budget=config.max_reply_tokens,
        batch_size=config.batch_size,
        rule=rule,
        solved_rollouts=config.solved_rollouts,
        judge=config.judge,
        calls=str(cache_path(stage.path.parent)),
        kept=str(stage.scratch / "rollouts"),
    )


def prepare(
    config: PivotalConfig, stage: StageDir, questions: Sequence[Question], settings: Settings
) -> list[Problem]:
    """Turn questions into prompts, up to the number asked for; those that cannot be asked are dropped.

    Raises:
        DataError: None can be asked.
    """
    tokenizer = _tokenizer(settings.model_path)
    context = prompting.context_length(settings.model_path)
    ask = prompting.make_asker(settings.model_path, tokenizer, config.prompt_style, config.system)
    found: list[Problem] = []
    drops: list[Drop] = []
    for question in questions:
        if len(found) == config.num_questions:
            break
        try:
            ids = ask(config.prompt.replace("{question}", question.prompt))
        except DataError as error:
            drops.append(
                Drop(id=question.id, step="pivotal.prompt", reason="special token", detail=str(error))
            )
            continue
        if context is None or len(ids) + settings.budget <= context:
            found.append(Problem(question.id, ids, question.answer, question.verifier, question.prompt))
        else:
            detail = f"{len(ids)} prompt tokens + {settings.budget} exceed the context of {context}"
            drops.append(Drop(id=question.id, step="pivotal.prompt", reason="too long", detail=detail))
    stage.drop(drops)
    if not found:
        raise DataError(
            f"pivotal: no prompt leaves {settings.budget} tokens for a reply in a context of {context}; "
            "lower pivotal.max_reply_tokens."
        )
    for name in sorted({problem.verifier for problem in found}):
        verifiers.check(name, config.judge)
    return found


def cut(problems: Sequence[Problem], size: int, first: int) -> list[tuple[Problem, ...]]:
    """Cut into pieces, whatever the number of workers: small ones first, so that there is something to see.

    Two pieces of `first`, then two twice as large, and so on up to `size`.
    """
    pieces: list[tuple[Problem, ...]] = []
    start = 0
    while start < len(problems):
        amount = min(size, first * 2 ** (len(pieces) // 2))
        pieces.append(tuple(problems[start : start + amount]))
        start += amount
    return pieces


def search(settings: Settings) -> Callable[[tuple[Problem, ...]], Mapping[str, pa.Table]]:
    """The search of one shard as a picklable function."""
    return partial(_search_shard, settings)


def tally(tables: Mapping[str, pa.Table]) -> dict[str, int]:
    """What the progress bar tells of a finished shard."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(tables["rollouts"].column("completion_ids"))
    return {
        "pivots": tables["pivotal_tokens"].num_rows,
        "pairs": tables["preferences"].num_rows,
        "tokens": int(pc.sum(lengths).as_py() or 0),
    }


def solve(
    config: PivotalConfig, stage: StageDir, problems: Sequence[Problem], mined: Read, settings: Settings
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
    tables = run_shards(
        stage,
        "solve",
        partial(_solve_shard, settings),
        pieces,
        workers=workers_for(config),
        label="pivotal solutions",
    )
    return [json.loads(text) for text in tables["solved"].column("page").to_pylist()]


def show(
    config: PivotalConfig, problems: Sequence[Problem], mined: Read, settings: Settings
) -> list[dict[str, Any]]:
    """The pivotal tokens of the page with what was sampled after each alternative."""
    chosen = gallery.choose(mined.pivotal_tokens, config.num_shown)
    seen = rollouts_of(mined.rollouts, {pivot.question_id for pivot in chosen})
    text_of = partial(_tokenizer(settings.model_path).decode, keep_special=True)
    return gallery.rows(chosen, problems, seen, text_of)


def workers_for(config: PivotalConfig) -> int | None:
    """One process for a GPU, the stage's own number otherwise."""
    return None if config.device == "cpu" and config.engine == "torch" else 1


def kind_of(settings: Settings) -> Callable[[int, int], str]:
    """Tell what two competing tokens are: `digit` (a slip of the pen), `stop`, or `word` (a choice)."""
    tokenizer = _tokenizer(settings.model_path)
    return partial(_kind, tokenizer, frozenset(prompting.stop_ids(settings.model_path, tokenizer)))


def nothing_right(problems: Sequence[Problem], rollouts: pa.Table, settings: Settings) -> str:
    """The error for a verifier that judged no rollout right, with three examples."""
    tokenizer = _tokenizer(settings.model_path)
    asked = {problem.question_id: problem for problem in problems[:3]}
    shown = []
    for rollout in {row.question_id: row for row in rollouts_of(rollouts, asked)}.values():
        problem = asked[rollout.question_id]
        reply = tokenizer.decode(rollout.completion_ids)
        shown.append(f"\n  {problem.prompt!r} -> {reply!r} ({rollout.verdict}, expected {problem.answer!r})")
    named = ", ".join(sorted({problem.verifier for problem in problems}))
    return (
        f"pivotal: none of {rollouts.num_rows:,} rollouts was judged right by {named}, expected some; "
        "see that answers, prompt and verifier fit the replies, give more tokens, or take an abler model. "
        f"Examples: {''.join(shown)}"
    )


def _search_shard(settings: Settings, problems: tuple[Problem, ...]) -> Mapping[str, pa.Table]:
    return mine(open_policy(settings), problems, settings.rule).tables()


def _solve_shard(settings: Settings, piece: tuple[Solution, tuple[Rollout, ...]]) -> Mapping[str, pa.Table]:
    import pyarrow

    solution, seen = piece
    text_of = partial(_tokenizer(settings.model_path).decode, keep_special=True)
    page = solved(
        open_policy(settings), solution, seen, settings.solved_rollouts, settings.rule.stop.gap, text_of
    )
    return {"solved": pyarrow.table({"page": [json.dumps(page)]})}


def open_policy(settings: Settings) -> Policy:
    """The model and the verifier of this process."""
    tokenizer = _tokenizer(settings.model_path)
    stops = prompting.stop_ids(settings.model_path, tokenizer)
    draw = settings.sampler.open(
        settings.model_path,
        temperature=settings.temperature,
        stop_ids=stops,
        batch_size=settings.batch_size,
    )
    if settings.kept:
        draw = keeping(Path(settings.kept), draw)
    judge = partial(_judge, tokenizer, settings.judge, Path(settings.calls))
    return Policy(draw, judge, frozenset(stops), settings.budget, settings.seed)


def _judge(
    tokenizer: Tokenizer,
    judge: verifiers.JudgeModel,
    calls: Path,
    replies: Sequence[tuple[Problem, Sequence[int]]],
) -> list[Verdict]:
    asked = [
        verifiers.Asked(problem.verifier, problem.prompt, tokenizer.decode(ids), problem.answer)
        for problem, ids in replies
    ]
    return verifiers.judge_all(asked, judge, calls)


def _kind(tokenizer: Tokenizer, stops: frozenset[int], one: int, other: int) -> str:
    if one in stops or other in stops:
        return "stop"
    texts = [tokenizer.decode([token]).strip() for token in (one, other)]
    return "digit" if all(text.isdigit() for text in texts) else "word"


@lru_cache(maxsize=1)
def _tokenizer(model_path: str) -> Tokenizer:
    return load_tokenizer(model_path)
