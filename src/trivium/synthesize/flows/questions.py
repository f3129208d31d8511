"""Question extraction: a question that a passage answers, its answer, and a blind try at it.

Phi-4 report, section 2.2: questions with answers drawn from organic text teach far more than the text. Kept
is what stands alone, is grounded in the passage, gets the same answer twice, and is not answered as well
without the passage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.llm import Request
from trivium.synthesize import filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.prompts import fill
from trivium.synthesize.rows import Grown, chat, plain, solved
from trivium.synthesize.seeds import Stretch
from trivium.synthesize.teacher import Call, Job, Purse, Teacher

FLOW = "questions"
QUESTION_TOKENS = 40
ANSWER_TOKENS = 60
AGREE = 0.5
"""F1 of content words from which two answers count as the same."""
ASK_SHARE = 0.6
"""Part of the flow's budget for asking; most questions do not survive to be answered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A stretch and the question about it."""

    stretch: Stretch
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
    purse = Purse(teacher, share)
    asked = _ask(seeds, teacher, config, purse.part(ASK_SHARE))
    answers = teacher.ask(FLOW, "answer", _answer_jobs(asked, config), purse.part(1.0))
    for index, entry in enumerate(asked):
        _judge(entry, answers[3 * index : 3 * index + 3], teacher, grown, given_away)
    return grown


def _ask(seeds: Sequence[Stretch], teacher: Teacher, config: TeacherConfig, share: float) -> list[Asked]:
    jobs = [
        Job(
            Request(
                messages=fill(FLOW, "ask", passage=stretch.text),
                max_tokens=QUESTION_TOKENS,
                temperature=config.temperature,
                top_p=config.top_p,
            ),
            (stretch.passage_id,),
        )
        for stretch in seeds
    ]
    asked = []
    for stretch, call in zip(seeds, teacher.ask(FLOW, "ask", jobs, share), strict=True):
        if call is None:
            continue
        question = read_question(call.reply)
        reason = "truncated" if call.finish == "length" else None
        reason = reason or filters.bad_form(question) or filters.bad_question(question, stretch.text)
        if reason:
            teacher.reject(call, reason)
        else:
            asked.append(Asked(stretch, call, question))
    return asked


def read_question(reply: str) -> str:
    """Return the question of a reply without a label or quotes around it."""
    text = " ".join(reply.split()).removeprefix("Question:").removeprefix("Q:").strip()
    return text.strip('"“”').strip()


def _answer_jobs(asked: Sequence[Asked], config: TeacherConfig) -> list[Job]:
    """Three jobs a question: greedy with the passage, sampled with the passage, greedy without it."""
    jobs = []
    for entry in asked:
        with_text = fill(FLOW, "answer", passage=entry.stretch.text, question=entry.question)
        blind = fill(FLOW, "blind", question=entry.question)
        parents = (entry.stretch.passage_id, entry.call.id)
        for seed, messages in enumerate((with_text, with_text, blind)):
            request = Request(
                messages=messages,
                max_tokens=ANSWER_TOKENS,
                temperature=config.temperature if seed == 1 else 0.0,
                top_p=config.top_p,
                seed=seed,
            )
            jobs.append(Job(request, parents))
    return jobs


def _judge(
    entry: Asked,
    answers: Sequence[Call | None],
    teacher: Teacher,
    grown: Grown,
    given_away: Callable[[str], str],
) -> None:
    first, second, blind = answers
    for call in (second, blind):
        if call is not None:
            teacher.use(call)
    if first is None or second is None or blind is None:
        if first is not None:
            teacher.use(first)
        teacher.reject(entry.call, "budget spent before it was answered")
        return
    answer = " ".join(first.reply.split())
    reason = objection(entry, first, answer, second.reply, blind.reply)
    if not reason and (fact := given_away(f"{entry.question} {answer}")):
        reason = f"withheld fact: {fact}"
    if reason:
        teacher.reject(first, reason)
        teacher.reject(entry.call, reason)
        return
    teacher.keep(entry.call)
    teacher.keep(first)
    common: dict[str, Any] = {
        "parents": [entry.stretch.passage_id, entry.call.id, first.id],
        "depth": 1,
        "difficulty": text_difficulty(answer),
    }
    grown.examples.append(plain(FLOW, "synthetic", solved(entry.question, answer), **common))
    grown.examples.append(chat(FLOW, entry.question, answer, **common))


def objection(entry: Asked, call: Call, answer: str, again: str, blind: str) -> str:
    """Say why a question and its answer are not kept; empty if they are."""
    if call.finish == "length":
        return "truncated"
    fault = filters.bad_form(answer) or filters.bad_answer(answer, entry.question, entry.stretch.text)
    if fault:
        return fault
    if words.overlap_f1(answer, again) < AGREE:
        return "answers differ"
    if words.overlap_f1(answer, blind) >= 0.8:
        return "answered without the text"
    return ""
