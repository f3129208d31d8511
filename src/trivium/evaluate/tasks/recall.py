"""Key-value recall at 1, 2 and 4 times the pretraining context.

A prompt is a raw document that ends at a key; the next word must be the value that stood beside that key.
One document asks for several of its keys, one after the other, and is read in one pass: a question is right
when every token of the value is the model's first choice, which is what greedy decoding from the question's
prompt would give. Questions of one document are one draw in the interval.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from trivium.evaluate.logs import GREEDY, Measure, right
from trivium.problems import recall
from trivium.records import Question, row_id

TASKS = ("recall_1x", "recall_2x", "recall_4x")
"""By multiples of the pretraining context; the middle one is not trained for either."""

MEASURES = (Measure(metric="accuracy", mode=GREEDY, value_of=right),)


def items(seed: int, task: str, documents: int, queries: int, num_pairs: int) -> list[Question]:
    """Draw documents of `num_pairs` pairs and ask each for `queries` different keys."""
    rng = random.Random(f"{task}-{num_pairs}-{seed}")
    rows: list[Question] = []
    for _ in range(documents):
        told = recall.document(rng, num_pairs, 0, filler=True)
        rows += questions_of(told, rng.sample(pairs_in(told), queries), task, num_pairs)
    return rows


def pairs_in(told: str) -> list[tuple[str, str]]:
    """Return the (key, value) pairs of a document that ends before its first question."""
    lines = told.removeprefix("Notes: ").removesuffix(" Recall:").split(". ")
    return [(line.split()[0], line.split()[1].removesuffix(".")) for line in lines]


def questions_of(told: str, asked: Sequence[tuple[str, str]], task: str, num_pairs: int) -> list[Question]:
    """Ask a document for keys, one after the other; each prompt holds the pairs asked before."""
    document = row_id("evaluate.recall", [], told)
    prompt, rows = told, []
    for key, value in asked:
        prompt += f" {key}"
        rows.append(
            Question(
                id=row_id("evaluate.recall", [document], prompt),
                prompt=prompt,
                answer=value,
                verifier="exact",
                skill=task,
                difficulty=num_pairs,
                template="notes",
                meta=json.dumps({"style": "raw", "document": document}),
            )
        )
        prompt += f" {value}."
    return rows


def document_of(question: Question) -> str:
    """Return the id of the document that a question asks about."""
    return json.loads(question.meta)["document"]


def answered(question: Question) -> str:
    """Return the prompt with its answer, the text that the model is scored on."""
    return f"{question.prompt} {question.answer}."


def answer_places(question: Question, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Return the positions of the tokens that spell the answer.

    Args:
        question: Its prompt is a prefix of the encoded text.
        offsets: First and last-plus-one character of every token of the text.
    """
    start = len(question.prompt) + 1
    end = start + len(question.answer)
    return [place for place, (first, last) in enumerate(offsets) if first < end and last > start]
