"""The decontaminate stage step by step: withheld facts, Algorithm 1, rephrasings, leaks cut or dropped."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trivium.curate.account import Clock
from trivium.curate.decontaminate import (
    CLEAN,
    LABELS,
    PARTIAL,
    SEVEN,
    THIRTEEN,
    Checked,
    Finding,
    Index,
    Item,
    Row,
    Rules,
    check,
)
from trivium.curate.decontaminate_rephrased import RephrasedIndex, find_rephrased
from trivium.curate.decontaminate_review import Reviewed, page
from trivium.curate.decontaminate_spans import mend
from trivium.curate.passages import split
from trivium.curate.withheld import WithheldFacts
from trivium.records import Document, Drop, Example, Question, row_id

if TYPE_CHECKING:
    from trivium.curate.decontaminate_stage import DecontaminateConfig
    from trivium.store.run import StageDir

STEP = "decontaminate"
SOURCE_OF_KIND = {"code": "code", "web": "web", "books": "acquired"}
"""Mixture source of each kind of document; facts become no rows, synthesis states those that may be known."""
PROBLEM = re.compile(r"Problem: (.*?)\nSolution:", re.DOTALL)
"""The frame of `models.chat.plain_problem`."""
NUM_WORST = 10
BACKGROUND_ROWS = 5_000
"""Rows that tell how rare a word is."""


def decontaminate(config: DecontaminateConfig, stage: StageDir) -> dict[str, Any]:
    """Run all steps and return the metrics."""
    clock = Clock(time.perf_counter)
    examples = stage.rows("synthesize", "examples", Example)
    documents = stage.rows("curate", "documents", Document)
    questions = stage.rows("items", "questions", Question)
    clock.lap("read")
    withheld = WithheldFacts(stage.seed) if config.withhold_facts else None
    drops: list[Drop] = []
    rows = [*organic_examples(documents, config.max_row_chars, withheld, drops), *examples]
    rows = _without_withheld(rows, withheld, drops)
    clock.lap("withheld")
    items = [item_of(question, question.skill in config.prompt_only_skills) for question in questions]
    rules = Rules(config.partial_ratio, config.contaminated_ratio, config.ubiquitous_rows)
    index = Index(items)
    checked = check(index, [row_of(example) for example in rows], rules)
    clock.lap("check")
    if config.rephrased:
        checked = _with_rephrased(items, rows, checked)
        clock.lap("rephrased")
    kept, done = _remove(index, rows, checked, rules, config.min_left, drops)
    stage.write("examples", Example, kept)
    stage.write("partial", PartialRow, _partial_rows(rows, checked))
    stage.write_text("review.html", page(index, _reviewed(rows, checked, done)))
    stage.drop(drops)
    return {**_metrics(rows, kept, drops, checked, len(items)), **clock.metrics()}


def _with_rephrased(items: Sequence[Item], rows: Sequence[Example], checked: Checked) -> Checked:
    """Look for items in other words in the rows that Algorithm 1 lets pass."""
    places = [i for i, finding in enumerate(checked.findings) if finding.label in (CLEAN, PARTIAL)]
    texts = [text_of(rows[i]) for i in places]
    background = texts[:: max(1, len(texts) // BACKGROUND_ROWS)]
    findings = list(checked.findings)
    for place, finding in find_rephrased(RephrasedIndex(items, background), texts).items():
        findings[places[place]] = finding
    return dataclasses.replace(checked, findings=findings)


def _remove(
    index: Index, rows: Sequence[Example], checked: Checked, rules: Rules, min_left: float, drops: list[Drop]
) -> tuple[list[Example], list[str]]:
    """Return the rows that stay, and for every row whether it was kept, cut or dropped.

    Prose documents lose the paragraphs that leak, if at least `min_left` of them is left; all else goes.
    """
    kept, done = [], []
    for example, finding in zip(rows, checked.findings, strict=True):
        done.append("kept")
        if not finding.label.startswith("contaminated"):
            kept.append(example)
            continue
        done[-1] = "dropped"
        if min_left < 1 and _is_prose(example) and finding.label in (SEVEN, THIRTEEN):
            mended = mend(index, example.text, finding, rules, min_left)
            if mended.text:
                done[-1] = "cut"
                kept.append(_cut_example(example, mended.text, mended.cut))
        drops.append(_contaminated(example, finding, cut=done[-1] == "cut"))
    return kept, done


def _is_prose(example: Example) -> bool:
    return example.flow == "organic" and example.source != SOURCE_OF_KIND["code"]


def _cut_example(example: Example, text: str, cut: Sequence[tuple[int, int]]) -> Example:
    meta = {**json.loads(example.meta), "cut": cut, "cut_from": example.id}
    return dataclasses.replace(
        example, id=row_id(f"{STEP}.cut", [example.id], text), text=text, meta=json.dumps(meta)
    )


def _reviewed(rows: Sequence[Example], checked: Checked, done: Sequence[str]) -> list[Reviewed]:
    return [
        Reviewed(example.id, example.source, text_of(example), finding, what)
        for example, finding, what in zip(rows, checked.findings, done, strict=True)
    ]


def organic_examples(
    documents: Sequence[Document], max_chars: int, withheld: WithheldFacts | None, drops: list[Drop]
) -> list[Example]:
    """Turn kept documents into plain examples of depth 0; long ones are cut between paragraphs.

    Documents of files that print whole fact tables are left out (their drops are appended to `drops`).
    """
    examples: list[Example] = []
    for document in documents:
        source = SOURCE_OF_KIND.get(document.kind)
        if source is None:
            continue
        if withheld is not None and withheld.is_closed(document.source):
            drops.append(_drop(document.id, "table_of_withheld_facts", "", document.source))
            continue
        for start, end in _spans(document, max_chars):
            examples.append(_organic(document, source, start, end))
    return examples


def _spans(document: Document, max_chars: int) -> list[tuple[int, int]]:
    if document.kind == "code" or len(document.text) <= max_chars:
        return [(0, len(document.text))]
    return list(split(document.text, max_chars // 4, max_chars))


def _organic(document: Document, source: str, start: int, end: int) -> Example:
    return Example(
        id=row_id(f"{STEP}.organic", [document.id], f"{start}:{end}"),
        source=source,
        flow="organic",
        text=document.text[start:end],
        parents=[document.id],
        meta=json.dumps({"kind": document.kind, "start": start, "end": end}),
    )


def _without_withheld(
    rows: list[Example], withheld: WithheldFacts | None, drops: list[Drop]
) -> list[Example]:
    if withheld is None:
        return rows
    kept = []
    for example in rows:
        fact = withheld.stated_in(text_of(example))
        if fact:
            drops.append(_drop(example.id, "states_withheld_fact", fact, example.source))
        else:
            kept.append(example)
    return kept


def text_of(example: Example) -> str:
    """Return all text of an example."""
    return "\n".join([example.text, *(message.content for message in example.messages)]).strip()


def row_of(example: Example) -> Row:
    """Return what the algorithm compares: all text, and the prompts it asks."""
    asked = [message.content for message in example.messages if message.role == "user"]
    return Row(text_of(example), (*asked, *PROBLEM.findall(example.text)))


def item_of(question: Question, prompt_only: bool = False) -> Item:
    """Return an item: its prompt, and the prompt with its solution (or its answer, where there is none)."""
    if prompt_only:
        return Item(question.id, question.prompt, "")
    return Item(question.id, question.prompt, f"{question.prompt}\n{question.solution or question.answer}")


def _contaminated(example: Example, finding: Finding, cut: bool) -> Drop:
    """Record a row that went, or the paragraphs of one; `_cut` in the reason tells the second."""
    shown = finding.gram or (f"7-gram ratio {finding.ratio}" if finding.ratio else "same prompt")
    reason = finding.label + ("_cut" if cut else "")
    return _drop(example.id, reason, f"item {finding.item_id}: {shown}", example.source)


def _drop(row: str, reason: str, detail: str, source: str) -> Drop:
    return Drop(id=row, step=STEP, reason=reason, detail=detail, source=source)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PartialRow:
    """A kept row that shares much with an item."""

    id: str
    item_id: str
    ratio: float


def _partial_rows(rows: Sequence[Example], checked: Checked) -> list[PartialRow]:
    pairs = zip(rows, checked.findings, strict=True)
    return [PartialRow(id=e.id, item_id=f.item_id, ratio=f.ratio) for e, f in pairs if f.label == PARTIAL]


def _metrics(
    rows: Sequence[Example], kept: Sequence[Example], drops: Sequence[Drop], checked: Checked, num_items: int
) -> dict[str, Any]:
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for example, finding in zip(rows, checked.findings, strict=True):
        labels[example.source][finding.label] += 1
    total = Counter(finding.label for finding in checked.findings)
    worst = sorted(
        ((f.ratio, e.id, f.item_id) for e, f in zip(rows, checked.findings, strict=True) if f.ratio),
        reverse=True,
    )
    return {
        "items": num_items,
        "rows": len(rows),
        "kept": dict(sorted(Counter(example.source for example in kept).items())),
        "labels": {label: total[label] for label in LABELS},
        "labels_by_source": {source: dict(sorted(found.items())) for source, found in sorted(labels.items())},
        "dropped": dict(Counter(drop.reason for drop in drops).most_common()),
        "spared_13grams": checked.spared_13grams,
        "spared_7grams": checked.spared_7grams,
        "worst_ratios": [{"ratio": r, "row": row, "item": item} for r, row, item in worst[:NUM_WORST]],
    }
