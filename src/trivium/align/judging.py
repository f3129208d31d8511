"""The steps of the judge stage: choose questions, have them answered, grade, pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivium.align import pairs
from trivium.align.asking import Asking, ask, by_question, reply_text
from trivium.align.pairs import Graded, Pair
from trivium.align.rubric import grade
from trivium.errors import DataError
from trivium.models.load import Tokenizer
from trivium.models.sample_draw import request_seed
from trivium.records import Drop, Preference, Question, Rollout, Verdict, row_id

if TYPE_CHECKING:
    from trivium.align.judge_stage import JudgeConfig
    from trivium.store.run import StageDir

STEP = "align.judge"


@dataclass(frozen=True, kw_only=True, slots=True)
class GradeRow:
    """A row of grades.parquet: one judged reply."""

    rollout_id: str
    question_id: str
    accuracy: int
    style: int
    detail: int
    faults: list[str]


def choose_questions(config: JudgeConfig, stage: StageDir) -> list[Question]:
    """Draw training problems that the pivotal search has not looked at; seed and ids decide.

    Raises:
        DataError: There is none left.
    """
    used: set[str] = set()
    if "pivotal" in stage.inputs:
        used.update(stage.table("pivotal", "searched").column("question_id").to_pylist())
    free = [row for row in stage.rows("synthesize", "questions", Question) if row.id not in used]
    if not free and config.questions:
        raise DataError(
            f"{stage.name}: the pivotal search used all {len(used)} questions; "
            "raise synthesize.problems.questions or lower pivotal.num_questions."
        )
    return sorted(free, key=lambda row: request_seed(stage.seed, STEP, row.id))[: config.questions]


def judge_problems(
    config: JudgeConfig, stage: StageDir, model: str, tokenizer: Tokenizer, questions: Sequence[Question]
) -> tuple[list[list[Graded]], list[GradeRow], list[Rollout]]:
    """Sample, verify and grade replies; returns them question by question, their grades, and the replies."""
    asking = Asking(
        model=model,
        style="chat",
        replies=config.replies,
        max_new_tokens=config.solution_tokens,
        seed=stage.seed,
        purpose="judge",
    )
    rollouts = ask(stage, asking, questions)
    grouped = by_question(rollouts)
    graded = [
        [graded_reply(tokenizer, question, one) for one in grouped.get(question.id, [])]
        for question in questions
    ]
    return graded, [row_of(one) for group in graded for one in group], rollouts


def graded_reply(tokenizer: Tokenizer, question: Question, rollout: Rollout) -> Graded:
    """Grade one reply."""
    reply = reply_text(tokenizer, rollout.completion_ids)
    return Graded(rollout=rollout, grade=grade(question, reply, Verdict(rollout.verdict), rollout.finish))


def row_of(graded: Graded) -> GradeRow:
    """Return a reply's row of grades.parquet."""
    return GradeRow(
        rollout_id=graded.rollout.id,
        question_id=graded.rollout.question_id,
        accuracy=graded.grade.accuracy,
        style=graded.grade.style,
        detail=graded.grade.detail,
        faults=list(graded.grade.faults),
    )


def problem_pairs(
    config: JudgeConfig, stage: StageDir, graded: Sequence[Sequence[Graded]]
) -> tuple[list[Pair], list[Pair]]:
    """Choose accuracy pairs and overall pairs; a question whose pairs differ too much in length is a drop."""
    accuracy, drops = pairs.choose(
        map(pairs.accuracy_pairs, graded),
        most=config.accuracy_pairs,
        max_length_ratio=config.max_length_ratio,
        step=f"{STEP}.accuracy",
    )
    overall, more_drops = pairs.choose(
        (pairs.overall_pairs(group, config.overall_gap) for group in graded),
        most=config.overall_pairs,
        max_length_ratio=config.max_length_ratio,
        step=f"{STEP}.overall",
    )
    stage.drop([*drops, *more_drops])
    return accuracy, overall


def preference_of(pair: Pair) -> Preference:
    """Turn a pair into a row: the sampled ids as they are, end tokens included."""
    chosen, rejected = pair.chosen.rollout, pair.rejected.rollout
    return Preference(
        id=row_id(f"{STEP}.{pair.kind}", [chosen.id, rejected.id], ""),
        question_id=chosen.question_id,
        prompt_ids=chosen.prefix_ids,
        chosen_ids=chosen.completion_ids,
        rejected_ids=rejected.completion_ids,
        origin="judge",
        gap=pair.gap,
        parents=[chosen.id, rejected.id],
    )


def some_refusals(config: JudgeConfig, stage: StageDir, num_others: int) -> list[Preference]:
    """Take refusal pairs of the SFT data up to their share of the mix; seed and ids decide which."""
    if "sft_data" not in stage.inputs:
        return []
    rows = stage.rows("sft_data", "preferences", Preference)
    room = int(num_others * config.refusal_frac / (1 - config.refusal_frac))
    taken = sorted(rows, key=lambda row: request_seed(stage.seed, STEP, row.id))
    stage.drop([Drop(id=row.id, step=STEP, reason="refusal share reached") for row in taken[room:]])
    return taken[:room]
