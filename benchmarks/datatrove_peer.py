"""datatrove's side of `curate_vs_datatrove.py`, started by it with the peer's Python; prints one JSON line.

    PEER_PYTHON benchmarks/datatrove_peer.py {warc,pages,texts,minhash} INPUT FOLDER LID_MODEL

Only CPU time inside the pipelines counts; imports, models and word lists are loaded before.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.logging import logger


def main() -> None:
    """Run one part."""
    part, source, folder, model = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    logger.remove()
    run = {"warc": warc, "pages": pages, "texts": texts, "minhash": minhash}[part]
    print(json.dumps(run(source, folder, model)))


def documents(source: Path) -> list[Document]:
    """Read the input once, outside the measured time."""
    rows = map(json.loads, source.read_text().split("\n")[:-1])
    return [Document(text=row["text"], id=row["id"]) for row in rows]


def heuristics(model: str) -> list[Any]:
    """FineWeb's filters in FineWeb's order; language by the same model file that the other side uses."""
    from fasttext.FastText import _FastText

    language = LanguageFilter(["en", "de"])
    language.model._model = _FastText(model)
    return [language, GopherRepetitionFilter(), GopherQualityFilter(),
            C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]  # fmt: skip


def texts(source: Path, folder: Path, model: str) -> dict[str, Any]:
    """Language and heuristics on texts."""
    return filtered(documents(source), heuristics(model))


def pages(source: Path, folder: Path, model: str) -> dict[str, Any]:
    """Extraction, language and heuristics on pages."""
    return filtered(documents(source), [Trafilatura(favour_precision=True, timeout=10), *heuristics(model)])


def warc(source: Path, folder: Path, model: str) -> dict[str, Any]:
    """An archive: records, extraction, language and heuristics."""
    steps = [Trafilatura(favour_precision=True, timeout=10), *heuristics(model)]
    reader = WarcReader(str(source.parent), glob_pattern=source.name)
    filtered([Document(text=next(reader.run()).text, id="warm")], steps)
    started = cpu()
    kept: Any = reader.run()
    for step in steps:
        kept = step.run(kept)
    urls = [doc.metadata["url"] for doc in kept]
    return {"cpu_seconds": cpu() - started, "kept": urls}


def filtered(docs: list[Document], steps: list[Any]) -> dict[str, Any]:
    """Run steps one after the other, after one document has loaded what they need."""
    warm = Document(text=docs[0].text[:2_000], id="warm")
    for step in steps[1:]:
        list(step.run(iter([warm])))
    started = cpu()
    kept: Any = iter(docs)
    for step in steps:
        kept = step.run(kept)
    ids = [doc.id for doc in kept]
    return {"cpu_seconds": cpu() - started, "kept": ids}


def minhash(source: Path, folder: Path, model: str) -> dict[str, Any]:
    """The four stages of MinHash with FineWeb's settings."""
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    warm = MinhashDedupSignature(str(folder / "warm"), config)
    list(warm.word_tokenizer.word_tokenize("Load the words."))
    started = cpu()
    reader = JsonlReader(str(source.parent), glob_pattern=source.name)
    names = {name: str(folder / name) for name in ("signatures", "buckets", "remove", "kept", "logs")}
    stages = [
        ([reader, MinhashDedupSignature(names["signatures"], config)], 1),
        ([MinhashDedupBuckets(names["signatures"], names["buckets"], config=config)], config.num_buckets),
        ([MinhashDedupCluster(names["buckets"], names["remove"], config=config)], 1),
        ([reader, MinhashDedupFilter(names["remove"]), JsonlWriter(names["kept"], compression=None)], 1),
    ]  # fmt: skip
    for number, (pipeline, tasks) in enumerate(stages):
        for rank in range(tasks):
            executor = LocalPipelineExecutor(pipeline, tasks=tasks, logging_dir=f"{names['logs']}/{number}")
            executor._run_for_rank(rank)
    used = cpu() - started
    kept = [json.loads(line)["id"] for path in Path(names["kept"]).glob("*.jsonl") for line in path.open()]
    return {"cpu_seconds": used, "kept": kept}


def cpu() -> float:
    """CPU seconds of this process and of children that have ended."""
    import resource

    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    main()
