"""Decontamination on real text: recall on planted and rephrased items, false positives, megabytes a second.

    python benchmarks/decontamination.py --data ../shared/data

Needs the folders gsm8k-test, gsm8k-train, decontam-gsm8k-rephrase, decontam-report-example, math-test-1k,
mmlu-dev-600, textbook-* and wikitext2-valid of --data; nothing else. Items are 250 questions of GSM8K's test
part with their solutions, plants are put into textbook sections. The bound of the second stage was chosen on
the even rows of GSM8K's training part and of the rephrased pairs; the odd ones are reported. One process, one
thread, speeds a second of CPU time, best of three. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium.curate.decontaminate import SEVEN, THIRTEEN, Index, Item, Row, Rules, check, ratio
from trivium.curate.decontaminate_rephrased import SIMILARITY, RephrasedIndex, find_rephrased
from trivium.curate.ngrams import encode, split_words
from trivium.stats import wilson

RULES = Rules(partial_ratio=0.3, contaminated_ratio=0.6, ubiquitous_rows=0)
"""The stage's defaults; nothing is spared as ubiquitous, since every plant is."""
TARGETS = {
    "exact_recall": 1.0, "edited_recall": 0.95, "rephrased_recall": 0.8, "rephrased_false": 0.01,
    "mb_per_second": 20.0,
}  # fmt: skip
INDEX_GRAMS = 1_000_000
SPEED_MB = 24


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    report_example(args.data)
    items = gsm8k_items(args.data)
    hosts = textbooks(args.data)
    figures = {**planted(items, hosts, args.seed), **rephrased(args.data, hosts), **speed(args.data, hosts)}
    holds = {
        "exact_recall": figures["exact_recall"] >= TARGETS["exact_recall"],
        "edited_recall": figures["edited_recall"] >= TARGETS["edited_recall"],
        "rephrased_recall": figures["rephrased_recall"] >= TARGETS["rephrased_recall"],
        "rephrased_false": figures["rephrased_false"] <= TARGETS["rephrased_false"],
        "mb_per_second": figures["mb_per_second"] >= TARGETS["mb_per_second"],
    }
    for name, target in TARGETS.items():
        print(f"{name}: {figures[name]} (target {target}) {'holds' if holds[name] else 'MISSED'}")
    print(json.dumps({"name": "decontamination", **figures, "targets": TARGETS, "holds": holds}))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON lines file."""
    return [json.loads(line) for line in path.read_text().split("\n") if line.strip()]


def report_example(data: Path) -> None:
    """The report's worked example, 15 shared 7-grams and a ratio of 15/38."""
    example = json.loads((data / "decontam-report-example" / "example.json").read_text())
    shared, value = ratio(example["train"], example["test"])
    print(f"worked example of the report: {shared} shared 7-grams, ratio {value:.4f} (15, {15 / 38:.4f})")


def gsm8k_items(data: Path) -> list[Item]:
    """Test questions with their solutions."""
    rows = rows_of(data / "gsm8k-test" / "test.250.jsonl")
    return [
        Item(f"gsm8k{i}", row["question"], f"{row['question']}\n{row['answer']}")
        for i, row in enumerate(rows)
    ]


def textbooks(data: Path) -> list[str]:
    """Sections of three textbooks."""
    paths = [
        *data.glob("textbook-d2l/chapter_*/*.md"), *data.glob("textbook-openlogic/content/**/*.tex"),
        *data.glob("textbook-openstax-python/modules/*/index.cnxml"),
    ]  # fmt: skip
    texts = [path.read_text(errors="replace") for path in sorted(paths)]
    return [text for text in texts if len(text) > 2_000]


def planted(items: Sequence[Item], hosts: Sequence[str], seed: int) -> dict[str, Any]:
    """Recall on questions planted verbatim and with 5 % of their words replaced; hosts without a plant."""
    index, rng = Index(items), random.Random(seed)
    vocabulary = sorted({word for host in hosts[:50] for word in split_words(host) if word.isalpha()})
    found: dict[str, list[bool]] = {"exact": [], "edited": []}
    labels: dict[str, Counter[str]] = {"exact": Counter(), "edited": Counter()}
    for kind, places in (("exact", ("start", "middle", "end")), ("edited", ("start", "middle", "end"))):
        for place in places:
            rows = []
            for i, item in enumerate(items):
                plant = item.prompt if kind == "exact" else edited(item.prompt, 0.05, vocabulary, rng)
                rows.append(Row(put(hosts[(7 * i) % len(hosts)], plant, place)))
            findings = check(index, rows, RULES).findings
            hits = [f.label in (SEVEN, THIRTEEN) for f in findings]
            found[kind] += hits
            labels[kind].update(f.label for f in findings)
            print(f"{kind} plants at the {place}: {sum(hits)} of {len(hits)} found")
    clean = check(index, [Row(host) for host in hosts], RULES).findings
    wrong = sum(f.label in (SEVEN, THIRTEEN) for f in clean)
    print(f"hosts without a plant: {wrong} of {len(hosts)} called contaminated")
    return {
        "exact_recall": round(float(np.mean(found["exact"])), 4),
        "edited_recall": round(float(np.mean(found["edited"])), 4),
        "edited_interval": interval(sum(found["edited"]), len(found["edited"])),
        "labels": {kind: dict(counts) for kind, counts in labels.items()},
        "clean_hosts_false": f"{wrong}/{len(hosts)}",
    }


def edited(text: str, share: float, vocabulary: Sequence[str], rng: random.Random) -> str:
    """Replace a share of the words (at least one) by words of the hosts."""
    words = text.split()
    for place in rng.sample(range(len(words)), max(1, round(share * len(words)))):
        words[place] = rng.choice(vocabulary)
    return " ".join(words)


def put(host: str, plant: str, place: str) -> str:
    """Put a plant at the start, the middle or the end of a host, between two words."""
    at = {"start": 0, "middle": host.find(" ", len(host) // 2), "end": len(host)}[place]
    return f"{host[:at]} {plant} {host[at:]}".strip()


def rephrased(data: Path, hosts: Sequence[str]) -> dict[str, Any]:
    """Recall of both stages on rephrased items; false positives on other questions and on textbooks."""
    pairs = rows_of(data / "decontam-gsm8k-rephrase" / "pairs.jsonl")
    items = [Item(str(p["i"]), p["original_question"], p["original_question"]) for p in pairs]
    leaks = [p["rephrased"].split("\nAnswer:")[0].removeprefix("Question: ") for p in pairs]
    clean = [row["question"] for row in rows_of(data / "gsm8k-train" / "train.jsonl")]
    first = [f.label in (SEVEN, THIRTEEN) for f in check(Index(items), list(map(Row, leaks)), RULES).findings]
    index = RephrasedIndex(items, clean)
    started = time.process_time()
    wrong = find_rephrased(index, clean)
    rate = sum(map(len, clean)) / (time.process_time() - started) / 1e6
    found = find_rephrased(index, leaks)
    both = [hit or place in found for place, hit in enumerate(first)]
    own = sum(found[place].item_id == items[place].id for place in found)
    odd_leaks, odd_clean = both[1::2], [place in wrong for place in range(1, len(clean), 2)]
    in_books = len(find_rephrased(index, hosts))
    print(f"rephrased items, stage 1: {sum(first[1::2])} of {len(odd_leaks)} found")
    print(
        f"rephrased items, both stages: {sum(odd_leaks)} of {len(odd_leaks)}; own item {own} of {len(found)}"
    )
    print(
        f"called rephrased: {sum(odd_clean)} of {len(odd_clean)} other questions of the same kind, ", end=""
    )
    print(f"{in_books} of {len(hosts)} textbook sections")
    return {
        "stage_1_recall": round(float(np.mean(first[1::2])), 4),
        "rephrased_recall": round(float(np.mean(odd_leaks)), 4),
        "rephrased_interval": interval(sum(odd_leaks), len(odd_leaks)),
        "rephrased_false": round(float(np.mean(odd_clean)), 4),
        "rephrased_false_interval": interval(sum(odd_clean), len(odd_clean)),
        "rephrased_false_textbooks": f"{in_books}/{len(hosts)}",
        "chosen_on": {"recall": round(float(np.mean(both[::2])), 4),
                      "false": round(sum(place % 2 == 0 for place in wrong) / len(clean[::2]), 4)},
        "bound": SIMILARITY,
        "stage_2_mb_per_second": round(rate, 2),
    }  # fmt: skip


def speed(data: Path, hosts: Sequence[str]) -> dict[str, Any]:
    """Megabytes of text a second against an index of a million distinct n-grams."""
    items = many_items(data)
    started = time.process_time()
    index = Index(items)
    built = time.process_time() - started
    grams = len(index.long.hashes) + len(index.short.hashes)
    text = [row["question"] + "\n" + row["answer"] for row in rows_of(data / "gsm8k-train" / "train.jsonl")]
    text = [*hosts, *text]
    texts = text * max(1, round(SPEED_MB * 1e6 / sum(map(len, text))))
    size = sum(len(text.encode()) for text in texts) / 1e6
    rows = list(map(Row, texts))
    best = max(rate(lambda: check(index, rows, RULES), size) for _ in range(3))
    regex = rate(lambda: [split_words(text) for text in texts], size)
    print(
        f"{grams:,} n-grams of {len(items):,} items indexed in {built:.1f} CPU seconds; {size:.1f} MB of text"
    )
    print(f"{best:.1f} MB/s a core; splitting the words with `re` alone, without a lookup: {regex:.1f} MB/s")
    return {"mb_per_second": round(best, 1), "index_grams": grams, "index_seconds": round(built, 2),
            "regex_split_mb_per_second": round(regex, 1)}  # fmt: skip


def many_items(data: Path) -> list[Item]:
    """Real items of several benchmarks, filled up with drawn words to a million n-grams."""
    texts = [item.text for item in gsm8k_items(data)]
    for path in sorted([*data.glob("math-test-1k/*.json*"), *data.glob("mmlu-dev-600/*.jsonl")]):
        if path.name != "ORIGIN.json":
            texts += [json.dumps(row) for row in rows_or_list(path)]
    words = sorted(set(split_words((next(data.glob("wikitext2-valid/*.txt"))).read_text())))
    have = sum(2 * len(encode([text]).flat) for text in texts)
    rng = random.Random(1)
    while have < 1.12 * INDEX_GRAMS:
        texts.append(" ".join(rng.choices(words, k=100)))
        have += 182
    return [Item(str(i), "", text) for i, text in enumerate(texts)]


def rows_or_list(path: Path) -> list[Any]:
    """Rows of a JSON or JSON lines file."""
    return json.loads(path.read_text()) if path.suffix == ".json" else rows_of(path)


def rate(work: Callable[[], object], size: float) -> float:
    """Megabytes a second of CPU time: other programs on the machine do not count."""
    started = time.process_time()
    work()
    return size / (time.process_time() - started)


def interval(hits: int, count: int) -> list[float]:
    """95 % Wilson interval."""
    return [round(edge, 4) for edge in wilson(hits, count)]


if __name__ == "__main__":
    main()
