"""Instruction following: real requests with constraints that a program checks, and replies that obey.

The Phi-4 report calls strict formats its weak spot (section 8). The constraints are of `verify.constraints`,
composed so that they can be obeyed together; whole families are held out for evaluation. The strict checker
decides; a judge only says whether the request itself was answered, which no checker sees.
"""

from __future__ import annotations

from trivium.records import Example
from trivium.synthesize import words
from trivium.synthesize.session import Session
from trivium.verify import constraints

REPLIES = 3
CONSTRAINTS = (1, 3)
REQUEST_CHARS = (20, 300)
"""Length of a user's request that leaves room for constraints. Source: AutoIF, arXiv:2406.13542."""
PARROT = 0.6
"""A reply with more of its 6-grams in the prompt than this repeats it."""


async def grow(at: Session) -> list[Example]:
    """Attach constraints, draw replies, keep one that obeys all and answers; a near miss goes beside it."""
    request = " ".join(at.seed.text.split())
    low, high = REQUEST_CHARS
    at.object_if("request", None if low <= len(request) <= high else "too short or too long", request)
    asked, encoded = constraints.attach(request, at.random, at.random.randint(*CONSTRAINTS))
    picks = constraints.decode(encoded)
    at.object_if("request", "no constraint fits" if not picks else None, request)
    replies = [await at.draw("reply", n, max_tokens=220, prompt=asked) for n in range(REPLIES)]
    obeying = [reply for reply in replies if reply and constraints.passes(reply, picks)]
    at.object_if("check", "no reply obeys" if not obeying else None, "\n---\n".join(replies))
    chosen = obeying[0]
    at.object_if("check", objection(chosen, asked, picks), chosen)
    answers = await at.agrees("judge", request=request, reply=chosen)
    at.object_if("judge", None if answers else "does not answer the request", chosen)
    misses = [
        reply
        for reply in replies
        if reply and sum(not ok for ok in constraints.results(reply, picks).values()) == 1
    ]
    meta = {"constraints": encoded, "verifier": "constraints", "rejected": misses[0] if misses else ""}
    share = len(obeying) / REPLIES
    return [at.chat(asked, chosen, difficulty=round(1 - share, 3), meta=meta)]


def objection(reply: str, prompt: str, picks: list[constraints.Pick]) -> str | None:
    """Say what is wrong with a reply that obeys: it parrots the prompt, or is a refusal."""
    told = [str(pick.params["request"]) for pick in picks if pick.kind == "repeat_request"]
    body = reply.replace(told[0], "", 1) if told else reply
    if words.copied_share(body, prompt) > PARROT and len(words.plain_words(body)) > 6:
        return "parrots the prompt"
    if reply.strip().lower().startswith(("i'm sorry", "i am sorry", "i cannot", "i can't", "as an ai")):
        return "refuses"
    return None
