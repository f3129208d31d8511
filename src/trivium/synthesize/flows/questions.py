"""Question extraction: find a sentence that concludes something, ask for it, and test the question.

Phi-4 report, section 2.2: not the questions that stand in a text but its deductions are drawn out, as
questions with answers, which teach far more than the text. Here the answer is the organic sentence itself;
the teacher only words the question. Kept is what stands alone, is grounded in the passage, leads back to
that sentence when it is answered with the passage, and is not answered as well without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.llm import Request
from trivium.synthesize import filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.prompts import fill
from trivium.synthesize.rows import Grown, chat, drop, plain, solved
from trivium.synthesize.seeds import Stretch
from trivium.synthesize.teacher import Call, Job, Purse, Teacher

FLOW = "questions"
QUESTION_TOKENS = 40
ANSWER_TOKENS = 60
SENTENCE_CHARS = (50, 200)
"""Length of a sentence that can be an answer."""
AGREE = 0.5
"""F1 of content words from which two answers count as the same."""
BLIND = 0.8
"""Agreement of a blind answer with the sentence from which a question is too easy."""
ASK_SHARE = 0.6
"""Part of the flow's budget for asking; most questions do not survive to be answered."""

_REASONS = re.compile(r"\b(?:because|therefore|so that|hence|thus)\b|^(?:If|When|Unless)\b")
_LEANS = re.compile(
    r"^(?:It|This|That|These|Those|They|He|Such|Note|See|Here|Also|However|But|And|Or|Otherwise|For example"
    r"|Then|Since the)\b"
    r"|\b(?:above|below|following|see section)\b"
)


@dataclass(frozen=True, slots=True)
class Point:
    """A stretch and the sentence of it that is worth a question."""

    stretch: Stretch
    sentence: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A point and the question that leads to it."""

    point: Point
    call: Call
    question: str


def extract_questions(
    stretches: Sequence[Stretch],
    teacher: Teacher,
    config: TeacherConfig,
    *,
    share: float,
    given_away: Callable[[str], str],
) -> Grown:
    """Grow questions with answers from stretches of prose (plain: source synthetic; and a chat each).

    Args:
        stretches: Seeds in order of preference.
        teacher: Asks, answers with the passage (greedily and sampled) and answers blind.
        config: Number of seeds.
        share: Part of the teacher's remaining budget.
        given_away: Names the withheld fact that a text states, or returns an empty string.
    """
    seeds = [stretch for stretch in stretches[: config.question_seeds] if not given_away(stretch.text)]
    grown = Grown(tried=len(seeds))
    points = []
    for stretch in seeds:
        if sentence := key_sentence(stretch.text):
            points.append(Point(stretch, sentence))
        else:
            reason = "no sentence to ask for"
            grown.drops.append(drop(stretch.passage_id, FLOW, reason, detail=stretch.text))
    purse = Purse(teacher, share)
    asked = _ask(points, teacher, config, purse.part(ASK_SHARE))
    answers = teacher.ask(FLOW, "answer", _answer_jobs(asked, config), purse.part(1.0))
    for index, entry in enumerate(asked):
        _judge(entry, answers[3 * index : 3 * index + 3], teacher, grown)
    return grown


def key_sentence(text: str) -> str:
    """Return the sentence that best stands as an answer, reasons and conditions first; empty if none can."""
    low, high = SENTENCE_CHARS
    able = [
        sentence
        for sentence in words.sentences(text)
        if low <= len(sentence) <= high and sentence.endswith(".") and not _LEANS.search(sentence)
    ]
    return next((sentence for sentence in able if _REASONS.search(sentence)), able[0] if able else "")


def _ask(points: Sequence[Point], teacher: Teacher, config: TeacherConfig, share: float) -> list[Asked]:
    jobs = [
        Job(
            Request(
                messages=fill(FLOW, "ask", sentence=point.sentence),
                max_tokens=QUESTION_TOKENS,
                temperature=config.temperature,
                top_p=config.top_p,
                stop=("\n",),
            ),
            (point.stretch.passage_id,),
        )
        for point in points
    ]
    asked = []
    for point, call in zip(points, teacher.ask(FLOW, "ask", jobs, share), strict=True):
        if call is None:
            continue
        question = filters.unlabelled(call.reply)
        reason = "truncated" if call.finish == "length" else None
        reason = reason or filters.bad_form(question) or filters.bad_question(question, point.stretch.text)
        if reason:
            teacher.reject(call, reason)
        else:
            asked.append(Asked(point, call, question))
    return asked


def _answer_jobs(asked: Sequence[Asked], config: TeacherConfig) -> list[Job]:
    """Three jobs a question: greedy with the passage, sampled with the passage, greedy without it."""
    jobs = []
    for entry in asked:
        with_text = fill(FLOW, "answer", passage=entry.point.stretch.text, question=entry.question)
        blind = fill(FLOW, "blind", question=entry.question)
        for seed, messages in enumerate((with_text, with_text, blind)):
            request = Request(
                messages=messages,
                max_tokens=ANSWER_TOKENS,
                temperature=config.temperature if seed == 1 else 0.0,
                top_p=config.top_p,
                seed=seed,
                stop=("\n",),
            )
            jobs.append(Job(request, (entry.point.stretch.passage_id, entry.call.id)))
    return jobs


def _judge(entry: Asked, answers: Sequence[Call | None], teacher: Teacher, grown: Grown) -> None:
    told = [call for call in answers if call is not None]
    for call in told:
        teacher.use(call)
    if len(told) < len(answers):
        teacher.reject(entry.call, "budget spent before it was answered")
        return
    first, second, blind = (call.reply for call in told)
    if reason := objection(entry.point.sentence, first, second, blind):
        teacher.reject(entry.call, reason)
        return
    teacher.keep(entry.call)
    common: dict[str, Any] = {
        "parents": [entry.point.stretch.passage_id, entry.call.id],
        "depth": 1,
        "difficulty": text_difficulty(entry.point.sentence),
    }
    text = solved(entry.question, entry.point.sentence)
    grown.examples.append(plain(FLOW, "synthetic", text, **common))
    grown.examples.append(chat(FLOW, entry.question, entry.point.sentence, **common))


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
