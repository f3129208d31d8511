"""Which passages become seeds: those that read well by themselves, the best first, topics in turn."""

from __future__ import annotations

import os.path
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from trivium.records import Passage, from_table, schema_of

if TYPE_CHECKING:
    import pyarrow as pa

PER_DOCUMENT = 2
"""Most seeds from one document, for variety."""
LIGHT = ("id", "document_id", "kind", "quality", "reasoning", "factual")
COLUMNS = (*LIGHT, "eligible", "objection")
"""What `shortlist` needs of a passage."""
SHORTLIST_ROWS = 100_000
"""Passages that wait before they are thinned; each takes some hundred bytes."""


def seed_value(passage: Passage) -> float:
    """Return what seeds are ranked by: quality times the mean of reasoning and factual content."""
    return passage.quality * (passage.reasoning + passage.factual) / 2


def may_be_seed(passage: Passage, chars: tuple[int, int]) -> bool:
    """Return whether a passage has the length of a seed; facts, being single sentences, are never seeds."""
    return passage.kind != "facts" and chars[0] <= len(passage.text) <= chars[1]


def shortlist(
    tables: Iterable[pa.Table], count: int, topics: Callable[[pa.Array], pa.Array] | None = None
) -> tuple[list[Passage], Counter[str]]:
    """Return all passages that `select_seeds` may choose, without their texts.

    Of a document only its PER_DOCUMENT best can be chosen, of a kind and topic only the `count` best of
    those: so the choice from these is the choice from all. They are thinned whenever SHORTLIST_ROWS have
    come together, so that memory grows with the number of seeds and topics, not with that of passages.

    Args:
        tables: Scored passages with these COLUMNS, see `work.cut_passages`; all of a document in one table.
        count: Seeds wanted.
        topics: Documents -> the topic of each; None: all are one.

    Returns:
        Passages, the best first, and how many each objection kept out.
    """
    import pyarrow as pa

    passed_over: Counter[str] = Counter()
    parts: list[pa.Table] = []
    waiting = 0
    for table in tables:
        parts.append(_worth(table, passed_over))
        waiting += parts[-1].num_rows
        if waiting >= SHORTLIST_ROWS:
            parts, waiting = [_best(parts, count, topics)], 0
    rows = _best(parts, count, topics).drop_columns("value")
    for field in schema_of(Passage):
        if field.name not in LIGHT:
            empty = {"text": "", "tags": []}.get(field.name, 0)
            rows = rows.append_column(field.name, pa.array([empty] * rows.num_rows, field.type))
    return from_table(Passage, rows), passed_over


def _worth(table: pa.Table, passed_over: Counter[str]) -> pa.Table:
    """Return the rows that may be seeds, with their value, and count the objections to others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.filter(table["eligible"])
    passed_over.update(filter(None, table["objection"].to_pylist()))
    table = table.filter(pc.equal(table["objection"], "")).select(LIGHT)
    values = np.array(table["quality"]) * (np.array(table["reasoning"]) + np.array(table["factual"])) / 2
    return table.append_column("value", pa.array(values, pa.float64()))


def _best(parts: Sequence[pa.Table], count: int, topics: Callable[[pa.Array], pa.Array] | None) -> pa.Table:
    """Return the best of each document and then of each kind and topic, the best of all first."""
    import pyarrow as pa

    table = pa.concat_tables(parts).sort_by([("value", "descending"), ("id", "ascending")])
    documents = table["document_id"].combine_chunks().dictionary_encode()
    owner = documents.indices.to_numpy()
    order = np.flatnonzero(_turn(owner) < PER_DOCUMENT)
    place = table["kind"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    if topics is not None:
        topic = topics(documents.dictionary).dictionary_encode()
        place = place * (len(topic.dictionary) + 1) + topic.indices.to_numpy()[owner]
    return table.take(pa.array(order[_turn(place[order]) < count]))


def _turn(groups: np.ndarray) -> np.ndarray:
    """Return for each place how many earlier ones are of its group."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(groups[order]) != 0)[: len(groups)])
    counts = np.diff(np.append(starts, len(groups)))
    turns = np.empty(len(groups), np.int64)
    turns[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    return turns


def select_seeds(
    passages: Sequence[Passage],
    count: int,
    chars: tuple[int, int] | None,
    per_document: int = PER_DOCUMENT,
    *,
    objection: Callable[[Passage], str],
    topics: Mapping[str, str] | None = None,
) -> tuple[set[str], Counter[str]]:
    """Choose `count` seeds, as equal in number over the kinds as there are passages for.

    Args:
        passages: Scored passages.
        count: Seeds wanted.
        chars: Shorter and longer passages are not seeds, see `may_be_seed`; None: they have been looked at.
        per_document: Most seeds from one document, for variety.
        objection: Says why a passage is passed over, or "".
        topics: Document -> topic; within a kind the topics take turns. None: all are one.

    Returns:
        Ids of the seeds, and how many passages each objection kept out.
    """
    passed_over: Counter[str] = Counter()
    ranked: dict[str, dict[str, list[Passage]]] = defaultdict(lambda: defaultdict(list))
    for passage in sorted(passages, key=lambda p: (-seed_value(p), p.id)):
        if chars is not None and not may_be_seed(passage, chars):
            continue
        if reason := objection(passage):
            passed_over[reason] += 1
            continue
        ranked[passage.kind][topics[passage.document_id] if topics else ""].append(passage)
    taken: Counter[str] = Counter()
    queues = {kind: _Turns(found, taken, per_document) for kind, found in sorted(ranked.items())}
    chosen: set[str] = set()
    while queues and len(chosen) < count:
        for kind in sorted(queues):
            best = queues[kind].next()
            if best is None:
                del queues[kind]
            elif len(chosen) < count:
                taken[best.document_id] += 1
                chosen.add(best.id)
    return chosen, passed_over


def nothing(passage: Passage) -> str:
    """Object to no passage."""
    del passage
    return ""


class _Turns:
    """The best passages left of each topic, one topic after the other."""

    def __init__(
        self, topics: Mapping[str, Sequence[Passage]], taken: Counter[str], per_document: int
    ) -> None:
        self._queues = {topic: iter(found) for topic, found in sorted(topics.items())}
        self._order = list(self._queues)
        self._taken, self._per_document = taken, per_document

    def next(self) -> Passage | None:
        """Return the next passage whose document has room; None when there is none."""
        while self._order:
            topic = self._order.pop(0)
            for passage in self._queues[topic]:
                if self._taken[passage.document_id] < self._per_document:
                    self._order.append(topic)
                    return passage
        return None


def folder_topics(sources: Mapping[str, str]) -> dict[str, str]:
    """Return document -> the first folder of its source below what all sources share.

    Args:
        sources: Document -> file or address.
    """
    folders = {name: str(PurePosixPath(source).parent) for name, source in sources.items()}
    shared = os.path.commonprefix([folder.split("/") for folder in folders.values()])
    return {name: "/".join(folder.split("/")[: len(shared) + 1]) for name, folder in folders.items()}
