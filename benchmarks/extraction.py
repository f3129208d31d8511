"""Extraction quality and speed beside trafilatura, resiliparse and turbohtml, one core, one run.

    python benchmarks/extraction.py ../shared/data

Needs the folders html-trafilatura-a, html-trafilatura-cc, html-defuddle-a and tex-latexml (test data of those
projects); peers that are not installed are left out
(`pip install trafilatura lxml_html_clean resiliparse pylatexenc`).

- Segments: F1 of the gold segments of trafilatura's evaluation, found literally in the text. The block
decisions were
  developed on -cc and on the pages of -a whose file name hashes to an even number; the rest of -a (`held
  out`) was only ever scored as a whole.
- Speed: pages a second of CPU time over all pages of -a, the systems one after the other, the best of the
repeats.
- Kept: equations, code blocks and tables of html-defuddle-a's gold Markdown, compared as in
`extraction_scores.py`;
  all systems are asked for Markdown where they can. This set was looked at while developing.
- TeX: equations and tables of LaTeXML's own tests that our TeX reader keeps, compared as in
`extraction_tex.py`. All of it was looked at while developing.

Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import extraction_tex
from extraction_scores import Extract, Tally, count_kept, count_segments, f1

from trivium.curate.extract.html import extract

TARGETS = {
    "f1": 0.93,
    "pages_per_second": 200.0,
    "equations": 0.90,
    "code": 0.95,
    "tables": 0.90,
    "tex_equations": 0.90,
    "tex_tables": 0.90,
}
Page = tuple[str, bytes, list[str], list[str]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder that holds the data sets")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", default="", help="comma-separated names of systems")
    args = parser.parse_args()
    pages = {name: load_pages(args.data / f"html-trafilatura-{name}") for name in ("cc", "a")}
    parts = {
        "cc": pages["cc"],
        "a developed": [page for page in pages["a"] if is_developed(page[0])],
        "a held out": [page for page in pages["a"] if not is_developed(page[0])],
    }
    found = {}
    for name, (text, markdown) in systems().items():
        if name == "trivium" or not args.only or name in args.only.split(","):
            found[name] = measure(name, text, markdown, parts, args.data / "html-defuddle-a", args.repeats)
    found["trivium"] |= measure_tex("trivium", extraction_tex.ours, args.data / "tex-latexml")
    try:
        peer = extraction_tex.with_pylatexenc()
        found["pylatexenc"] = measure_tex("pylatexenc", peer, args.data / "tex-latexml")
    except ImportError as error:
        print(f"pylatexenc: left out ({error})")
    ours = found["trivium"]
    holds = {key: ours.get(key, 0.0) >= target for key, target in TARGETS.items()}
    line = {
        "name": "extraction",
        "targets": TARGETS,
        "holds": holds,
        "systems": found,
        "versions": versions(),
    }
    print(json.dumps(line))


def measure(
    name: str, text: Extract, markdown: Extract, parts: dict[str, list[Page]], gold: Path, repeats: int
) -> dict[str, float]:
    """Score one system and print its line."""
    scores = {part: score_segments(text, pages) for part, pages in parts.items()}
    rate = pages_per_second(
        text, [page for part in ("a developed", "a held out") for page in parts[part]], repeats
    )
    kept = score_kept(markdown, gold)
    print(f"{name}: {rate:,.0f} pages/s")
    for part, (whole, precision, recall) in scores.items():
        print(f"    {part:12} F1 {whole:.3f}  precision {precision:.3f}  recall {recall:.3f}")
    print(
        "    kept " + ", ".join(f"{what} {t.kept}/{t.total} = {t.share:.3f}" for what, t in kept.items()),
        flush=True,
    )
    return {
        "f1": round(scores["a held out"][0], 4),
        "f1_cc": round(scores["cc"][0], 4),
        "f1_developed": round(scores["a developed"][0], 4),
        "pages_per_second": round(rate, 1),
        **{what: round(tally.share, 4) for what, tally in kept.items()},
    }


def measure_tex(name: str, convert: Callable[[str], str], folder: Path) -> dict[str, float]:
    """Score one TeX reader and print its line."""
    kept = extraction_tex.score_tex(convert, folder)
    print(
        f"{name}, TeX: " + ", ".join(f"{what} {t.kept}/{t.total} = {t.share:.3f}" for what, t in kept.items())
    )
    return {what: round(tally.share, 4) for what, tally in kept.items()}


def load_pages(folder: Path) -> list[Page]:
    """Return (file, bytes, wanted segments, unwanted segments) of a gold set."""
    gold = json.loads((folder / "gold.json").read_text())
    return [
        (
            entry["file"],
            gzip.decompress((folder / "html" / entry["file"]).read_bytes()),
            entry["with"],
            entry["without"],
        )
        for entry in gold.values()
    ]


def is_developed(file: str) -> bool:
    """Say whether a page was looked at while the block decisions were made."""
    return hashlib.sha256(file.encode()).digest()[0] % 2 == 0


def score_segments(text: Extract, pages: list[Page]) -> tuple[float, float, float]:
    """Return (F1, precision, recall) over the segments of all pages."""
    counts = [count_segments(text(data), wanted, unwanted) for _, data, wanted, unwanted in pages]
    kept, missed, wrong = (sum(column) for column in zip(*counts, strict=True))
    return f1(kept, missed, wrong)


def pages_per_second(text: Extract, pages: list[Page], repeats: int) -> float:
    """Return the best rate of the repeats, in CPU time of this process."""
    best = 0.0
    for _ in range(repeats):
        started = time.process_time()
        for _, data, _, _ in pages:
            text(data)
        best = max(best, len(pages) / (time.process_time() - started))
    return best


def score_kept(markdown: Extract, folder: Path) -> dict[str, Tally]:
    """Return what is kept of the gold Markdown of a folder of pairs."""
    tallies = {"equations": Tally(), "code": Tally(), "tables": Tally()}
    for path in sorted((folder / "fixtures").glob("*.html")):
        gold = (folder / "expected" / f"{path.stem}.md").read_text()
        gold = re.sub(r"\A```json\n.*?\n```\n", "", gold, flags=re.DOTALL)  # the page's metadata
        count_kept(markdown(path.read_bytes()), gold, tallies)
    return tallies


def systems() -> dict[str, tuple[Extract, Extract]]:
    """Return name -> (text, Markdown) of the systems that are installed, ours first."""

    def ours(data: bytes) -> str:
        return extract(data).text

    found: dict[str, tuple[Extract, Extract]] = {"trivium": (ours, ours)}
    for name, make in (
        ("trafilatura", with_trafilatura),
        ("resiliparse", with_resiliparse),
        ("turbohtml", with_turbohtml),
    ):
        try:
            found[name] = make()
        except ImportError as error:
            print(f"{name}: left out ({error})")
    return found


def with_trafilatura() -> tuple[Extract, Extract]:
    """Return trafilatura's text without comments, and its Markdown."""
    import trafilatura

    def text(data: bytes) -> str:
        return trafilatura.extract(data, include_comments=False) or ""

    def markdown(data: bytes) -> str:
        return (
            trafilatura.extract(data, output_format="markdown", include_formatting=True, include_tables=True)
            or ""
        )

    return text, markdown


def with_resiliparse() -> tuple[Extract, Extract]:
    """Return resiliparse's main content, flat and with its formatting kept."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding
    from resiliparse.parse.html import HTMLTree

    def parsed(data: bytes) -> HTMLTree:
        return HTMLTree.parse(bytes_to_str(data, detect_encoding(data)))

    def text(data: bytes) -> str:
        return extract_plain_text(parsed(data), main_content=True, alt_texts=False, links=False)

    def formatted(data: bytes) -> str:
        return extract_plain_text(parsed(data), main_content=True, alt_texts=True, preserve_formatting=True)

    return text, formatted


def with_turbohtml() -> tuple[Extract, Extract]:
    """Return turbohtml's own main text, and the Markdown of its main content."""
    import turbohtml

    def text(data: bytes) -> str:
        return turbohtml.parse(data).main_text()

    def markdown(data: bytes) -> str:
        content = turbohtml.parse(data).main_content()
        return content.to_markdown() if content is not None else ""

    return text, markdown


def versions() -> dict[str, str]:
    """Return the versions of the systems that are installed."""
    found = {}
    for name in ("trafilatura", "resiliparse", "turbohtml", "pylatexenc"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
