"""What all models of the grid share: a token store by component, conversations, items, held-out text.

Made once from a finished run: its documents, its tokenizer, its makers of problems. The web states facts
(Python's own tables); synthetic problems do not; rewrites cover half of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium import recipe as recipes
from trivium.claims.grid import mixtures, texts
from trivium.claims.grid.settings import GridConfig
from trivium.errors import DataError
from trivium.evaluate.tasks import contest
from trivium.models.load import Tokenizer, load_tokenizer
from trivium.models.sample_draw import request_seed
from trivium.problems import facts
from trivium.records import Example, Message, Question, from_table, to_table
from trivium.store import files
from trivium.train import tokens
from trivium.train.tokens import TokenDocument

NEEDED = ("items", "decontaminate", "tokenize")
COMPLETE = "complete.json"
CONTEST, ARITHMETIC, PROGRAMS, INSTRUCTIONS, FACTS = (
    "contest", "arithmetic", "programs", "instructions", "facts",
)  # fmt: skip
REASONING = (CONTEST, ARITHMETIC, PROGRAMS)
WORKED = (*REASONING, INSTRUCTIONS)
"""Tasks with a worked reply, whose bits are measured; facts are chosen."""
TASKS = (*WORKED, FACTS)
CHATS = {"problems.word": 4, "problems.arithmetic": 1, "problems.programs": 1, "constraints": 1}
"""Flow of the run's conversations -> its part of the fine-tuning, beside the facts that are shown."""
MADE = ("problems.word", "problems.arithmetic", "problems.drills", "problems.programs", "constraints")
"""Flows that make up the synthetic source. The run's recall documents and questions about facts stay out."""
HELD_OUT = 20
"""One document in so many trains nobody."""
REPEATED = 1 / 16
"""Tokens of the part that is repeated, over a model's tokens: 4 epochs are a quarter, 12 three quarters.

Phi-4 report, section 3.2 and Figure 2: 4 against 12 epochs over the synthetic data.
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """Where the data of the grid lie; picklable."""

    run: Path
    stages: dict[str, Path]
    out: Path
    seed: int
    config: GridConfig

    @property
    def store(self) -> Path:
        """Folder that stands for the stage tokenize."""
        return self.out / "data" / "tokenize"

    @property
    def chats(self) -> Path:
        """Folder that stands for the stage sft_data."""
        return self.out / "data" / "sft_data"

    @property
    def items(self) -> Path:
        """Held-out problems and what else could be said to them."""
        return self.out / "data" / "items.json"

    @property
    def texts(self) -> Path:
        """Held-out documents as ids, by source."""
        return self.out / "data" / "texts.json"


def prepare(ground: Ground) -> dict[str, Any]:
    """Write everything that models share; what is there complete is kept. Returns the components' targets."""
    done = ground.out / "data" / COMPLETE
    if not done.exists():
        shutil.rmtree(ground.out / "data", ignore_errors=True)
        tokenizer = load_tokenizer(ground.stages["tokenize"] / "tokenizer")
        chosen = texts.choose(ground.config.facts, ground.seed)
        _write_items(ground, chosen)
        _write_chats(ground, chosen)
        shutil.copytree(ground.stages["tokenize"] / "tokenizer", ground.store / "tokenizer")
        found = _write_store(ground, tokenizer, chosen)
        files.write_json(done, found)
    return files.read_json(done)


def _write_items(ground: Ground, chosen: texts.Facts) -> None:
    """Write problems with their solutions, task by task, and the facts that are tested."""
    recipe = recipes.load(ground.run / "recipe.json")
    rows = from_table(Question, files.read_parquet(ground.stages["items"] / "questions.parquet"))
    drawn = request_seed(ground.seed, "claims grid") % 2**32
    rows += contest.items(drawn, ground.config.items, recipe.evaluate.contest_steps)
    found: list[dict[str, Any]] = []
    for task in WORKED:
        own = [row for row in rows if row.skill == task and row.solution]
        own.sort(key=lambda row: request_seed(ground.seed, "claims grid", row.id))
        for row in own[: ground.config.items]:
            found.append(_item(task, row.id, row.prompt, row.solution))
    for fact in chosen.tested:
        (question,) = facts.questions([fact], held_out_wording=True)
        wrong = [f"Answer: {value}" for value in texts.wrong_values(fact, ground.seed)]
        line = _item(FACTS, fact.id, question.prompt, question.solution, wrong)
        found.append({**line, "seen": fact.id in chosen.seen})
    files.write_json(ground.items, found)


def _item(task: str, name: str, prompt: str, reply: str, wrong: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "task": task,
        "item": name,
        "prompt": prompt,
        "replies": [reply, *wrong],
        "bytes": len(reply.encode()),
    }


def _write_chats(ground: Ground, chosen: texts.Facts) -> None:
    """Write the fine-tuning: the run's problems, and questions about the facts that are shown."""
    rows = from_table(Example, files.read_parquet(ground.stages["decontaminate"] / "examples.parquet"))
    asked = {item["prompt"] for item in files.read_json(ground.items)}
    wanted = ground.config.conversations / (sum(CHATS.values()) + 1)
    kept: list[Example] = []
    for flow, times in CHATS.items():
        own = [row for row in rows if row.flow == flow and row.messages]
        own = [row for row in own if not asked & {turn.content for turn in row.messages}]
        own.sort(key=lambda row: request_seed(ground.seed, "claims grid", row.id))
        kept += own[: round(times * wanted)]
    if not kept:
        raise DataError(
            f"{ground.stages['decontaminate']}: got no conversations of {', '.join(CHATS)}; expected some."
        )
    kept += [_chat(question) for question in facts.questions(chosen.shown)]
    files.write_parquet(ground.chats / "examples.parquet", to_table(Example, kept))


def _chat(question: Question) -> Example:
    turns = [
        Message(role="user", content=question.prompt),
        Message(role="assistant", content=question.solution),
    ]
    return Example(id=question.id, source="chat", flow="facts", messages=turns, difficulty=0.1)


def _write_store(ground: Ground, tokenizer: Tokenizer, chosen: texts.Facts) -> dict[str, int]:
    """Write all components; a part of the run's documents is kept apart for the pretraining loss."""
    rows = from_table(Example, files.read_parquet(ground.stages["decontaminate"] / "examples.parquet"))
    lines: dict[str, Any] = {}
    apart: list[dict[str, Any]] = []
    folder = ground.store / "tokens"
    parts = {name: _encode(tokenizer, _documents(rows, name)) for name in mixtures.SOURCES}
    parts |= {name: made for name, made in _fact_parts(ground, tokenizer, chosen).items()}
    for name, made in parts.items():
        if not made:
            raise DataError(f"{ground.stages['decontaminate']}: got no documents for {name}; expected some.")
        held = _held_out(ground, name, made) if name in mixtures.SOURCES else []
        apart += [_text(name, made[place]) for place in held]
        kept = [doc for place, doc in enumerate(made) if place not in set(held)]
        lines[name] = tokens.write_source(folder, name, kept, tokenizer.vocab_size)
        if name == mixtures.PROBLEMS:
            few = _first(kept, round(REPEATED * ground.config.tokens))
            lines[mixtures.FEW] = tokens.write_source(folder, mixtures.FEW, few, tokenizer.vocab_size)
    tokens.write_manifest(folder, tokenizer.vocab_size, lines)
    files.write_json(ground.texts, apart)
    return {name: int(line["targets"]) for name, line in lines.items()}


def _documents(rows: Sequence[Example], component: str) -> list[tuple[str, str, float]]:
    """The run's documents of a component, in an order that does not favour any."""

    def fits(row: Example) -> bool:
        match component:
            case mixtures.PAGES:
                return row.source == "web"
            case mixtures.REWRITES:
                return row.source == "web_rewrites"
            case mixtures.PROBLEMS:
                return row.flow in MADE
            case mixtures.CODE:
                return row.source == "code"
            case mixtures.BOOKS:
                return row.source == "acquired" and row.flow == "organic"
        return False

    kept = [(row.id, row.text, row.difficulty) for row in rows if row.text and fits(row)]
    random.Random(f"claims-documents-{component}").shuffle(kept)
    return kept


def _fact_parts(ground: Ground, tokenizer: Tokenizer, chosen: texts.Facts) -> dict[str, list[TokenDocument]]:
    """Facts as documents, each part long enough for the arm that takes most of it."""
    every, seed = chosen.every, ground.seed
    seen = [fact for fact in every if fact.id in chosen.seen]
    plans: dict[str, tuple[Sequence[facts.Fact], texts.Line, str]] = {
        mixtures.STATED: (every, texts.stated, ""),
        mixtures.ASKED: (seen, texts.asked, ""),
        mixtures.PLAIN: (every, texts.plain, ""),
        mixtures.QUESTIONS: (every, texts.asked, ""),
        mixtures.PLAIN_WRONG: (every, texts.plain, "mentions"),
        mixtures.QUESTIONS_WRONG: (every, texts.asked, "seeds"),
    }
    wanted = mixtures.SPLIT * mixtures.FACTS_IN_WEB * ground.config.tokens
    found = {}
    for name, (rows, line, wrong) in plans.items():
        once = _encode(tokenizer, _plain_rows(texts.documents(rows, line, 1, seed, wrong=wrong)))
        rounds = 1 + int(wanted * HELD_OUT / (HELD_OUT - 1) / sum(len(doc.ids) - 1 for doc in once))
        made = texts.documents(rows, line, rounds, seed, wrong=wrong)
        found[name] = _encode(tokenizer, _plain_rows(made))
    return found


def _plain_rows(made: Sequence[tuple[str, str]]) -> list[tuple[str, str, float]]:
    return [(name, text, 0.2) for name, text in made]


def _encode(tokenizer: Tokenizer, rows: Sequence[tuple[str, str, float]]) -> list[TokenDocument]:
    return [
        TokenDocument(name, [*tokenizer.encode(text), tokenizer.eos_id], len(text.encode()), difficulty)
        for name, text, difficulty in rows
    ]


def _held_out(ground: Ground, name: str, made: Sequence[TokenDocument]) -> list[int]:
    """Places of the documents that nobody trains on: enough bytes, and at most one in twenty."""
    order = sorted(range(len(made)), key=lambda place: request_seed(ground.seed, "held out", made[place].row))
    taken: list[int] = []
    for place in order[: max(1, len(made) // HELD_OUT)]:
        if sum(made[other].num_bytes for other in taken) >= ground.config.heldout_bytes:
            break
        taken.append(place)
    return taken


def _text(name: str, document: TokenDocument) -> dict[str, Any]:
    ids = [int(i) for i in document.ids]
    return {"source": mixtures.SOURCES[name], "row": document.row, "ids": ids, "bytes": document.num_bytes}


def _first(documents: Sequence[TokenDocument], targets: int) -> list[TokenDocument]:
    """Take documents until they have so many targets."""
    taken: list[TokenDocument] = []
    left = targets
    for document in documents:
        if left <= 0:
            break
        taken.append(document)
        left -= len(document.ids) - 1
    return taken


@contextlib.contextmanager
def quiet() -> Any:
    """Silence the bars of stages within a shard; the bar of the ledger stands for all of them."""
    import io

    with contextlib.redirect_stderr(io.StringIO()):
        yield
