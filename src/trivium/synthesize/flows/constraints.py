"""Requests with constraints that a program can check, and replies that meet them.

The Phi-4 report calls strict formats its weak spot (section 8) and proposes targeted synthetic data as the
cure.
"""

from __future__ import annotations

from typing import Any

from trivium.records import Question, Verdict
from trivium.synthesize.rows import Grown, chat, drop, plain, solved
from trivium.verify import constraints, judge

FLOW = "constraints"


def make_constraints(seed: int, plain_count: int, chat_count: int) -> Grown:
    """Make requests of the training families, each with a reply that its own verifier accepts."""
    made = constraints.make(seed, plain_count + chat_count, split="train")
    grown = Grown(tried=len(made))
    for index, question in enumerate(made):
        if reason := objection(question):
            grown.drops.append(drop(question.id, FLOW, reason, detail=question.prompt))
            continue
        common: dict[str, Any] = {"difficulty": min(question.difficulty / 8, 1.0), "method": question.method}
        prompt, reply, meta = question.prompt, question.solution, question.meta
        if index < chat_count:
            grown.examples.append(chat(FLOW, prompt, reply, meta=meta, **common))
        else:
            grown.examples.append(plain(FLOW, "synthetic", solved(prompt, reply), meta=meta, **common))
    return grown


def objection(question: Question) -> str:
    """Say whether the reply fails the check that the request sets; empty if it passes."""
    if not question.solution:
        return "no reply"
    verdict = judge(question.verifier, question.solution, question.answer)
    return "" if verdict is Verdict.RIGHT else f"reply is {verdict}"
