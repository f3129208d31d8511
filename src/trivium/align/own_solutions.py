"""Rejection sampling: of a model's own solutions to training problems, the best that a verifier accepts.

The report samples several replies a prompt and lets an evaluator pick the best (section 4.1); here the answer
is known, so the verifier decides which are right and the rubric which of those is best.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from trivium.align.asking import by_question, reply_text
from trivium.align.rubric import grade
from trivium.models.load import Tokenizer
from trivium.models.sample_draw import request_seed
from trivium.records import Drop, Example, Message, Question, Rollout, Verdict, row_id

FLOW = "rejection_sampling"
STEP = "align.own_solutions"


def choose(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """Draw training problems; seed and ids decide. The pivotal search may look at some of them again."""
    return sorted(questions, key=lambda question: request_seed(seed, STEP, question.id))[:count]


def examples_of(
    tokenizer: Tokenizer, questions: Sequence[Question], rollouts: Sequence[Rollout]
) -> tuple[list[Example], list[Drop]]:
    """Keep one right solution a question; a question without one becomes a drop."""
    grouped = by_question(rollouts)
    examples: list[Example] = []
    drops: list[Drop] = []
    for question in questions:
        replies = grouped.get(question.id, [])
        right = [one for one in replies if one.verdict == Verdict.RIGHT and one.finish == "eos"]
        if right:
            examples.append(_example(tokenizer, question, right, len(replies)))
        else:
            drops.append(
                Drop(id=question.id, step=STEP, reason="no right solution", detail=f"of {len(replies)}")
            )
    return examples, drops


def _example(tokenizer: Tokenizer, question: Question, right: Sequence[Rollout], asked: int) -> Example:
    replies = [reply_text(tokenizer, one.completion_ids) for one in right]
    best = max(replies, key=lambda reply: grade(question, reply, Verdict.RIGHT, "eos").overall)
    return Example(
        id=row_id(STEP, [question.id], best),
        source="chat",
        flow=FLOW,
        messages=[Message(role="user", content=question.prompt), Message(role="assistant", content=best)],
        depth=2,
        difficulty=float(question.difficulty),
        method=FLOW,
        parents=[question.id],
        meta=json.dumps({"right": len(right), "asked": asked}),
    )
