"""The pivots page: solutions coloured by p, pivots with their alternatives, trees of rollouts."""

from __future__ import annotations

import json
from typing import Any

from trivium.errors import DataError
from trivium.report.collect import Content
from trivium.report.page import search_facts, token_rows
from trivium.view.query import Query
from trivium.view.render import page
from trivium.view.rollout_tree import Path, grow
from trivium.view.site import Site

STAGE = "pivotal"
SHOWN_QUESTIONS = 40


def show(site: Site, query: Query) -> str:
    """Return the page, or the tree of one question (`question=ID`)."""
    if query.get("question"):
        return _question(site, query.get("question"))
    content = Content(name=site.name, title="", recipe={}, environment={})
    content.pivots = site.json(STAGE, "pivots.json", [])
    return page(
        site,
        "pivots.html",
        "/pivots",
        "Pivots",
        content=content,
        solved=[token_rows(solution) for solution in site.json(STAGE, "solved.json", [])],
        search=search_facts(site.json(STAGE, "metrics.json", {})),
        questions=questions(site),
        folder=_folder(site),
    )


def _folder(site: Site) -> str:
    folder = site.run.finished().get(STAGE)
    return folder.name if folder else ""


def questions(site: Site) -> list[dict[str, Any]]:
    """Return the questions with the most confirmed pivots, with their share of right whole replies."""
    folder = _folder(site)
    if not folder or not any(place.name == f"{folder}/searched" for place in site.tables.places()):
        return []
    table = site.tables.open(f"{folder}/searched")
    found = site.tables.cursor().execute(
        f"SELECT question_id, num_right, num_rollouts, num_confirmed FROM {table.sql} "
        f"WHERE num_confirmed > 0 ORDER BY num_confirmed DESC, question_id LIMIT {SHOWN_QUESTIONS}"
    ).fetchall()  # fmt: skip
    prompts = {row["question_id"]: row["prompt"] for row in site.json(STAGE, "pivots.json", [])}
    names = ("id", "right", "rollouts", "pivots")
    return [dict(zip(names, row, strict=True)) | {"prompt": prompts.get(row[0], "")} for row in found]


def _question(site: Site, question_id: str) -> str:
    table = site.tables.open(f"{_folder(site)}/rollouts")
    rows = site.tables.cursor().execute(
        f"SELECT prefix_ids, completion_ids, verdict FROM {table.sql} WHERE question_id = ?", [question_id]
    ).fetchall()  # fmt: skip
    if not rows:
        raise DataError(f"question: got {question_id[:40]!r}; expected one that the search asked.")
    prompt, paths = read_paths(rows)
    tree = grow(paths, lambda ids: site.text_of(list(ids)) or " ".join(map(str, ids)))
    return page(
        site, "rollout_tree.html", "/pivots", "Tree of rollouts", question_id=question_id, root=tree,
        prompt=site.text_of(list(prompt)) or "", count=len(paths),
    )  # fmt: skip


def read_paths(rows: list[tuple[str, str, str]]) -> tuple[tuple[int, ...], list[Path]]:
    """Return a question's prompt, and of every rollout behind it tokens, start and verdict."""
    read = [(tuple(json.loads(prefix)), tuple(json.loads(new)), verdict) for prefix, new, verdict in rows]
    prompt = min((prefix for prefix, _, _ in read), key=len)
    size = len(prompt)
    paths = [Path((*prefix, *new)[size:], len(prefix) - size, verdict) for prefix, new, verdict in read]
    return prompt, paths
