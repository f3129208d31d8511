"""Transform, seed instruction, refine: a passage becomes material, a task of a taxonomy, a harder task.

AgentInstruct (arXiv:2407.03502). Its known weakness is that nothing checks what the agents make up; here the
material must be grounded in the passage, the refined task must ask for more without talking about itself, and
the answer must be grounded in the material.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import yaml

from trivium.records import Example
from trivium.synthesize import filters, words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.prompts import FOLDER
from trivium.synthesize.session import WRITE, Session

FLOW = "taxonomy"
GROUNDED = 0.6
"""Least share of the content words of material and answer that must come from what they are made of."""
GROWTH = (1.0, 3.5)
"""Words of a refined task over words of the first one."""
SAME = 0.95
"""Overlap from which a refined task is the first one again."""

_TALKS = re.compile(
    r"\b(?:(?:given|rewritten|original|new|harder) (?:task|prompt|instruction)|#\w+#|rewrite this task)\b",
    re.I,
)
_ASKS = re.compile(
    r"\?$|^(?:[A-Z][a-z]+ )?\b(?:name|list|say|write|explain|compare|find|give|order|tell|show|sum|put)", re.I
)


@functools.cache
def tree() -> dict[str, Any]:
    """Read the transformations, the tasks (skill, subtype, what to ask) and the ways to make one harder."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / FLOW / "tree.yaml").read_text(encoding="utf-8"))
    return found


def leaves() -> list[tuple[str, str, str]]:
    """Return every leaf of the taxonomy: skill, subtype, what to ask for."""
    return [(skill, name, what) for skill, under in tree()["tasks"].items() for name, what in under.items()]


async def grow(at: Session) -> list[Example]:
    """Go the three ways and answer the task; the row is material and task, then the answer."""
    form, how = at.random.choice(list(tree()["transformations"].items()))
    skill, subtype, what = at.random.choice(leaves())
    way = at.random.choice(tree()["refinements"])
    passage = at.seed.text
    material = filters.unlabelled(
        await at.ask("transform", max_tokens=150, sampling=WRITE, stop=("\n\n",), passage=passage, how=how)
    )
    at.object_if("transform", ungrounded(material, passage), material)
    task = await at.ask(
        "instruct", filters.unlabelled, max_tokens=50, sampling=WRITE, stop=("\n",), text=material, what=what
    )
    at.object_if("instruct", bad_task(task, material), task)
    harder = await at.ask(
        "refine",
        filters.unlabelled,
        max_tokens=80,
        sampling=WRITE,
        stop=("\n",),
        text=material,
        task=task,
        way=way,
    )
    at.object_if("refine", bad_task(harder, material) or not_harder(harder, task), harder)
    answer = await at.ask(
        "answer", filters.unlabelled, max_tokens=130, stop=("\n\n",), text=material, task=harder
    )
    at.object_if("answer", ungrounded(answer, f"{material} {harder}"), answer)
    meta = {"form": form, "skill": skill, "subtype": subtype, "refinement": way}
    return [at.chat(f"{material}\n\n{harder}", answer, difficulty=text_difficulty(answer), meta=meta)]


def ungrounded(text: str, origin: str) -> str | None:
    """Say whether a text is none, or says what its origin does not."""
    if fault := filters.bad_form(text):
        return fault
    if strange := filters.invented(text, origin):
        return strange
    if filters.grounded_share(text, origin) < GROUNDED:
        return "words from nowhere"
    return None


def bad_task(task: str, material: str) -> str | None:
    """Say what is wrong with a task."""
    if not 4 <= len(words.plain_words(task)) <= 60:
        return "task too short or too long"
    if _TALKS.search(task):
        return "task talks about itself"
    if not _ASKS.search(task):
        return "task asks for nothing"
    if strange := filters.invented(task, material):
        return strange
    if words.copied_share(task, material) > 0.7:
        return "task copies the text"
    return None


def not_harder(harder: str, task: str) -> str | None:
    """Say whether a refined task is none."""
    if words.overlap_f1(harder, task) > SAME:
        return "not refined"
    ratio = len(words.plain_words(harder)) / max(len(words.plain_words(task)), 1)
    if not GROWTH[0] <= ratio <= GROWTH[1]:
        return "grown too little or too much"
    return None
