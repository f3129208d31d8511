"""DROP: numbers, dates and spans read out of a passage, by exact match and by F1 over words."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any

from trivium.evaluate.standard.task import (
    GENERATE,
    HARNESS,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    make_item,
)  # fmt: skip
from trivium.records import Verdict

ARTICLES = re.compile(r"\b(a|an|the)\b")
Answer = tuple[str, ...]
"""Spans that all have to be said; a number or a date is one."""


def read(rows: Rows) -> list[Item]:
    """Rows with `passage`, `question`, `answer` and `validated_answers`; or `answers_spans`, as the hub's.

    Questions about one passage are one draw.
    """
    return [
        make_item(
            "drop",
            n,
            prompt=f"{row['passage']} {row['question']}",
            gold=tuple(" ".join(answer) for answer in answers(row)),
            facts=json.dumps(answers(row)),
            cluster=f"drop {row.get('section_id') or row['passage']}",
        )
        for n, row in enumerate(rows["test"])
    ]


def answers(row: Mapping[str, Any]) -> list[Answer]:
    """Every answer that somebody gave, each once, in the order of the file."""
    if "answers_spans" in row:
        return list(dict.fromkeys([tuple(row["answers_spans"]["spans"])]))
    return list(dict.fromkeys(_parsed(one) for one in (row["answer"], *_validated(row["validated_answers"]))))


def _validated(found: Any) -> Iterable[Mapping[str, Any]]:
    """The answers of the validators: a list of them, or columns as a hub's data set writes them."""
    if not isinstance(found, Mapping):
        return list(found)
    columns = [found[name] for name in ("number", "date", "spans")]
    return [dict(zip(("number", "date", "spans"), one, strict=True)) for one in zip(*columns, strict=True)]


def _parsed(answer: Mapping[str, Any]) -> Answer:
    if answer["number"] != "":
        return (str(answer["number"]),)
    if answer["spans"]:
        return tuple(answer["spans"])
    date = answer["date"]
    return (" ".join((date["day"], date["month"], date["year"])).strip(),)


def judge(item: Item, output: Output) -> Judged:
    """Exact match and F1 against the answer that fits best (Dua et al. 2019, arXiv 1903.00161)."""
    pairs = [scores((output.reply,), gold) for gold in json.loads(item.facts) if gold[0].strip()]
    exact = max((pair[0] for pair in pairs), default=0.0)
    f1 = max((pair[1] for pair in pairs), default=0.0)
    return Judged(
        verdict=Verdict.RIGHT if exact else Verdict.WRONG,
        scores=[Score("accuracy", exact), Score("f1", f1)],
        answer=normal(output.reply),
    )


def scores(said: Sequence[str], gold: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1; spans are paired so that the sum of F1 is greatest."""
    ours, theirs = [normal(span) for span in said], [normal(span) for span in gold]
    exact = float(set(ours) == set(theirs) and len(ours) == len(theirs))
    return exact, round(_aligned([set(s.split()) for s in ours], [set(s.split()) for s in theirs]), 2)


def _aligned(said: Sequence[set[str]], gold: Sequence[set[str]]) -> float:
    few, many = sorted((said, gold), key=len)
    if len(few) == 1:  # what a reply is
        best = max(_f1(one, few[0]) if many is said else _f1(few[0], one) for one in many)
    else:
        best = max(
            sum(_f1(a, b) if few is said else _f1(b, a) for a, b in zip(few, chosen, strict=True))
            for chosen in permutations(many, len(few))
        )
    return best / len(many)


def _f1(said: set[str], gold: set[str]) -> float:
    """F1 of two sets of words; 0 where the answer has numbers and none of them is said."""
    numbers = {word for word in gold if _is_number(word)}
    if numbers and not numbers & said:
        return 0.0
    shared = len(said & gold)
    precision = shared / len(said) if said else 1.0
    recall = shared / len(gold) if gold else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def normal(text: str) -> str:
    """Lower case, without punctuation and articles; numbers as floats."""
    words = (_word(word.lower()) for word in re.split(" |-", text))
    return " ".join(word for word in words if word.strip()).strip()


def _word(word: str) -> str:
    bare = word if _is_number(word) else "".join(ch for ch in word if ch not in string.punctuation)
    fixed = str(float(bare)) if _is_number(bare) else bare
    return " ".join(ARTICLES.sub(" ", fixed).split())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


TASKS = (
    StandardTask(
        name="drop",
        follows=f"drop 3.0 of {HARNESS}, no examples",
        kind=GENERATE,
        files={"test": "drop/drop*"},
        hub={"test": ("EleutherAI/drop", "", "validation")},
        read=read,
        judge=judge,
        metrics=("f1", "accuracy"),
        stops=(".",),
    ),
)
