"""What is taken out of kept texts: personal data, secrets, and words that stood before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivium.curate.candidates import Candidate, candidates_of, candidates_table, drop_of
from trivium.curate.corpus import Rows
from trivium.curate.dedup_substring import Repeats, spans_of, windows_of
from trivium.curate.edits import edited
from trivium.curate.pii import Span, find_pii, find_secrets
from trivium.records import Drop, to_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskRow:
    """How many spans of one kind were masked in a document."""

    id: str
    document_kind: str
    kind: str
    count: int


def mask(names: frozenset[str], shard: Rows) -> dict[str, pa.Table]:
    """Mask secrets in every candidate, and personal data in all but code; return them and the counts."""
    masked: list[Candidate] = []
    rows: list[MaskRow] = []
    for candidate in candidates_of(shard.table()):
        spans = private_spans(candidate, names)
        kinds = Counter(span.kind for span in spans)
        note = {"masked": dict(sorted(kinds.items()))}
        masked.append(edited(candidate, [(s.start, s.end, f"<{s.kind}>") for s in spans], note))
        rows += [
            MaskRow(id=candidate.id, document_kind=candidate.kind, kind=kind, count=count)
            for kind, count in sorted(kinds.items())
        ]
    return {"candidates": candidates_table(masked), "masks": to_table(MaskRow, rows)}


def private_spans(candidate: Candidate, names: frozenset[str]) -> list[Span]:
    """Return the spans to mask, in order, not overlapping; a secret goes before what is found within it."""
    secrets = find_secrets(candidate.text)
    if candidate.kind == "code":
        return secrets
    found = [
        span
        for span in find_pii(candidate.text, names)
        if all(span.end <= other.start or span.start >= other.end for other in secrets)
    ]
    return sorted([*secrets, *found], key=lambda span: span.start)


def cut_repeats(window: int, min_chars: int, repeats: Repeats, job: tuple[int, Rows]) -> dict[str, pa.Table]:
    """Cut runs of at least `window` words that stood before, in the same shard or an earlier one.

    Args:
        window: Words.
        min_chars: A text of which fewer characters are left goes.
        repeats: What was found in all shards.
        job: Number of the shard, and its rows.

    Returns:
        `candidates` that are left, their `places` among the rows, `drops` of the texts that go, and `counts`.
    """
    import pyarrow as pa

    kept: list[Candidate] = []
    places: list[int] = []
    drops: list[Drop] = []
    counts: Counter[str] = Counter({"texts": 0, "spans": 0, "characters": 0})
    number, rows = job
    candidates = candidates_of(rows.table())
    texts = [candidate.text for candidate in candidates]
    found = spans_of(texts, windows_of(texts, window), repeats.of(number), window)
    for place, (candidate, spans) in enumerate(zip(candidates, found, strict=True)):
        gone = sum(end - start for start, end in spans)
        counts.update({"texts": bool(spans), "spans": len(spans), "characters": gone})
        if spans and len(candidate.text) - gone < min_chars:
            drops.append(drop_of(candidate, "dedup", "repeated_text", f"{gone} characters stood before"))
            continue
        places.append(place)
        kept.append(edited(candidate, [(a, b, "") for a, b in spans], {"cut": spans}))
    return {
        "candidates": candidates_table(kept),
        "places": pa.table({"place": pa.array(places, pa.int64())}),
        "drops": to_table(Drop, drops),
        "counts": pa.table({name: [count] for name, count in counts.items()}),
    }
