"""A conversation of personas about a passage: each speaker chooses a move in private, then speaks.

Phi-4 report, section 2.2 and appendix D.1.3; AgentInstruct (arXiv:2407.03502) for the agents. A turn that
brings in numbers or names from nowhere, says an earlier turn again, merely agrees or falls out of its role
ends the conversation as a loss: one bent fact in a dialogue teaches it twice.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import yaml

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.prompts import FOLDER
from trivium.synthesize.session import WRITE, Session, object_of

FLOW = "conversation"
TURNS = (4, 6)
"""Fewest and most turns; always whole exchanges."""
OVERLAP = 0.5
"""A turn with more of its 3-grams in an earlier one says it again."""
GROUNDED = 0.55
"""Least share of a turn's content words in the passage or in earlier turns; talk needs words of its own."""
LOW_NOVELTY = 2
"""Turns in a row with a novelty below 2 after which the speakers have no more to say."""

_AGREES = ("i agree", "you are right", "you're right", "exactly", "absolutely", "that is true", "yes, that")


@functools.cache
def cards() -> dict[str, Any]:
    """Read the personas and the moves."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / FLOW / "cards.yaml").read_text(encoding="utf-8"))
    return found


async def grow(at: Session) -> list[Example]:
    """Let two personas take turns; the first is the asking side of the chat."""
    pair = at.random.sample(cards()["personas"], 2)
    wanted = at.random.randrange(TURNS[0], TURNS[1] + 1, 2)
    said: list[str] = []
    moves: list[str] = []
    dull = 0
    while len(said) < wanted and dull < LOW_NOVELTY:
        turn = await _turn(at, pair, said)
        at.object_if("turn", objection(turn["say"], at.seed.text, said), turn["say"])
        at.object_if("turn", "the speaker doubts its own accuracy" if turn["accuracy"] < 2 else None)
        dull = dull + 1 if turn["novelty"] < 2 else 0
        said.append(turn["say"])
        moves.append(turn["move"])
    said = said[: len(said) // 2 * 2]
    at.object_if("conversation", "too short" if len(said) < TURNS[0] else None, "\n".join(said))
    meta = {"personas": [card["name"] for card in pair], "moves": moves[: len(said)]}
    return [at.chat(*said, difficulty=text_difficulty(" ".join(said)), meta=meta)]


async def _turn(at: Session, pair: list[dict[str, str]], said: list[str]) -> dict[str, Any]:
    me, other = pair[len(said) % 2], pair[1 - len(said) % 2]
    history = (
        "\n".join(f"{pair[i % 2]['name']}: {text}" for i, text in enumerate(said)) or "(nobody has spoken)"
    )
    level = {"type": "integer", "minimum": 0, "maximum": 3}
    schema = object_of(
        move={"enum": list(cards()["moves"])}, accuracy=level, novelty=level, say={"type": "string"}
    )
    return await at.ask(
        "turn",
        read,
        max_tokens=110,
        sampling=WRITE,
        number=len(said),
        schema=schema,
        passage=at.seed.text,
        name=me["name"],
        persona=me["is"],
        other=other["name"],
        history=history,
        moves=", ".join(f"{name} ({what})" for name, what in cards()["moves"].items()),
    )


def read(text: str) -> dict[str, Any]:
    """Read a turn; raises ValueError for anything else."""
    turn = json.loads(text)
    if not isinstance(turn, dict) or not isinstance(turn.get("say"), str):
        raise ValueError("a JSON object with move, accuracy, novelty and say was expected")
    if turn.get("move") not in cards()["moves"] or not {turn.get("accuracy"), turn.get("novelty")} <= {
        0,
        1,
        2,
        3,
    }:
        raise ValueError("move must be one of the moves, accuracy and novelty 0 to 3")
    return {**turn, "say": filters.unlabelled(turn["say"])}


def objection(text: str, passage: str, said: list[str]) -> str | None:
    """Say what is wrong with a turn."""
    if fault := filters.bad_form(text):
        return fault
    if strange := filters.invented(text, " ".join([passage, *said])):
        return strange
    if any(words.copied_share(text, early, 3) > OVERLAP for early in said):
        return "says an earlier turn again"
    fresh = words.content_stems(text) - words.content_stems(" ".join(said))
    if said and text.lower().startswith(_AGREES) and len(fresh) < 4:
        return "merely agrees"
    if filters.grounded_share(text, " ".join([passage, *said])) < GROUNDED:
        return "words from nowhere"
    if (
        said
        and filters.negated(text) != filters.negated(passage)
        and "?" not in text
        and _same_claim(text, passage)
    ):
        return "denies the passage"
    return None


def _same_claim(text: str, passage: str) -> bool:
    return any(words.overlap_f1(text, sentence) > 0.75 for sentence in words.sentences(passage))
