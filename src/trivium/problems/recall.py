"""Key-value recall documents: read pairs once, then name the value that stood beside a key.

`Notes: fox red. owl tin 12+9-4=17. Recall: owl tin. fox red. owl tin.` A key and its value are neighbours, so
one induction step (match the key, copy what follows) answers; a sum between pairs (always right) is filler
that spreads the pairs over a wanted length. Training documents ask every pair about twice, which
puts a recall target every three tokens; evaluation documents end at one key.
"""

from __future__ import annotations

import random

from trivium.problems.vocabulary import RECALL_KEYS, RECALL_VALUES
from trivium.records import Question, row_id

MOST_PAIRS = len(RECALL_KEYS)
TOKENS_PER_LINE = 15
"""About what a pair with its filler costs with single digits and one token a word; a bare pair costs 3."""


def document(rng: random.Random, num_pairs: int, num_queries: int, *, filler: bool) -> str:
    """Return one document: `num_pairs` distinct keys with values, then `num_queries` of them again.

    Args:
        rng: source of all randomness.
        num_pairs: how many distinct keys, at most MOST_PAIRS.
        num_queries: how many pairs are asked, drawn with replacement.
        filler: whether a sum follows every pair of the first part.
    """
    pairs = [f"{key} {rng.choice(RECALL_VALUES)}" for key in rng.sample(RECALL_KEYS, num_pairs)]
    told = [f"{pair} {_sum(rng)}" if filler else pair for pair in pairs]
    asked = rng.choices(pairs, k=num_queries)
    return " ".join(["Notes:", *(f"{line}." for line in told), "Recall:", *(f"{pair}." for pair in asked)])


def training_documents(
    seed: int, count: int, *, pairs: tuple[int, int] = (3, 20), filled: float = 0.5
) -> list[str]:
    """Return training documents that ask each pair twice on average; a share `filled` of them has filler.

    A filled document holds 0.6 of the pairs, so that both kinds fit a context of 256 tokens.
    """
    rng = random.Random(f"recall-train-{seed}")
    texts = []
    for _ in range(count):
        filler = rng.random() < filled
        num_pairs = rng.randint(pairs[0], max(pairs[0], int(pairs[1] * (0.6 if filler else 1.0))))
        texts.append(document(rng, num_pairs, 2 * num_pairs, filler=filler))
    return texts


def make(seed: int, count: int, num_pairs: int, *, filler: bool = True) -> list[Question]:
    """Return evaluation questions whose prompt is a raw document prefix ending at a key, `... Recall: oak`.

    The next word is the answer. The prompt is to be continued as plain text, with no chat or problem frame.
    With filler a prompt has about `TOKENS_PER_LINE * num_pairs` tokens: 16, 32 and 64 pairs for 256, 512 and
    1,024.
    """
    rng = random.Random(f"recall-exam-{num_pairs}-{seed}")
    return [_question(document(rng, num_pairs, 1, filler=filler), num_pairs) for _ in range(count)]


def _question(text: str, num_pairs: int) -> Question:
    prompt, answer = text.removesuffix(".").rsplit(" ", 1)
    key = prompt.rsplit(" ", 1)[1]
    assert f" {key} {answer}" in prompt, text
    return Question(
        id=row_id("problems.recall", [], prompt),
        prompt=prompt,
        answer=answer,
        verifier="exact",
        skill="recall",
        difficulty=num_pairs,
        template="notes",
        meta='{"style": "raw"}',
    )


def _sum(rng: random.Random) -> str:
    left, right = rng.randint(2, 60), rng.randint(2, 39)
    less = rng.randint(1, left + right - 1)
    return f"{left}+{right}-{less}={left + right - less}"
