"""Language identification and personal data on labelled sentences.

    python benchmarks/language_and_pii.py --data ../shared/data

Needs the folders langid-lingua-75 (3,000 sentences in 75 languages) and pii-spans-500 of --data.
Languages that the model does not know at all count as errors and are listed. A span counts as found when one
of its kind shares half of both with it; PERSON is measured with the given names of the even rows. Kinds that
we do not look for (places, organisations, dates) are listed. The patterns were written after a look at the
values of all kinds, so these figures are no blind test; the odd rows are reported. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from trivium.curate.pii import Span, find_pii
from trivium.curate.quality import language
from trivium.stats import wilson

KINDS = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "IP_ADDRESS": "ip", "CREDIT_CARD": "credit_card",
    "IBAN_CODE": "iban", "US_SSN": "ssn",
}  # fmt: skip
SAME = {"nb": "no", "nn": "nn"}
"""lid.176 calls Bokmal Norwegian."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    figures = {"language": languages(args.data), "pii": pii(args.data)}
    print(json.dumps({"name": "language_and_pii", **figures}))


def languages(data: Path) -> dict[str, Any]:
    """Accuracy over sentences, over those in languages that the model knows, and what is confused."""
    path = data / "langid-lingua-75" / "sentences.jsonl"
    rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    language.detect("Load the model.")
    started = time.process_time()
    found = [language.detect(row["text"]) for row in rows]
    used = time.process_time() - started
    right = [said == SAME.get(row["lang"], row["lang"]) for row, (said, _) in zip(rows, found, strict=True)]
    by_language: dict[str, list[bool]] = defaultdict(list)
    for row, hit in zip(rows, right, strict=True):
        by_language[row["lang"]].append(hit)
    unknown = sorted(set(by_language) - language.labels() - set(SAME))
    known = [hit for row, hit in zip(rows, right, strict=True) if row["lang"] not in unknown]
    sure = [hit for hit, (_, score) in zip(right, found, strict=True) if score >= 0.65]
    worst = sorted((sum(hits) / len(hits), name) for name, hits in by_language.items() if name not in unknown)
    confused = Counter(
        (row["lang"], said) for row, (said, _), hit in zip(rows, found, right, strict=True) if not hit
    )
    print(f"{len(language.labels())} languages are known; not {', '.join(unknown) or 'any other'}")
    print(f"accuracy {sum(right) / len(right):.4f} on {len(right)} sentences in {len(by_language)} languages")
    print(f"accuracy {sum(known) / len(known):.4f} {interval(sum(known), len(known))} in those it knows")
    print(f"accuracy {sum(sure) / len(sure):.4f} on the {len(sure)} that it is sure of (0.65)")
    print("weakest:", ", ".join(f"{name} {value:.2f}" for value, name in worst[:8]))
    return {
        "known_languages": len(language.labels()),
        "accuracy": round(sum(right) / len(right), 4),
        "accuracy_known": round(sum(known) / len(known), 4),
        "accuracy_known_interval": interval(sum(known), len(known)),
        "accuracy_sure": round(sum(sure) / len(sure), 4),
        "sure": round(len(sure) / len(rows), 4),
        "unknown": unknown,
        "confused": [f"{a}->{b} {n}" for (a, b), n in confused.most_common(8)],
        "sentences_a_second": round(len(rows) / used),
    }


def pii(data: Path) -> dict[str, Any]:
    """Recall and precision by kind on the odd rows."""
    rows = json.loads((data / "pii-spans-500" / "pii.500.json").read_text())
    odd = rows[1::2]
    names = frozenset(given for row in rows[::2] for given in given_names(row))
    started = time.process_time()
    found = [find_pii(row["full_text"], names) for row in odd]
    used = time.process_time() - started
    counts = {ours: Counter[str]() for ours in [*KINDS.values(), "name"]}
    for row, spans in zip(odd, found, strict=True):
        tally(row, spans, counts)
    report = {kind: scores(count) for kind, count in counts.items()}
    total = Counter[str]()
    for kind in KINDS.values():
        total.update(counts[kind])
    report["all but names"] = scores(total)
    for kind, numbers in report.items():
        print(f"{kind}: {numbers}")
    unsought = Counter(s["entity_type"] for row in odd for s in row["spans"])
    size = sum(len(row["full_text"]) for row in odd) / 1e6
    return {**report, "not_looked_for": {k: n for k, n in unsought.items() if k not in {*KINDS, "PERSON"}},
            "mb_per_second": round(size / used, 2)}  # fmt: skip


def given_names(row: dict[str, Any]) -> list[str]:
    """First words of the names in a row."""
    return [s["entity_value"].split()[0] for s in row["spans"] if s["entity_type"] == "PERSON"]


def tally(row: dict[str, Any], spans: list[Span], counts: dict[str, Counter[str]]) -> None:
    """Count what was there, what was found of it, and what was found beside it."""
    truth = [
        Span(
            s["start_position"],
            s["end_position"],
            "name" if s["entity_type"] == "PERSON" else KINDS[s["entity_type"]],
        )
        for s in row["spans"]
        if s["entity_type"] in {*KINDS, "PERSON"}
    ]
    for true in truth:
        counts[true.kind]["there"] += 1
        counts[true.kind]["found"] += any(same(true, span) for span in spans)
    for span in spans:
        counts[span.kind]["said"] += 1
        counts[span.kind]["right"] += any(same(true, span) for true in truth)


def same(first: Span, second: Span) -> bool:
    """Whether two spans of a kind share half of each."""
    shared = min(first.end, second.end) - max(first.start, second.start)
    longest = max(first.end - first.start, second.end - second.start)
    return first.kind == second.kind and 2 * shared >= longest


def scores(count: Counter[str]) -> dict[str, Any]:
    """Recall and precision of a tally."""
    return {
        "recall": round(count["found"] / max(1, count["there"]), 4),
        "precision": round(count["right"] / max(1, count["said"]), 4),
        "there": count["there"],
        "said": count["said"],
    }


def interval(hits: int, count: int) -> list[float]:
    """95 % Wilson interval."""
    return [round(edge, 4) for edge in wilson(hits, count)]


if __name__ == "__main__":
    main()
