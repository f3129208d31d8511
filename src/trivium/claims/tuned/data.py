"""What arms train on and are asked: conversations by rule, pairs about facts, problems of their own."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import recipe as recipes
from trivium.align import constraint_pairs, fact_data
from trivium.align.refusal import BOGUS, Asked, Rule, refusal_for, reply_pairs
from trivium.claims.tuned.settings import (
    CONSTRAINT,
    FACT_TASKS,
    JUDGE,
    LETTER,
    NONE,
    OURS,
    PIVOTAL,
    RETOLD,
    TOKENS,
    VERBATIM,
    TunedConfig,
)
from trivium.evaluate.tasks import contest, recall
from trivium.models import chat
from trivium.models.load import load_tokenizer
from trivium.models.sample_draw import request_seed
from trivium.problems import stories
from trivium.problems.vocabulary import TRAIN_NAMES, TRAIN_THINGS
from trivium.records import Example, Message, Preference, Question, Rollout, from_table, row_id, to_table
from trivium.store import files
from trivium.store.run import StageDir

if TYPE_CHECKING:
    from trivium.models.load import Tokenizer

NEEDED = (
    "synthesize",
    "items",
    "tokenize",
    "mix",
    "pretrain",
    "midtrain",
    "sft_data",
    "sft",
    "pivotal",
    "judge",
)
COMPLETE = "complete.json"
REFUSALS = ("fact_refusal", "bogus_refusal")
LEAST_ROWS = 50
"""A flow of fewer conversations is left out of every arm: a part of a pass over it would be nothing."""
BY_LETTER = Rule(answer_above=0.5, refuse_below=0.499, keep_known=False)
"""Phi-4 report, section 4.4: what the base model usually gets right is answered, what it usually gets wrong
refused, whatever the training data state; half is usually."""
STEP = "claims.tuned"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """The run, and where what is made of it lies; picklable."""

    run: Path
    stages: dict[str, Path]
    out: Path
    seed: int
    config: TunedConfig

    @property
    def data(self) -> Path:
        """Folder of what all arms read."""
        return self.out / "data"

    @property
    def problems(self) -> Path:
        """Table of what arms are asked."""
        return self.data / "problems.parquet"

    @property
    def old(self) -> Path:
        """Table of the old contest."""
        return self.data / "old.parquet"

    def read(self, stage: str, table: str, cls: type[Any]) -> list[Any]:
        """Read a table of the run."""
        return from_table(cls, files.read_parquet(self.stages[stage] / f"{table}.parquet"))

    def door(self, name: str, folder: Path, number: int, inputs: dict[str, Path]) -> StageDir:
        """A stage folder of an arm; one seed for all arms of a number."""
        folder.mkdir(parents=True, exist_ok=True)
        seed = request_seed(self.seed, "claims tuned", number)
        return StageDir(name=name, path=folder, seed=seed, inputs={**self.stages, **inputs})


def prepare(ground: Ground) -> None:
    """Write what all arms read; what is there complete is kept."""
    done = ground.data / COMPLETE
    if not done.exists():
        shutil.rmtree(ground.data, ignore_errors=True)
        _write_problems(ground)
        files.write_json(done, _write_conversations(ground))


def _write_problems(ground: Ground) -> None:
    """Write a contest of the claims' own and the run's items, some of each task."""
    config = ground.config
    steps = recipes.load(ground.run / "recipe.json").evaluate.contest_steps
    rows = ground.read("items", "questions", Question)
    drawn = request_seed(ground.seed, "claims tuned") % 2**32
    kept = contest.items(drawn, config.items, steps)
    for task in ("arithmetic", "programs"):
        kept += [row for row in rows if row.skill == task][: max(1, config.items // 2)]
    kept += [row for row in rows if row.skill == "instructions"][: 2 * config.items]
    kept += [row for row in rows if row.skill in recall.TASKS]
    for task in FACT_TASKS:
        own = [row for row in rows if row.skill == task]
        kept += own[: config.facts] if config.facts else own
    files.write_parquet(ground.problems, to_table(Question, kept))
    before = contest.items(request_seed(ground.seed, "claims old contest") % 2**32, config.items, steps)
    known = {row.prompt for row in kept}
    before = [row for row in before if row.prompt not in known]
    files.write_parquet(ground.old, to_table(Question, before))
    for name, retell in ((VERBATIM, False), (RETOLD, True)):
        leaked = [leak(row, retell=retell) for row in before]
        files.write_parquet(ground.data / name / "examples.parquet", to_table(Example, leaked))


def leak(question: Question, *, retell: bool) -> Example:
    """A contest problem with its solution as a conversation, as it is or told in training's sentences."""
    prompt = retold(question) if retell else question.prompt
    turns = [
        Message(role="user", content=prompt),
        Message(role="assistant", content=question.solution),
    ]
    name = row_id(STEP, [question.id], prompt)
    return Example(id=name, source="chat", flow="leaked", messages=turns, parents=[question.id])


def retold(question: Question) -> str:
    """Tell a word problem's numbers and operations in other sentences, with other names and things."""
    told, rng = json.loads(question.meta), random.Random(f"retold-{question.id}")
    owner, other = rng.sample(TRAIN_NAMES, 2)
    things = rng.choice(TRAIN_THINGS)
    parts = [("start", told["start"])]
    parts += [(family(sign, operand), operand) for sign, operand in told["operations"]]
    sentences = [stories.draw(rng, kind, contest=False)[0] for kind, _ in (*parts, ("ask", 0))]
    numbers = [operand for _, operand in parts] + [0]
    return " ".join(
        sentence.format(n=owner, o=other, it=things, x=number, a=number)
        for sentence, number in zip(sentences, numbers, strict=True)
    )


def family(sign: str, operand: int) -> str:
    """Kind of sentence that tells an operation."""
    if operand == 2 and sign in "*/":
        return "double" if sign == "*" else "half"
    return {"+": "add", "-": "sub", "*": "mul", "/": "share"}[sign]


def _write_conversations(ground: Ground) -> dict[str, dict[str, int]]:
    """Write the conversations by each rule and the pairs about facts; returns the rows of every flow."""
    rows = ground.read("sft_data", "examples", Example)
    counts = Counter(row.flow for row in rows)
    ours = [row for row in rows if counts[row.flow] >= LEAST_ROWS]
    tokenizer = load_tokenizer(ground.stages["midtrain"] / "model")
    questions, _ = fact_data.without_items(
        ground.read("synthesize", "fact_questions", Question), ground.read("items", "questions", Question)
    )
    asked = fact_data.tally_all(tokenizer, questions, ground.read("sft_data", "rollouts", Rollout))
    decided, _, _ = fact_data.examples_of(asked, BY_LETTER)
    facts = ("fact_answer", *REFUSALS)
    sets = {
        OURS: ours,
        LETTER: [*(row for row in ours if row.flow not in facts), *decided],
        NONE: [row for row in ours if row.flow not in REFUSALS],
    }
    for name, kept in sets.items():
        files.write_parquet(ground.data / name / "examples.parquet", to_table(Example, kept))
    for name, tokens in TOKENS.items():
        pairs = fact_pairs(tokenizer, asked, tokens, ground.config.pairs)
        files.write_parquet(ground.data / name / "preferences.parquet", to_table(Preference, pairs))
    return {name: dict(Counter(row.flow for row in kept)) for name, kept in sets.items()}


def fact_pairs(tokenizer: Tokenizer, asked: Sequence[Asked], tokens: int, most: int) -> list[Preference]:
    """Make the report's pairs (Appendix A.1) of the first tokens of both replies.

    Args:
        tokenizer: Of the model.
        asked: Questions with what the midtrained model said to them.
        tokens: Of each reply; 0 keeps all.
        most: Pairs in all; half answer over refusal, half refusal over a wrong answer.
    """
    sorts: dict[bool, list[Preference]] = {True: [], False: []}
    for one in sorted(asked, key=lambda one: row_id(STEP, [], one.question.id)):
        refusal = refusal_for(one.question.id, one.kind)
        for chosen, rejected, gap in reply_pairs(one, refusal, one.question.solution):
            sides = [
                [*tokenizer.encode(reply), tokenizer.end_id][: tokens or None] for reply in (chosen, rejected)
            ]
            if sides[0] == sides[1] or (chosen == refusal and one.kind == BOGUS and not one.wrong_replies):
                continue
            pair = Preference(
                id=row_id(STEP, [one.question.id], json.dumps(sides)),
                question_id=one.question.id,
                prompt_ids=chat.prompt_ids(tokenizer, one.question.prompt, "chat"),
                chosen_ids=sides[0],
                rejected_ids=sides[1],
                origin="refusal",
                gap=gap,
                parents=[one.question.id],
            )
            sorts[rejected == refusal].append(pair)
    return [pair for pairs in sorts.values() for pair in pairs[: most // 2]]


def pairs_of(ground: Ground, sort: str, parent: Path, folder: Path, number: int) -> list[Preference]:
    """Pairs of one sort: the run's, those about facts, or the parent's own replies to requests."""
    if sort == PIVOTAL:
        return ground.read("pivotal", "preferences", Preference)
    if sort == JUDGE:
        rows = ground.read("judge", "preferences", Preference)
        return [row for row in rows if row.origin != CONSTRAINT]
    if sort in TOKENS:
        return from_table(Preference, files.read_parquet(ground.data / sort / "preferences.parquet"))
    config = dataclasses.replace(
        recipes.load(ground.run / "recipe.json").judge,
        constraint_questions=ground.config.pairs,
        constraint_pairs=ground.config.pairs,
    )
    door = ground.door("constraints", folder, number, {})
    return constraint_pairs.pairs(config, door, str(parent), load_tokenizer(parent))[0]
