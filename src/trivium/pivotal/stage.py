"""Pivotal: questions with checkable answers -> single-token preference pairs from the model's own rollouts.

Reads the SFT checkpoint and the questions; writes rollouts, searched (one row a question), pivotal_tokens,
preferences and solved.json. Work goes in fixed shards of questions, so a killed run repeats at most the
shards that were in flight and the result does not depend on the number of workers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trivium.errors import ConfigError, DataError
from trivium.pivotal import questions
from trivium.pivotal.verifiers import JudgeModel, source_of
from trivium.records import Question
from trivium.store import row_files

if TYPE_CHECKING:
    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class PivotalConfig:
    """Which questions are searched, how much is sampled and what counts as a pivot."""

    model: str = "sft"
    """Stage whose checkpoint is searched, or a Hugging Face folder; its own rollouts make the pairs."""
    questions: str = "synthesize"
    """Stage whose table `questions` is searched, or a question file (.jsonl, .json, .parquet)."""
    question_column: str = ""
    """Column of a question file; empty finds question, prompt, problem, input and the like."""
    answer_column: str = ""
    """Column of a question file; empty finds answer, target, ground_truth, solution and the like."""
    verifier: str = ""
    """Verifier of a question file: a name, module:function or judge; empty takes each row's, else number."""
    judge: JudgeModel = JudgeModel()
    """The model that the verifier `judge` asks."""
    prompt_style: str = "auto"
    """chat (the model's own template), raw (the text alone), or auto: chat where there is a template."""
    prompt: str = "{question}"
    """What is asked; {question} stands for the question."""
    system: str = ""
    """System turn before it; empty for none."""
    skill: str = "word"
    """Only questions of this skill; empty takes all. Not for a question file."""
    difficulty: tuple[int, int] = (2, 8)
    """Least and greatest number of steps of a question. Not for a question file."""
    num_questions: int = 1000
    """Questions searched at most, drawn by the run's seed."""
    temperature: float = 1.0
    """Sampling temperature of all rollouts; the Phi-4 report's figure 3 uses 1."""
    max_reply_tokens: int = 160
    """Tokens of a whole reply; the same total for every rollout of a question."""
    root_rollouts: tuple[int, ...] = (8, 16)
    """Whole replies to a question after each step; it stops early when all or none are right so far."""
    band: tuple[float, float] = (0.2, 0.8)
    """Success probability that a question must have. Source: Phi-4 report, section 4.3."""
    search: Literal["tree", "bisect", "scan"] = "tree"
    """tree: candidates off the rollouts at hand; bisect: the report's; scan: every eligible token."""
    traces: int = 0
    """Replies of each question that are walked along: 1 or more for bisect and scan; the tree grows there."""
    trace_rollouts: int = 16
    """Rollouts for each prefix on such a walk."""
    gap: float = 0.2
    """Least shift of a pivotal token and least surely shown gap of a pair. Source: Phi-4 report, figure 3."""
    min_rollouts: int = 4
    """Rollouts that must have passed through a branching."""
    min_apparent_gap: float = 0.3
    """Least difference of the shrunk success rates of two tokens that makes them a candidate."""
    max_candidates: int = 8
    """Candidates of one question that are followed up, widest first, so that no question dominates."""
    fdr: float = 0.0
    """Greatest expected share of false pairs among those kept (e-BH); 0 keeps every confirmed pair."""
    looks: tuple[int, ...] = (4, 8, 12, 16)
    """Fresh rollouts a side at which a candidate may be settled; see StopRule."""
    level: float = 0.95
    """Coverage of the interval at each look."""
    patience: int = 0
    """Fresh rollouts a side before a difference below the gap alone is given up; more find narrower gaps."""
    num_solved: int = 3
    """Solutions for the report page with the success probability after every token."""
    solved_rollouts: int = 24
    """Fresh rollouts for each prefix of those."""
    num_shown: int = 40
    """Pivotal tokens for the report page with continuations of every alternative."""
    shard_questions: int = 48
    """Questions of one piece of work at most."""
    first_shard: int = 2
    """Questions of the first pieces, which then grow, so that there is soon something to see."""
    device: str = "cpu"
    """cpu, cuda, or auto: a GPU where there is one."""
    engine: Literal["torch", "vllm"] = "torch"
    """What samples in this process: PyTorch, or vLLM where the extra of that name is installed."""
    endpoint: str = ""
    """Server that samples instead: http://host:port/v1 (vLLM), http://host:port (llama.cpp's server)."""
    served_name: str = ""
    """Name of the model there; empty takes the only one that it serves."""
    batch_size: int = 256
    """Rollouts that run at once in a process; no effect on the result."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if not 0 < self.gap < 1:
            raise ConfigError(f"pivotal.gap: got {self.gap}, expected between 0 and 1; the report uses 0.2.")
        if not 0 <= self.fdr < 1:
            raise ConfigError(f"pivotal.fdr: got {self.fdr}, expected from 0 (off) to below 1, such as 0.1.")
        if not 0 <= self.band[0] <= self.band[1] <= 1:
            raise ConfigError(f"pivotal.band: got {self.band}, expected two growing shares such as 0.2,0.8.")
        if self.search != "tree" and self.traces < 1:
            raise ConfigError(
                f"pivotal.traces: got {self.traces}, expected 1 or more for search {self.search}."
            )
        if self.first_shard < 1 or self.shard_questions < 1:
            raise ConfigError(
                f"pivotal.first_shard: got {self.first_shard} and {self.shard_questions} questions a shard, "
                "expected 1 or more of both."
            )
        if "{question}" not in self.prompt:
            raise ConfigError(
                f"pivotal.prompt: got {self.prompt!r}, expected a text with {{question}} in it."
            )
        if not self.root_rollouts or sorted(set(self.root_rollouts)) != list(self.root_rollouts):
            raise ConfigError(
                f"pivotal.root_rollouts: got {self.root_rollouts}, expected growing numbers such as 8,16."
            )


def outside(config: PivotalConfig) -> dict[str, str]:
    """What the stage reads outside its run: a model and a question file of one's own, a callable verifier."""
    from trivium.store.fingerprint import content_hash

    found = {"model": Path(config.model)} if (Path(config.model) / "config.json").is_file() else {}
    if row_files.is_file(config.questions):
        found["questions"] = Path(config.questions)
    if (source := source_of(config.verifier)) is not None:
        found["verifier"] = source
    return {name: content_hash(path) for name, path in found.items()}


def run(config: PivotalConfig, stage: StageDir) -> dict[str, Any]:
    """Search, confirm and write the pairs.

    Returns:
        Metrics; see `trivium.pivotal.measure`.

    Raises:
        DataError: No question fits, or the verifier judged not a single rollout right.
    """
    from trivium.pivotal import discoveries, measure, shards
    from trivium.store.ledger import run_shards

    started = time.perf_counter()
    opened = shards.open_settings(config, stage)
    problems = shards.prepare(config, stage, _choose(config, stage), opened)
    pieces = shards.cut(problems, config.shard_questions, config.first_shard)
    tables = run_shards(
        stage,
        "search",
        shards.search(opened),
        pieces,
        workers=shards.workers_for(config),
        label="pivotal search",
        unit="questions",
        sizes=[len(piece) for piece in pieces],
        tally=shards.tally,
    )
    tables = discoveries.within(tables, config.fdr)
    mined = measure.read(tables)
    if not any(row.num_right for row in mined.searched):
        raise DataError(shards.nothing_right(problems, mined.rollouts, opened))
    searched_seconds = time.perf_counter() - started
    for name in ("rollouts", "searched", "candidates", "pivotal_tokens", "preferences"):
        stage.write_table(name, tables[name])
    stage.drop(mined.drops)
    pages = shards.solve(config, stage, problems, mined, opened)
    stage.write_json("solved", pages)
    stage.write_json("pivots", shards.show(config, problems, mined, opened))
    lengths = {problem.question_id: len(problem.prompt_ids) for problem in problems}
    return measure.metrics(mined, lengths, shards.kind_of(opened), opened.rule.stop) | {
        "search": config.search,
        "num_solved": len(pages),
        "solved_pivots": sum(token["confirmed"] for page in pages for token in page["tokens"]),
        "solved_pivots_held": sum(token["pivotal"] for page in pages for token in page["tokens"]),
        "search_seconds": round(searched_seconds, 2),
        "solve_seconds": round(time.perf_counter() - started - searched_seconds, 2),
    }


def _choose(config: PivotalConfig, stage: StageDir) -> Sequence[Question]:
    """Take the questions that fit, in an order that only the seed and their ids decide."""
    from trivium.models.sample_draw import request_seed

    found = _read_file(config, stage) if row_files.is_file(config.questions) else _from_stage(config, stage)
    return sorted(found, key=lambda question: request_seed(stage.seed, "pivotal", question.id))


def _read_file(config: PivotalConfig, stage: StageDir) -> list[Question]:
    columns = questions.Columns(config.question_column, config.answer_column)
    found, drops = questions.read(Path(config.questions), columns, config.verifier)
    stage.drop(drops)
    stage.write("questions", Question, found)
    return found


def _from_stage(config: PivotalConfig, stage: StageDir) -> list[Question]:
    found = fitting(config, stage)
    if not found:
        low, high = config.difficulty
        raise DataError(
            f"pivotal: {config.questions} has no question of skill {config.skill!r} with {low} to {high} "
            "steps; widen pivotal.skill or pivotal.difficulty."
        )
    return found


def fitting(config: PivotalConfig, stage: StageDir) -> list[Question]:
    """Return the questions of a stage's table that have the wanted skill and number of steps."""
    low, high = config.difficulty
    return [
        question
        for question in stage.rows(config.questions, "questions", Question)
        if (not config.skill or question.skill == config.skill) and low <= question.difficulty <= high
    ]
