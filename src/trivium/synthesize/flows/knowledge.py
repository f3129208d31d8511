"""What this model knows: it is asked often; it learns to answer what it knows and to refuse what it does not.

Phi-4 report, section 4.4 and appendix A.1. Usually right: the right reply. Usually wrong: a refusal. In the
band between no row for fine-tuning (contradictory neighbours make a model refuse too much), but preferences:
right over refusal, refusal over wrong; only their first tokens are to be trained on. A bogus variant, refused
always, is kept only if it differs and nobody takes it for a question with an answer.
"""

from __future__ import annotations

import re

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.session import DRAW, WRITE, Session, yes_or_no
from trivium.verify.answers import is_refusal

_ASKS = re.compile(
    r"\?$|^(?:(?:in|on|at|by|for|of|to|from) )?(?:what|who|whom|whose|which|when|where|why|how|is|are|was"
    r"|were|do|does|did|can|has|have)\b",
    re.IGNORECASE,
)
DRAWS = 6
"""The report does not say how many; 10 is better where calls are cheap."""
USUALLY, SELDOM = 0.7, 0.2
"""Share of right replies from which a question counts as known, and up to which as unknown."""
FIRST_TOKENS = 5
"""Tokens of a reply that enter a preference. Source: Phi-4 report, appendix A.1."""
JUDGES = 2
REFUSALS = (
    "I do not know that.",
    "I don't know the answer to this.",
    "I am not sure, and I would rather not guess.",
    "I cannot answer that with confidence.",
    "I have no record of that.",
)
BOGUS_REFUSALS = (
    "There is no such thing that I know of.",
    "I have no record of that.",
    "This cannot be known.",
)


async def grow(at: Session) -> list[Example]:
    """Ask often, count, and write what the counts call for."""
    question, key = at.seed.text, at.seed.answer
    at.object_if("seed", "no key" if not key else None, question)
    replies = [
        first_sentence(
            await at.draw("answer", n, max_tokens=40, stop=("\n",), keep_cut=True, question=question)
        )
        for n in range(DRAWS)
    ]
    right = [reply for reply in replies if holds(reply, key)]
    wrong = [reply for reply in replies if not is_refusal(reply) and not holds(reply, key)]
    told = {
        "right": len(right),
        "wrong": len(wrong),
        "asked": DRAWS,
        "answer": key,
        "first_tokens": FIRST_TOKENS,
    }
    share = len(right) / DRAWS
    refusal = at.random.choice(REFUSALS)
    if share >= USUALLY:
        rows = [
            at.chat(
                question,
                min(right, key=len),
                method="answer",
                difficulty=round(1 - share, 3),
                meta={**told, "rejected": refusal},
            )
        ]
    elif share <= SELDOM:
        rejected = wrong[0] if wrong else ""
        rows = [
            at.chat(
                question,
                refusal,
                method="refusal",
                difficulty=round(1 - share, 3),
                meta={**told, "rejected": rejected},
            )
        ]
    else:
        at.object_if("count", "sometimes right: neither known nor unknown", "\n".join(replies))
        return []
    bogus = await at.ask(
        "bogus",
        filters.unlabelled,
        max_tokens=60,
        whole=False,
        sampling=WRITE,
        stop=("\n",),
        question=question,
    )
    if not bogus_fault(bogus, question) and await _nobody_answers(at, bogus):
        meta = {"bogus_of": question, "first_tokens": FIRST_TOKENS}
        rows.append(
            at.chat(bogus, at.random.choice(BOGUS_REFUSALS), method="bogus", difficulty=0.5, meta=meta)
        )
    return rows


async def _nobody_answers(at: Session, bogus: str) -> bool:
    said = [
        await at.ask(
            "judge_real",
            yes_or_no,
            max_tokens=4,
            whole=False,
            sampling=DRAW if n else None,
            number=n,
            question=bogus,
        )
        for n in range(JUDGES)
    ]
    return not any(said)


def first_sentence(reply: str) -> str:
    """Return what a short answer is: the rest of a rambling reply says nothing about what is known."""
    return (words.sentences(reply) or [""])[0]


def holds(reply: str, key: str) -> bool:
    """Say whether a reply gives one of the key's alternatives, as whole words and not denied, once."""
    if is_refusal(reply):
        return False
    said = f" {' '.join(words.plain_words(reply))} "
    alternatives = [" ".join(words.plain_words(part)) for part in key.split(" | ")]
    found = any(part and f" {part} " in said for part in alternatives)
    return found and not filters.negated(reply) and " or " not in said


def bogus_fault(bogus: str, question: str) -> str | None:
    """Say why a bogus variant is none: no question, the same question, or one that leaves the subject."""
    if (
        not _ASKS.search(bogus)
        or len(words.plain_words(bogus)) < 4
        or bogus.count("?") > 1
        or len(words.sentences(bogus)) > 1
    ):
        return "no question"
    same = words.overlap_f1(bogus, question)
    names = set(words.plain_words(bogus)) - set(words.plain_words(question)) - words.STOPWORDS
    if same > 0.97 or not names:
        return "the same question"
    if same < 0.3:
        return "another subject"
    return None
