"""Facts: statements and questions about the known ones, questions about the withheld ones, bogus questions.

The withheld facts are stated nowhere. Whether a question is answered or refused in fine-tuning is decided
later, from what the model turns out to know (Phi-4 report, section 4.4 and appendix A.1).
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from trivium.problems import facts
from trivium.problems.facts import Fact
from trivium.problems.wordings import TABLES
from trivium.records import Document, Example, Question
from trivium.synthesize.guard import Withheld
from trivium.synthesize.rows import Grown, chat, plain, solved

STATEMENTS = "fact_statements"
QUESTIONS = "fact_questions"
LINES_A_DOCUMENT = 8
"""Statements in one document; well within the shortest context."""
QUESTIONS_A_DOCUMENT = 4
"""Questions and answers in one document of drills."""


def known_and_withheld(seed: int) -> tuple[list[Fact], list[Fact], list[Fact]]:
    """Return the known facts, those withheld for training and those withheld for testing."""
    return facts.split_known(facts.tables(), seed)


def listing(
    known: Sequence[Fact], unknown_train: Sequence[Fact], unknown_test: Sequence[Fact]
) -> dict[str, object]:
    """Return the table of what is known and what is withheld, for facts.json."""
    parts = {"known": known, "unknown_train": unknown_train, "unknown_test": unknown_test}
    return {
        name: [{"id": fact.id, "table": fact.table, "key": fact.key, "value": fact.value} for fact in rows]
        for name, rows in parts.items()
    }


def sources_in(documents: Sequence[Document], known: Sequence[Fact]) -> dict[str, str]:
    """Return fact id -> id of the curated document that states it, for the facts that have one."""
    finder = Withheld(known)
    found: dict[str, str] = {}
    for document in documents:
        if document.kind == "facts":
            for fact in finder.stated(document.text):
                found.setdefault(fact.id, document.id)
    return found


def state_facts(known: Sequence[Fact], rounds: int, seed: int, origins: Mapping[str, str]) -> Grown:
    """State every known fact once a round, in wording and company drawn anew each time (source acquired).

    Args:
        known: Facts to state.
        rounds: How often each is stated.
        seed: Draws wordings and company.
        origins: Fact id -> document id, where there is one; these become the rows' parents.
    """
    rng = random.Random(f"fact-statements-{seed}")
    rows: list[Example] = []
    for number in range(rounds):
        order = list(known)
        rng.shuffle(order)
        for start in range(0, len(order), LINES_A_DOCUMENT):
            group = order[start : start + LINES_A_DOCUMENT]
            lines = [
                rng.choice(TABLES[fact.table].statements).format(k=fact.key, v=fact.value) for fact in group
            ]
            meta = json.dumps({"maker": "facts", "seed": seed, "round": number, "sources": sources_of(group)})
            parents = [origins[fact.id] for fact in group if fact.id in origins]
            text = "\n".join(lines)
            rows.append(plain(STATEMENTS, "acquired", text, parents=parents, difficulty=0.2, meta=meta))
    return Grown(examples=rows, tried=len(rows))


def drill_facts(known: Sequence[Fact], rounds: int, seed: int, origins: Mapping[str, str]) -> Grown:
    """Ask every known fact once a round, some questions to a document (plain text, source synthetic).

    Stating a fact often does not make a small model answer questions about it; being asked does.

    Args:
        known: Facts to ask.
        rounds: How often each is asked.
        seed: Draws wordings and company.
        origins: Fact id -> document id, where there is one.
    """
    rng = random.Random(f"fact-drills-{seed}")
    rows: list[Example] = []
    for number in range(rounds):
        order = list(known)
        rng.shuffle(order)
        for start in range(0, len(order), QUESTIONS_A_DOCUMENT):
            group = order[start : start + QUESTIONS_A_DOCUMENT]
            asked = [rng.choice(facts.questions([fact])) for fact in group]
            text = "\n\n".join(solved(question.prompt, question.solution) for question in asked)
            meta = json.dumps({"maker": "facts", "seed": seed, "round": number, "sources": sources_of(group)})
            parents = [origins[fact.id] for fact in group if fact.id in origins]
            rows.append(plain(QUESTIONS, "synthetic", text, parents=parents, difficulty=0.1, meta=meta))
    return Grown(examples=rows, tried=len(rows))


def ask_facts(known: Sequence[Fact], origins: Mapping[str, str]) -> Grown:
    """Ask every known fact in every training wording, as plain text (source synthetic) and as a chat."""
    grown = Grown()
    for fact in known:
        parents = [origins[fact.id]] if fact.id in origins else []
        for question in facts.questions([fact]):
            meta = json.dumps({"maker": "facts", "table": fact.table, "sources": sources_of([fact])})
            prompt, solution = question.prompt, question.solution
            common: dict[str, Any] = {"parents": parents, "difficulty": 0.1, "meta": meta}
            grown.examples.append(plain(QUESTIONS, "synthetic", solved(prompt, solution), **common))
            grown.examples.append(chat(QUESTIONS, prompt, solution, **common))
            grown.tried += 1
    return grown


def fact_questions(
    known: Sequence[Fact], unknown_train: Sequence[Fact], bogus: int, seed: int
) -> list[Question]:
    """Return the questions that refusal training draws from; meta names the status and the table.

    Status known and unknown_train keep the true answer (verifier exact); bogus ones have none (verifier
    refusal). The facts withheld for testing are not among them.
    """
    rows: list[Question] = []
    for status, part in (("known", known), ("unknown_train", unknown_train)):
        for fact in part:
            rows += [_with_meta(question, status, fact.table) for question in facts.questions([fact])]
    for question in facts.bogus(seed, bogus, "train"):
        table = question.template.split()[0]
        rows.append(dataclasses.replace(_with_meta(question, "bogus", table), verifier="refusal"))
    return rows


def sources_of(group: Sequence[Fact]) -> list[str]:
    """Return file and line of each fact, as `python:Lib/http/__init__.py:42`."""
    return [f"{fact.source}:{fact.start_line}" for fact in group]


def _with_meta(question: Question, status: str, table: str) -> Question:
    return dataclasses.replace(question, meta=json.dumps({"status": status, "table": table}))
