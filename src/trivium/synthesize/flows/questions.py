"""Question extraction: find a sentence that concludes something, ask for it, and test the question.

Phi-4 report, section 2.2: not the questions that stand in a text but its deductions are drawn out, as
questions with answers, which teach far more than the text. Here the answer is the organic sentence itself;
the teacher only words the question. Kept is what stands alone, is grounded in the passage, leads back to
that sentence when it is answered with the passage, and is not answered as well without it.
"""

from __future__ import annotations

import re

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.rows import solved
from trivium.synthesize.session import WRITE, Session

FLOW = "questions"
QUESTION_TOKENS = 40
ANSWER_TOKENS = 60
SENTENCE_CHARS = (50, 200)
"""Length of a sentence that can be an answer."""
AGREE = 0.5
"""F1 of content words from which two answers count as the same."""
BLIND = 0.8
"""Agreement of a blind answer with the sentence from which a question is too easy."""

_REASONS = re.compile(r"\b(?:because|therefore|so that|hence|thus)\b|^(?:If|When|Unless)\b")
_LEANS = re.compile(
    r"^(?:It|This|That|These|Those|They|He|Such|Note|See|Here|Also|However|But|And|Or|Otherwise|For example"
    r"|Then|Since the)\b"
    r"|\b(?:above|below|following|see section)\b"
)


async def grow(at: Session) -> list[Example]:
    """Ask for the passage's conclusion, answer with and without the passage (synthetic; and a chat)."""
    passage = at.seed.text
    sentence = key_sentence(passage)
    at.object_if("seed", None if sentence else "no sentence to ask for", passage)
    question = await at.ask(
        "ask", filters.unlabelled, max_tokens=QUESTION_TOKENS, sampling=WRITE, stop=("\n",), sentence=sentence
    )
    at.object_if("ask", filters.bad_form(question) or filters.bad_question(question, passage), question)

    async def answered(step: str, number: int = 0, **values: str) -> str:
        sampling = WRITE if number else None
        return await at.ask(
            step, max_tokens=ANSWER_TOKENS, sampling=sampling, number=number, whole=False, stop=("\n",),
            question=question, fills=values,
        )  # fmt: skip

    first, second = [await answered("answer", number, passage=passage) for number in range(2)]
    blind = await answered("blind")
    at.object_if("ask", objection(sentence, first, second, blind), f"{question} | {sentence}")
    difficulty = text_difficulty(sentence)
    return [
        at.plain("synthetic", solved(question, sentence), difficulty=difficulty),
        at.chat(question, sentence, difficulty=difficulty),
    ]


def key_sentence(text: str) -> str:
    """Return the sentence that best stands as an answer, reasons and conditions first; empty if none can."""
    low, high = SENTENCE_CHARS
    able = [
        sentence
        for sentence in words.sentences(text)
        if low <= len(sentence) <= high and sentence.endswith(".") and not _LEANS.search(sentence)
    ]
    return next((sentence for sentence in able if _REASONS.search(sentence)), able[0] if able else "")


def objection(sentence: str, first: str, second: str, blind: str) -> str:
    """Say why a question is not kept; empty if it is.

    Args:
        sentence: The organic answer.
        first: Greedy answer with the passage.
        second: Sampled answer with the passage.
        blind: Greedy answer without it.
    """
    if max(words.overlap_f1(sentence, first), words.overlap_f1(sentence, second)) < AGREE:
        return "does not lead to the sentence"
    if words.overlap_f1(sentence, blind) >= BLIND:
        return "answered without the text"
    return ""
