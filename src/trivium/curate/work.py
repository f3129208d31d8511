"""What the workers of the curate stage do: read, make and judge, cut into passages."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivium.curate.candidates import (
    Candidate,
    candidates_of,
    candidates_table,
    from_document,
    from_page,
    to_document,
)
from trivium.curate.corpus import Rows, texts_of
from trivium.curate.extract.score import code_kept, word_overlap
from trivium.curate.judge import Judge
from trivium.curate.passages import make_passages
from trivium.curate.quality.classifier import QualityModel
from trivium.curate.readable import objection
from trivium.curate.readers import facts, python_books, python_builtins, python_code
from trivium.curate.readers.files import FileShard, ReadOptions, read_shard
from trivium.curate.readers.made_web.maker import Page, PageSpec, render
from trivium.curate.readers.stdlib import PREFIX, library_folder, parse_source
from trivium.curate.seeds import may_be_seed
from trivium.records import Document, Drop, Passage, row_id, to_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How much to read of each source."""

    min_code_chars: int
    max_code_chars: int
    min_prose_chars: int
    min_comment_chars: int
    web_share: float
    options: ReadOptions


@dataclass(frozen=True, slots=True)
class ReadShard:
    """Library files, one of the tables without files (`topics`, `builtins`, `facts`), or a user's files."""

    modules: tuple[str, ...] = ()
    table: str = ""
    files: tuple[FileShard, ...] = ()


@dataclass(frozen=True, slots=True)
class PageScore:
    """How well one page of known main text was extracted."""

    label: str
    precision: float
    recall: float
    code_blocks: int
    code_blocks_kept: int


def read(plan: ReadPlan, shard: ReadShard) -> dict[str, pa.Table]:
    """Return `candidates` (kept apart: `prose`, which becomes web pages) and `drops` of a shard."""
    documents: list[Document] = []
    prose: list[Document] = []
    drops: list[Drop] = []
    if shard.table:
        documents = _read_table(shard.table, plan)
    for file in shard.files:
        found, lost = read_shard(file, plan.options)
        documents += found
        drops += lost
    for name in shard.modules:
        source = parse_source(PREFIX + name, (library_folder() / name).read_bytes())
        if isinstance(source, str):
            drops.append(
                Drop(id=row_id("curate.read", [name], source), step="curate.read", reason=source, source=name)
            )
            continue
        documents += python_code.read_code(
            source, min_chars=plan.min_code_chars, max_chars=plan.max_code_chars
        )
        kind = python_books.side_of(source.name, plan.web_share)
        found = [
            *python_books.read_docstrings(source, kind, plan.min_prose_chars),
            *python_books.read_comments(source, kind, plan.min_comment_chars),
        ]
        (prose if kind == "web" else documents).extend(found)
    return {
        "candidates": candidates_table(map(from_document, documents)),
        "prose": to_table(Document, prose),
        "drops": to_table(Drop, drops),
    }


def _read_table(name: str, plan: ReadPlan) -> list[Document]:
    if name == "topics":
        return python_books.read_topics()
    return python_builtins.read_builtins(plan.min_prose_chars) if name == "builtins" else facts.read_facts()


def judge(judge: Judge, shard: Rows | Sequence[PageSpec]) -> dict[str, pa.Table]:
    """Judge a shard of candidates, or make a shard of pages and judge those."""
    if not isinstance(shard, Rows):
        return _make_and_judge_pages(judge, shard)
    return {"candidates": candidates_table(map(judge.judge, candidates_of(shard.table())))}


def _make_and_judge_pages(judge: Judge, specs: Sequence[PageSpec]) -> dict[str, pa.Table]:
    """Render pages, extract their main text and judge it; score the extraction where the truth is known.

    The papers' rules are for the web at large: our limits fit pages that are as short as these.
    """
    judge = dataclasses.replace(judge, published=False)
    pages = [render(spec) for spec in specs]
    candidates = [from_page(page) for page in pages]
    scores = [_score(page, c) for page, c in zip(pages, candidates, strict=True) if page.main_text]
    return {
        "pages": to_table(Page, pages),
        "candidates": candidates_table(judge.judge(candidate) for candidate in candidates),
        "scores": to_table(PageScore, scores),
    }


def _score(page: Page, candidate: Candidate) -> PageScore:
    precision, recall = word_overlap(candidate.text, page.main_text)
    kept, blocks = code_kept(candidate.text, page.main_text)
    return PageScore(page.label, precision, recall, blocks, kept)


def score(model: QualityModel, rows: Rows) -> dict[str, pa.Table]:
    """Return the probability of `good` for each text, four decimals."""
    import pyarrow as pa

    return {"scores": pa.table({"score": [round(float(value), 4) for value in model.score(texts_of(rows))]})}


@dataclass(frozen=True, slots=True)
class Cut:
    """How kept documents are cut into passages, and which of those may be seeds."""

    model: QualityModel | None
    min_chars: int
    max_chars: int
    seed_chars: tuple[int, int]
    readable: bool
    """Ask of seeds that they read well by themselves."""


def cut_passages(cut: Cut, rows: Rows) -> dict[str, pa.Table]:
    """Cut kept candidates into passages; quality is the classifier's for prose and `code_score` for code.

    Without a classifier the quality of prose is 0.5 (unknown), so that seeds are ranked by content alone.
    Beside the fields of a passage stand `eligible`, whether its kind and length are those of seeds, and
    `objection`, why it is passed over nevertheless.
    """
    import pyarrow as pa

    passages: list[Passage] = []
    for candidate in candidates_of(rows.table()):
        made = make_passages(to_document(candidate), cut.min_chars, cut.max_chars)
        if candidate.kind == "code":
            quality = [candidate.score] * len(made)
        elif cut.model is None or candidate.kind == "facts":
            quality = [0.5] * len(made)
        else:
            quality = [round(float(score), 4) for score in cut.model.score([p.text for p in made])]
        passages += [dataclasses.replace(p, quality=q) for p, q in zip(made, quality, strict=True)]
    eligible = [may_be_seed(p, cut.seed_chars) for p in passages]
    why = [
        objection(p) if wanted and cut.readable else "" for p, wanted in zip(passages, eligible, strict=True)
    ]
    table = to_table(Passage, passages).append_column("eligible", pa.array(eligible, pa.bool_()))
    return {"passages": table.append_column("objection", pa.array(why, pa.string()))}
