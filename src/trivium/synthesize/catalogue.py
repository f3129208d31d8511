"""The flows that grow rows from seeds with a teacher: one file each, one line each here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from trivium.records import Example
from trivium.synthesize.flows import (
    checkers,
    conversation,
    curriculum,
    execution,
    infill,
    instructions,
    knowledge,
    plurality,
    questions,
    reversal,
    revision,
    rewrite,
    tagging,
    taxonomy,
    trajectory,
)
from trivium.synthesize.session import Session


@dataclass(frozen=True, slots=True)
class Flow:
    """How one technique grows the rows of one seed."""

    grow: Callable[[Session], Awaitable[list[Example]]]
    seeds: str
    """What it takes: prose | code | question | trivia."""
    about: str


FLOWS: dict[str, Flow] = {
    "tagging": Flow(tagging.grow, "prose", "tag a passage: information, complexity, obscurity, deductions"),
    "conversation": Flow(conversation.grow, "prose", "let personas talk about a passage"),
    "taxonomy": Flow(
        taxonomy.grow, "prose", "transform a passage, pose a task of a taxonomy, make it harder"
    ),
    "revision": Flow(revision.grow, "prose", "write, criticise by a rubric, revise; the best version"),
    "reversal": Flow(reversal.grow, "code", "say what code does; kept if others write it again from that"),
    "rewrite": Flow(rewrite.grow, "prose", "say a passage in another style, every fact kept"),
    "questions": Flow(questions.grow, "prose", "ask for a conclusion that a passage draws"),
    "plurality": Flow(plurality.grow, "question", "answer often; keep what is neither trivial nor noise"),
    "execution": Flow(execution.grow, "code", "write solutions and tests apart, cross-check, plant mutants"),
    "infill": Flow(infill.grow, "question", "take a step out of a solution and reason it back"),
    "instructions": Flow(instructions.grow, "question", "add checkable constraints to a request, and obey"),
    "checkers": Flow(checkers.grow, "question", "invent a constraint with its checker, prove both"),
    "knowledge": Flow(knowledge.grow, "trivia", "answer what the model knows, refuse what it does not"),
    "trajectory": Flow(trajectory.grow, "question", "turn calculator calls into reasoning that stands alone"),
    "curriculum": Flow(curriculum.grow, "question", "score difficulty, depth and quality for an order"),
}
