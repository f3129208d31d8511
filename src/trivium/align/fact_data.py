"""Fact questions with their counts -> answered, refused or unused rows, and pairs of first tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.align.asking import by_question, replies_with_verdicts
from trivium.align.refusal import (
    ANSWER,
    BOGUS,
    FIRST_TOKENS,
    KNOWN,
    REFUSE,
    WITHHELD,
    Asked,
    Rule,
    decide,
    refusal_for,
    reply_pairs,
    tally,
)
from trivium.errors import DataError
from trivium.models import chat
from trivium.models.load import Tokenizer
from trivium.records import Drop, Example, Message, Preference, Question, Rollout, row_id

STEP = "align.sft_data"

FLOWS = {ANSWER: "fact_answer", REFUSE: "fact_refusal"}
"""Flow of the examples made here; a refusal to a bogus question is `bogus_refusal`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """A row of knowledge.parquet: what the midtrained model knew and what was made of it."""

    question_id: str
    prompt: str
    kind: str
    num_right: int
    num_wrong: int
    num_asked: int
    decision: str
    confidence: float = 0.0
    """Chance of a right reply as fitted on other questions; 0 where none is fitted."""


def kind_of(question: Question) -> str:
    """Read what the training data say of a fact question: known, withheld or bogus.

    Raises:
        DataError: The question's meta does not say.
    """
    status = json.loads(question.meta or "{}").get("status", "")
    kinds = {"known": KNOWN, "unknown_train": WITHHELD, "bogus": BOGUS}
    if status not in kinds:
        raise DataError(
            f"fact_questions {question.id}: got status={status!r} in meta; "
            f"expected one of {', '.join(kinds)}."
        )
    return kinds[status]


def without_items(
    questions: Sequence[Question], items: Sequence[Question]
) -> tuple[list[Question], list[Drop]]:
    """Take out questions that an evaluation item asks in the same words; this table is not decontaminated."""
    asked = {words_of(item.prompt) for item in items}
    kept = [question for question in questions if words_of(question.prompt) not in asked]
    leaked = [question for question in questions if words_of(question.prompt) in asked]
    return kept, [Drop(id=question.id, step=STEP, reason="evaluation item") for question in leaked]


def words_of(prompt: str) -> str:
    """Return a prompt as lower-case words, without punctuation at their ends."""
    return " ".join(word.strip(".,;:!?\"'") for word in prompt.lower().split())


def without_facts(
    chat_rows: Sequence[Example], questions: Sequence[Question]
) -> tuple[list[Example], list[Drop]]:
    """Take out chats that answer a fact question: what the model knows decides about those, below."""
    prompts = {question.prompt for question in questions}
    kept, drops = [], []
    for row in chat_rows:
        if any(message.role == "user" and message.content in prompts for message in row.messages):
            drops.append(Drop(id=row.id, step=STEP, reason="decided by what the model knows"))
        else:
            kept.append(row)
    return kept, drops


def tally_all(
    tokenizer: Tokenizer, questions: Sequence[Question], rollouts: Sequence[Rollout]
) -> list[Asked]:
    """Count the verdicts of every question's replies, in the order of the questions."""
    grouped = by_question(rollouts)
    return [
        tally(one, kind_of(one), replies_with_verdicts(tokenizer, grouped.get(one.id, [])))
        for one in questions
    ]


def examples_of(asked: Sequence[Asked], rule: Rule) -> tuple[list[Example], list[Knowledge], list[Drop]]:
    """Turn counts into fine-tuning rows; a question in the unused band becomes a drop."""
    examples: list[Example] = []
    knowledge: list[Knowledge] = []
    drops: list[Drop] = []
    for one in asked:
        decision = decide(one, rule)
        knowledge.append(_knowledge(one, decision))
        if decision in FLOWS:
            examples.append(_example(one, decision))
        else:
            detail = f"{one.num_right} of {one.num_asked} right"
            drops.append(
                Drop(id=one.question.id, step=STEP, reason="neither known nor unknown", detail=detail)
            )
    return examples, knowledge, drops


def bound_refusals(
    examples: Sequence[Example], num_others: int, refusal_frac: float
) -> tuple[list[Example], list[Drop]]:
    """Cut refusals so that they make up at most `refusal_frac` of the whole fine-tuning set.

    Args:
        examples: Fact rows, answers and refusals.
        num_others: Rows of the set that are not fact rows.
        refusal_frac: Share of the whole, in [0, 1).

    Returns:
        The rows in their order, and a drop for each refusal cut. Which ones go depends on their ids alone.
    """
    refusals = sorted(
        (row for row in examples if is_refusal_row(row)), key=lambda row: row_id(STEP, [], row.id)
    )
    others = num_others + len(examples) - len(refusals)
    # refusals <= frac * (others + refusals)  <=>  refusals <= others * frac / (1 - frac)
    room = int(others * refusal_frac / (1 - refusal_frac))
    cut = {row.id for row in refusals[room:]}
    drops = [Drop(id=id_, step=STEP, reason="refusal share reached") for id_ in sorted(cut)]
    return [row for row in examples if row.id not in cut], drops


def is_refusal_row(example: Example) -> bool:
    """Say whether a row made here teaches a refusal."""
    return example.flow.endswith("_refusal")


def preferences_of(
    tokenizer: Tokenizer, asked: Sequence[Asked], most: int
) -> tuple[list[Preference], list[Drop]]:
    """Make pairs of the first five tokens: correct > refusal, refusal > wrong, bogus refusal > made-up value.

    The first sort gets up to half of `most` and the other two a quarter each, so that as many pairs ask for
    an answer as for a refusal.
    """
    sorts: dict[str, list[Preference]] = {}
    drops: list[Drop] = []
    for one in sorted(asked, key=lambda one: row_id(STEP, [], one.question.id)):
        refusal = refusal_for(one.question.id, one.kind)
        for chosen, rejected, gap in reply_pairs(one, refusal, one.question.solution):
            pair = first_token_pair(tokenizer, one.question, chosen, rejected, gap)
            if pair.chosen_ids == pair.rejected_ids:
                drops.append(Drop(id=one.question.id, step=STEP, reason="same first tokens", detail=chosen))
                continue
            sort = "answer" if rejected == refusal else one.kind if one.kind == BOGUS else "refusal"
            sorts.setdefault(sort, []).append(pair)
    room = {sort: most // 2 if sort == "answer" else most // 4 for sort in sorts}
    return [pair for sort in sorted(sorts) for pair in sorts[sort][: room[sort]]], drops


def first_token_pair(
    tokenizer: Tokenizer, question: Question, chosen: str, rejected: str, gap: float
) -> Preference:
    """Pair the first five tokens of two replies to a chat prompt; a shorter reply keeps its end token."""
    prompt = chat.prompt_ids(tokenizer, question.prompt, "chat")
    sides = [[*tokenizer.encode(reply), tokenizer.end_id][:FIRST_TOKENS] for reply in (chosen, rejected)]
    return Preference(
        id=row_id(STEP, [question.id], json.dumps(sides)),
        question_id=question.id,
        prompt_ids=prompt,
        chosen_ids=sides[0],
        rejected_ids=sides[1],
        origin="refusal",
        gap=gap,
        parents=[question.id],
    )


def _example(asked: Asked, decision: str) -> Example:
    question = asked.question
    reply = question.solution if decision == ANSWER else refusal_for(question.id, asked.kind)
    flow = "bogus_refusal" if asked.kind == BOGUS else FLOWS[decision]
    return Example(
        id=row_id(f"{STEP}.{flow}", [question.id], reply),
        source="chat",
        flow=flow,
        messages=[Message(role="user", content=question.prompt), Message(role="assistant", content=reply)],
        depth=1,
        difficulty=float(question.difficulty),
        method=question.method,
        parents=[question.id],
        meta=json.dumps({"kind": asked.kind, "right_frac": round(asked.right_frac, 4)}),
    )


def _knowledge(asked: Asked, decision: str) -> Knowledge:
    return Knowledge(
        question_id=asked.question.id,
        prompt=asked.question.prompt,
        kind=asked.kind,
        num_right=asked.num_right,
        num_wrong=asked.num_wrong,
        num_asked=asked.num_asked,
        decision=decision,
        confidence=round(asked.confidence, 4),
    )
