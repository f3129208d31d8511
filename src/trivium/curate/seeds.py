"""Which passages become seeds: those that read well by themselves, the best first, topics in turn."""

from __future__ import annotations

import os.path
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from trivium.records import Passage


def seed_value(passage: Passage) -> float:
    """Return what seeds are ranked by: quality times the mean of reasoning and factual content."""
    return passage.quality * (passage.reasoning + passage.factual) / 2


def select_seeds(
    passages: Sequence[Passage],
    count: int,
    chars: tuple[int, int],
    per_document: int = 2,
    *,
    objection: Callable[[Passage], str],
    topics: Mapping[str, str] | None = None,
) -> tuple[set[str], Counter[str]]:
    """Choose `count` seeds, as equal in number over the kinds as there are passages for.

    Args:
        passages: Scored passages; facts are never seeds (they are single sentences).
        count: Seeds wanted.
        chars: Shorter and longer passages are not seeds.
        per_document: Most seeds from one document, for variety.
        objection: Says why a passage is passed over, or "".
        topics: Document -> topic; within a kind the topics take turns. None: all are one.

    Returns:
        Ids of the seeds, and how many passages each objection kept out.
    """
    passed_over: Counter[str] = Counter()
    ranked: dict[str, dict[str, list[Passage]]] = defaultdict(lambda: defaultdict(list))
    for passage in sorted(passages, key=lambda p: (-seed_value(p), p.id)):
        if passage.kind == "facts" or not chars[0] <= len(passage.text) <= chars[1]:
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
