"""The page of a curate run: what was read and kept, why the rest was dropped, and the seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from trivium.curate.clusters import beginning, clusters
from trivium.curate.passages import SEED_TAG
from trivium.curate.readers.sources import kind_ending
from trivium.curate.seeds import folder_topics
from trivium.inert import finalize
from trivium.store.files import read_json, read_parquet, write_text

TEMPLATE = Path(__file__).parent / "templates" / "curated.html"
MAX_DROPS = 3_000
"""So many drops lie in the page, evenly over the reasons; all of them are in dropped/drops.parquet."""
DROP_FIELDS = ("id", "step", "reason", "detail", "source")
BATCH = 1_000
"""Rows with texts that are in memory at once."""
MAX_SEEDS = 30
SHOWN_CHARS = 1_200


def write_page(run: Path) -> Path:
    """Write report.html into a run folder from what its curate stage left; return its path."""
    stage = next(run.glob("[0-9][0-9]-curate"))
    return write_text(run / "report.html", render(gather(stage)))


def gather(stage: Path) -> dict[str, Any]:
    """Return what the page shows, from the tables of a finished curate stage."""
    documents = read_parquet(stage / "documents.parquet", ["id", "source", "language", "licence"])
    dropped = stage / "dropped" / "drops.parquet"
    duplicates = read_parquet(stage / "duplicates.parquet").to_pylist()
    drops = read_parquet(dropped).to_pydict() if dropped.exists() else {name: [] for name in DROP_FIELDS}
    sources = [str(source) for source in documents.column("source").to_pylist()]
    heads = {row["kept_id"] for row in duplicates}
    sizes, texts = _read_texts(stage / "documents.parquet", heads)
    metrics = read_json(stage / "metrics.json")
    seeds = [p for p in _batches(stage / "passages.parquet") if SEED_TAG in p["tags"]]
    origin = dict(zip(documents.column("id").to_pylist(), sources, strict=True))
    return {
        "kept": len(sources),
        "chars": sum(sizes),
        "num_drops": len(drops["id"]),
        "num_passages": sum(metrics["passages"].values()),
        "num_seeds": len(seeds),
        "formats": _by_format(sources, sizes, drops["source"]),
        "topics": _counted(*_first_folders(sources, drops["source"])),
        "folders": _counted(
            [_folder(source) for source in sources], [_folder(source) for source in drops["source"]]
        ),
        "languages": Counter(
            name or "not judged" for name in documents.column("language").to_pylist()
        ).most_common(),
        "licences": Counter(documents.column("licence").to_pylist()).most_common(),
        "reasons": Counter(zip(drops["step"], drops["reason"], strict=True)).most_common(),
        "num_duplicates": len(duplicates),
        "clusters": clusters(duplicates, texts),
        "masked": [(k, name, n) for k, found in metrics["masked"].items() for name, n in found.items()],
        "drops": _some_of_each(drops),
        "seeds": _some_seeds(seeds, origin),
        "classifier": metrics["classifier"].get("skipped", ""),
        "no_seeds": list(metrics.get("no_seeds", {}).items()),
        "repeats": metrics["dedup"].get("repeats"),
    }


def render(page: dict[str, Any]) -> str:
    """Return the page as one self-contained HTML file; all text of documents is escaped and inert."""
    from jinja2 import Environment

    template = Environment(autoescape=True, finalize=finalize).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(page)


def _batches(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table; few are in memory at once."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=columns):
            yield from batch.to_pylist()


def _read_texts(path: Path, wanted: set[str]) -> tuple[list[int], dict[str, str]]:
    """Return the length of every text, and the beginnings of the wanted ones by id."""
    sizes: list[int] = []
    texts: dict[str, str] = {}
    for row in _batches(path, ["id", "text"]):
        sizes.append(len(row["text"]))
        if row["id"] in wanted:
            texts[row["id"]] = beginning(row["text"])
    return sizes, texts


def _by_format(
    sources: list[str], sizes: list[int], lost_sources: list[str]
) -> list[tuple[str, int, int, int]]:
    """Return (ending, documents kept, characters kept, rows dropped), the most kept first."""
    kept = Counter(kind_ending(source) for source in sources)
    chars: Counter[str] = Counter()
    for source, size in zip(sources, sizes, strict=True):
        chars[kind_ending(source)] += size
    lost = Counter(kind_ending(source) for source in lost_sources)
    names = sorted({*kept, *lost}, key=lambda name: (-kept[name], name))
    return [(name or "none", kept[name], chars[name], lost[name]) for name in names]


def _folder(source: str) -> str:
    return str(PurePosixPath(source).parent)


def _first_folders(kept: list[str], lost: list[str]) -> tuple[list[str], list[str]]:
    """Return for each source its first folder below what all share."""
    topics = folder_topics({source: source for source in (*kept, *lost)})
    return [topics[source] for source in kept], [topics[source] for source in lost]


def _counted(kept: list[str], lost: list[str]) -> list[tuple[str, int, int]]:
    """Return (name, kept, dropped), the largest first, at most a hundred."""
    first, second = Counter(kept), Counter(lost)
    names = sorted({*first, *second}, key=lambda name: (-first[name] - second[name], name))
    return [(name, first[name], second[name]) for name in names[:100]]


def _some_seeds(seeds: list[dict[str, Any]], origin: dict[str, str]) -> list[dict[str, Any]]:
    """Return the best seeds of each kind and folder in turn, with the source of each."""
    topics = folder_topics(origin)
    seeds = sorted(seeds, key=lambda p: (-p["quality"] * (p["reasoning"] + p["factual"]), p["id"]))
    ranks: Counter[tuple[str, str]] = Counter()
    turns = []
    for place, seed in enumerate(seeds):
        topic = (seed["kind"], topics[seed["document_id"]])
        turns.append((ranks[topic], place))
        ranks[topic] += 1
    shown = [seeds[place] for _, place in sorted(turns)[:MAX_SEEDS]]
    return [
        {**seed, "text": seed["text"][:SHOWN_CHARS], "source": origin[seed["document_id"]]} for seed in shown
    ]


def _some_of_each(drops: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return at most MAX_DROPS drops, the same number of each reason as far as there are so many."""
    each = max(1, MAX_DROPS // max(1, len(set(drops["reason"]))))
    taken: Counter[str] = Counter()
    shown = []
    for place, reason in enumerate(drops["reason"]):
        taken[reason] += 1
        if taken[reason] <= each:
            shown.append({name: column[place] for name, column in drops.items()})
    return shown[:MAX_DROPS]
