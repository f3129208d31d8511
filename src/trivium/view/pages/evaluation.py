"""The evaluation page: every checkpoint on every task with intervals, and two of them item by item."""

from __future__ import annotations

from collections import Counter
from typing import Any

from trivium.report.charts import STAGE_ORDER
from trivium.report.page import stage_table
from trivium.stats import paired_difference
from trivium.store.files import read_json
from trivium.view.query import Query
from trivium.view.render import page
from trivium.view.site import Site
from trivium.view.tables import Loaded

STAGE = "evaluate"
SHOWN_ITEMS = 60
NO_QUESTION = {"prompt": "", "answer": ""}
KINDS = ("changed", "gained", "lost", "all")


def show(site: Site, query: Query) -> str:
    """Return the page; `task`, `mode`, `a`, `b` and `kind` choose what is compared."""
    path = site.run.path / "table.json"
    rows = read_json(path) if path.exists() else []
    log = log_table(site)
    content: dict[str, Any] = {
        "table": stage_table(rows),
        "checks": site.json(STAGE, "checks.json", []),
        "compared": compare(site, log, query) if log else None,
    }
    return page(site, "evaluation.html", "/evaluation", "Evaluation", **content)


def log_table(site: Site) -> Loaded | None:
    """Return the table of every reply, None where nothing was evaluated."""
    names = [place.name for place in site.tables.places() if place.name.endswith("-evaluate/items_log")]
    return site.tables.open(names[0]) if names else None


def compare(site: Site, log: Loaded, query: Query) -> dict[str, Any] | None:
    """Return how two checkpoints differ on the items of one task."""
    tasks, stages = choices(site, log)
    if len(stages) < 2 or not tasks:
        return None
    task, mode = _split(query.get("task"), tasks)
    a = query.get("a") if query.get("a") in stages else stages[-2]
    b = query.get("b") if query.get("b") in stages else stages[-1]
    kind = query.get("kind") if query.get("kind") in KINDS else KINDS[0]
    items = paired_items(site, log, task, mode, a, b)
    shown, words = [item for item in items if fits(item, kind)], query.get("q").lower().split()
    described = describe(site, {item["id"] for item in (shown if words else shown[:SHOWN_ITEMS])})
    shown = [item for item in shown if says(item | described.get(item["id"], NO_QUESTION), words)]
    return {
        "tasks": tasks,
        "stages": stages,
        "task": f"{task}/{mode}",
        "a": a,
        "b": b,
        "kind": kind,
        "kinds": KINDS,
        "words": query.get("q"),
        "total": len(items),
        "fitting": len(shown),
        "items": [item | described.get(item["id"], NO_QUESTION) for item in shown[:SHOWN_ITEMS]],
        "moves": Counter((item["verdict_a"], item["verdict_b"]) for item in items).most_common(),
        "difference": difference(items),
    }  # fmt: skip


def choices(site: Site, log: Loaded) -> tuple[list[str], list[str]]:
    """Return the judged tasks with their modes (`task/mode`), and the checkpoints in training order."""
    cursor = site.tables.cursor()
    tasks = cursor.execute(
        f"SELECT task || '/' || mode FROM {log.sql} WHERE verdict <> '' GROUP BY 1 ORDER BY min({log.row})"
    ).fetchall()
    found = {stage for (stage,) in cursor.execute(f"SELECT DISTINCT stage FROM {log.sql}").fetchall()}
    stages = [stage for stage in STAGE_ORDER if stage in found] + sorted(found - set(STAGE_ORDER))
    return [task for (task,) in tasks], stages


def _split(wanted: str, tasks: list[str]) -> tuple[str, str]:
    task, _, mode = (wanted if wanted in tasks else tasks[0]).partition("/")
    return task, mode


def paired_items(site: Site, log: Loaded, task: str, mode: str, a: str, b: str) -> list[dict[str, Any]]:
    """Return each reply of `a` beside that of `b` to the same item (and the same draw of it)."""
    names = ("id", "draw", "cluster", "verdict_a", "verdict_b", "value_a", "value_b", "reply_a", "reply_b")
    found = site.tables.cursor().execute(
        f"""WITH asked AS (
            SELECT *, row_number() OVER (PARTITION BY stage, item_id ORDER BY {log.row}) AS draw
            FROM {log.sql} WHERE task = ? AND mode = ? AND stage IN (?, ?))
        SELECT a.item_id, draw, a.cluster, a.verdict, b.verdict, a.value, b.value, a.reply, b.reply
        FROM asked a JOIN asked b USING (item_id, draw) WHERE a.stage = ? AND b.stage = ?
        ORDER BY a.item_id, draw""",
        [task, mode, a, b, a, b],
    ).fetchall()  # fmt: skip
    return [dict(zip(names, row, strict=True)) for row in found]


def fits(item: dict[str, Any], kind: str) -> bool:
    """Whether an item is of the kind that is looked at."""
    gained = item["value_b"] - item["value_a"]
    changed = item["verdict_a"] != item["verdict_b"] or gained != 0
    return {"changed": changed, "gained": gained > 0, "lost": gained < 0, "all": True}[kind]


def says(item: dict[str, Any], words: list[str]) -> bool:
    """Whether every word occurs in the question or in one of the replies, whatever its case."""
    text = " ".join((item["prompt"], item["reply_a"] or "", item["reply_b"] or "")).lower()
    return all(word in text for word in words)


def difference(items: list[dict[str, Any]]) -> tuple[float, float, float] | None:
    """Return b minus a with its 95 % interval; items that share a text count once."""
    sums: dict[str, list[float]] = {}
    for item in items:
        entry = sums.setdefault(item["cluster"], [0.0, 0.0, 0.0])
        entry[0] += item["value_a"]
        entry[1] += item["value_b"]
        entry[2] += 1
    if not sums:
        return None
    before = [entry[0] / entry[2] for entry in sums.values()]
    after = [entry[1] / entry[2] for entry in sums.values()]
    return paired_difference(after, before)


def describe(site: Site, ids: set[str]) -> dict[str, dict[str, str]]:
    """Return item id -> what was asked and what was expected."""
    found: dict[str, dict[str, str]] = {}
    for place in site.tables.places():
        if place.name.rpartition("/")[2] in ("questions", "contest", "fact_questions"):
            table = site.tables.open(place.name)
            marks = ", ".join("?" for _ in ids) or "NULL"
            rows = site.tables.cursor().execute(
                f"SELECT id, prompt, answer FROM {table.sql} WHERE id IN ({marks})", sorted(ids)
            ).fetchall()  # fmt: skip
            found |= {row_id: {"prompt": prompt, "answer": answer} for row_id, prompt, answer in rows}
    return found
