"""Difficulty by plurality: draw answers, cluster them by equivalence, keep what is neither trivial nor noise.

Phi-4 report, section 2.2: questions on which all answers agree are too easy, those on which none agree too
hard or ambiguous; in between the plurality answer stands for the truth. Where a key is known, the share of
replies that reach it decides instead.
"""

from __future__ import annotations

from trivium.records import Example
from trivium.synthesize.equations import false_equation
from trivium.synthesize.session import Session
from trivium.synthesize.votes import Tally, answer_in, same_answer, tally

SCREEN, MOST = 4, 8
"""Draws at first, and at most; `Tally` decides early where more draws cannot change the outcome."""
MARGIN = 2
"""Least lead in votes of an answer that is taken for the truth."""
SHARE = 0.4
"""Least share of the votes for it."""
RIVAL = 0.3
"""Share from which a second answer makes a question ambiguous."""


async def grow(at: Session) -> list[Example]:
    """Draw until the outcome is settled."""
    replies: list[str] = []
    settled = False
    while len(replies) < MOST and not settled:
        replies.append(await at.draw("solve", len(replies), max_tokens=150, question=at.seed.text))
        settled = len(replies) >= SCREEN and is_settled(
            tally([answer_in(reply) for reply in replies]), MOST - len(replies)
        )
    answers = [answer_in(reply) for reply in replies]
    votes = tally(answers)
    at.object_if("vote", objection(votes, len(replies)), "\n".join(answers))
    known = at.seed.answer
    right = (
        [i for i, answer in enumerate(answers) if answer and same_answer(answer, known)]
        if known
        else votes.clusters[0]
    )
    at.object_if("vote", "no reply has the key" if not right else None, "\n".join(answers))
    share = len(right) / votes.votes
    sound = [replies[i] for i in right if false_equation(replies[i]) is None]
    at.object_if("reply", "no right reply without a false equation" if not sound else None, replies[right[0]])
    meta = {
        "answer": known or answers[right[0]],
        "truth": "key" if known else "plurality",
        **{"share": round(share, 3), "margin": votes.margin, "entropy": round(votes.entropy, 3)},
        **{"draws": len(replies), "unparsed": votes.unparsed},
    }
    return [at.chat(at.seed.text, min(sound, key=len), difficulty=round(1 - share, 3), meta=meta)]


def is_settled(votes: Tally, left: int) -> bool:
    """Say whether so many further draws cannot make the question acceptable, or unacceptable again."""
    if votes.votes >= SCREEN and (votes.share == 1.0 or len(votes.clusters[0]) == 1):
        return True
    return votes.margin > left + MARGIN


def objection(votes: Tally, draws: int) -> str | None:
    """Say why a question with these votes is not kept."""
    if votes.unparsed * 2 > draws:
        return "most replies have no answer"
    if votes.share == 1.0:
        return "too easy"
    if len(votes.clusters[0]) == 1:
        return "no two replies agree"
    if votes.margin < MARGIN and len(votes.clusters[1]) >= RIVAL * votes.votes:
        return "ambiguous"
    if votes.margin < MARGIN or votes.share < SHARE:
        return "no clear plurality"
    return None
