"""The review page: label rows by key, and see how far judges and classifiers agree with you.

The machine's decision is shown after yours, never before.
"""

from __future__ import annotations

from typing import Any

from trivium.errors import DataError
from trivium.view.agreement import Agreement, agree, best_cut
from trivium.view.labels import ANSWERS, LONGEST_NAME, Label
from trivium.view.query import Query
from trivium.view.queues import QUEUES, Queue, decisions, next_row, open_queue
from trivium.view.render import page, part
from trivium.view.site import Site
from trivium.view.tables import Loaded


def show(site: Site, query: Query) -> str:
    """Return the page of a queue; the first one with rows when none is named."""
    there = {key: table for key, queue in QUEUES.items() if (table := open_queue(site, queue)) is not None}
    key = query.get("queue") or next(iter(there), "")
    if not there:
        return page(site, "review.html", "/review", "Review", queues=[], current=None, path=site.labels.path)
    queue = known(key)
    if key not in there:
        raise DataError(f"queue: {queue.title} has no rows in this run; expected one of {', '.join(there)}.")
    content = desk(site, queue, there[key], last=None, by=name_of(query))
    named = [QUEUES[name] for name in there]
    return page(site, "review.html", "/review", "Review", queues=named, path=site.labels.path, **content)


def known(key: str) -> Queue:
    """Return a queue by its key.

    Raises:
        DataError: There is none.
    """
    if key not in QUEUES:
        raise DataError(f"queue: got {key[:40]!r}; expected one of {', '.join(QUEUES)}.")
    return QUEUES[key]


def name_of(query: Query) -> str:
    """Return who labels, as far as they have said."""
    return query.get("by").strip()[:LONGEST_NAME]


def label(site: Site, query: Query) -> str:
    """Keep an answer (or take the last one back) and return what is asked next, as a fragment."""
    queue = known(query.get("queue"))
    table = open_queue(site, queue)
    if table is None:
        raise DataError(f"queue: {queue.title} has no rows in this run; choose another.")
    by = name_of(query)
    if query.get("answer") == "undo":
        last = next(reversed(site.labels.all(queue.key, by)), None)
        if last is not None:
            site.labels.add(Label(queue=queue.key, id=last, answer="", by=by))
        return part("review_part.html", **desk(site, queue, table, last=None, by=by))
    row_id, given = query.get("id"), query.get("answer")
    if given not in ANSWERS or row_id not in decisions(site, queue, table, [row_id]):
        raise DataError(
            f"label: got {given[:20]!r} for {row_id[:40]!r}; expected yes, no or unsure and a row's id."
        )
    made = Label(queue=queue.key, id=row_id, answer=given, note=query.get("note"), by=by)
    site.labels.add(made)
    return part("review_part.html", **desk(site, queue, table, last=made, by=by))


def desk(site: Site, queue: Queue, table: Loaded, last: Label | None, by: str = "") -> dict[str, Any]:
    """Return what the page shows: the next row, the last answer beside the machine's, agreement so far."""
    labels = site.labels.all(queue.key, by)
    row = next_row(site, queue, table, set(labels))
    said = decisions(site, queue, table, list(labels))
    counted = [
        (said[i], one.answer == "yes") for i, one in labels.items() if one.answer != "unsure" and i in said
    ]
    scored = [(score, person) for (_, score), person in counted if score is not None]
    return {
        "current": queue,
        "row_id": row["id"] if row else "",
        "texts": queue.texts(site, row) if row else [],
        "labelled": len(labels),
        "unsure": sum(one.answer == "unsure" for one in labels.values()),
        "last": last,
        "by": by,
        "others": with_others(site.labels.people(queue.key), by),
        "last_machine": said[last.id][0] if last else None,
        "agreement": agree([(machine, person) for (machine, _), person in counted]),
        "cut": best_cut(scored) if queue.score else None,
    }


def with_others(people: dict[str, dict[str, Label]], by: str) -> list[tuple[str, Agreement]]:
    """Return everyone else who has labelled rows that you have, with how far they agree with you."""
    own = {
        row_id: one.answer == "yes" for row_id, one in people.get(by, {}).items() if one.answer != "unsure"
    }
    found = []
    for name, labels in sorted(people.items()):
        both = [
            (one.answer == "yes", own[i]) for i, one in labels.items() if i in own and one.answer != "unsure"
        ]
        if name != by and both:
            found.append((name or "no name given", agree(both)))
    return found
