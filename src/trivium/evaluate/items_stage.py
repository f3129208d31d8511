"""Items: the fixed evaluation items, made before any training row is accepted, so that rows can be checked.

Writes `questions` (skill = name of the task). The contest is not among them: it is drawn after training.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.records import Question
    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemsConfig:
    """How many items each task gets."""

    arithmetic: int = 400
    """Trained wordings, new numbers."""
    programs: int = 300
    """Program-output questions; the answers come from the sandbox."""
    facts_known: int = 360
    """Facts stated in training, asked in a wording never trained on; at most as many as there are."""
    facts_unknown: int = 120
    """Withheld facts that no training question is about; at most as many as there are."""
    bogus: int = 300
    """Questions about entries that do not exist."""
    instructions: int = 400
    """Requests with constraints that a program checks; half of seen kinds, half of held-out families."""
    recall_documents: int = 32
    """Key-value documents at each of the three lengths."""
    recall_queries: int = 8
    """Keys asked of each document."""
    recall_pairs: tuple[int, int, int] = (14, 31, 64)
    """Pairs in a document at 1, 2 and 4 times the pretraining context; a line takes about 15 tokens."""

    def __post_init__(self) -> None:
        """Refuse more queries than pairs."""
        if min(self.recall_pairs) < self.recall_queries:
            raise ConfigError(
                f"items.recall_queries: got {self.recall_queries}; expected at most the fewest pairs of a "
                f"document, {min(self.recall_pairs)}."
            )


def run(config: ItemsConfig, stage: StageDir) -> dict[str, Any]:
    """Make all items. Returns their number by task."""
    from trivium.records import Question

    questions = make(config, stage.seed)
    stage.write("questions", Question, questions)
    return {"items": len(questions), "tasks": dict(sorted(Counter(q.skill for q in questions).items()))}


def make(config: ItemsConfig, seed: int) -> list[Question]:
    """Draw every item; a pure function of configuration and seed, but for running the programs."""
    from trivium.evaluate.tasks import arithmetic, bogus, facts, instructions, programs, recall
    from trivium.problems.facts import split_known, tables

    known, _, withheld = split_known(tables(), seed)
    questions = [
        *arithmetic.items(seed, config.arithmetic),
        *programs.items(seed, config.programs),
        *facts.known_items(known, config.facts_known),
        *facts.unknown_items(withheld, config.facts_unknown),
        *bogus.items(seed, config.bogus),
        *instructions.items(seed, config.instructions),
    ]
    for task, pairs in zip(recall.TASKS, config.recall_pairs, strict=True):
        questions += recall.items(seed, task, config.recall_documents, config.recall_queries, pairs)
    return questions
