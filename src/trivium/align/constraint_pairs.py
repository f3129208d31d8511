"""Instruction pairs: a reply that meets every constraint over one that misses, so that DPO keeps them.

Any DPO cost phi-4 3.2 points of IFEval (Tab. 9), as no pair of its two rounds taught instructions. Both sides
are the model's own replies where it gave both; else the maker's reply, or its near miss, stands in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.align.asking import Asking, ask, by_question, reply_text
from trivium.models import chat
from trivium.models.load import Tokenizer
from trivium.records import Drop, Preference, Question, Rollout, Verdict, row_id
from trivium.verify import constraints

if TYPE_CHECKING:
    from trivium.align.judge_stage import JudgeConfig
    from trivium.store.run import StageDir

STEP = "align.constraints"
SEED_OFFSET = 1_000_003
"""Requests other than those of the fine-tuning set, which are drawn with the run's seed itself."""


def pairs(
    config: JudgeConfig, stage: StageDir, model: str, tokenizer: Tokenizer
) -> tuple[list[Preference], list[Rollout]]:
    """Ask new training requests, pair the replies; returns the pairs and every reply."""
    if not config.constraint_questions:
        return [], []
    questions = constraints.make(stage.seed + SEED_OFFSET, config.constraint_questions, "train")
    stage.write("constraint_questions", Question, questions)
    asking = Asking(
        model=model,
        style="chat",
        replies=config.constraint_replies,
        max_new_tokens=config.constraint_tokens,
        seed=stage.seed,
        purpose="constraints",
    )
    rollouts = ask(stage, asking, questions)
    grouped = by_question(rollouts)
    found: list[Preference] = []
    for question in questions:
        pair = pair_of(tokenizer, question, grouped.get(question.id, []))
        if pair is None:
            stage.drop([Drop(id=question.id, step=STEP, reason="no two different replies")])
        elif len(found) < config.constraint_pairs:
            found.append(pair)
        else:
            stage.drop([Drop(id=question.id, step=STEP, reason="enough pairs")])
    return found, rollouts


def pair_of(tokenizer: Tokenizer, question: Question, replies: Sequence[Rollout]) -> Preference | None:
    """Pair one request: a passing reply over the one that misses least.

    Returns:
        The pair, whose gap is the share of checks that the rejected reply misses; None when both are equal.
    """
    passing = [one for one in replies if one.verdict == Verdict.RIGHT and one.finish == "eos"]
    failing = [one for one in replies if one.verdict == Verdict.WRONG]
    near = min(failing, key=lambda one: _missed(tokenizer, question, one), default=None)
    chosen = passing[0].completion_ids if passing else written(tokenizer, question.solution)
    missed = json.loads(question.meta)["near_miss"]
    rejected = near.completion_ids if near is not None else written(tokenizer, missed)
    if chosen == rejected:
        return None
    share = _missed(tokenizer, question, near) if near is not None else _missed_share(question, missed)
    parents = [one.id for one in (passing[0] if passing else None, near) if one is not None]
    return Preference(
        id=row_id(STEP, [question.id], json.dumps([chosen, rejected])),
        question_id=question.id,
        prompt_ids=chat.prompt_ids(tokenizer, question.prompt, "chat"),
        chosen_ids=chosen,
        rejected_ids=rejected,
        origin="constraint",
        gap=share,
        parents=parents or [question.id],
    )


def written(tokenizer: Tokenizer, reply: str) -> list[int]:
    """Return the ids of a reply that a maker wrote, with the end of turn."""
    return [*tokenizer.encode(reply), tokenizer.end_id]


def _missed(tokenizer: Tokenizer, question: Question, rollout: Rollout) -> float:
    return _missed_share(question, reply_text(tokenizer, rollout.completion_ids))


def _missed_share(question: Question, reply: str) -> float:
    results = constraints.results(reply, constraints.decode(question.answer))
    return sum(not met for met in results.values()) / len(results)
