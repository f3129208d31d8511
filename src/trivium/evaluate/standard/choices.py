"""Tasks read off a model's probabilities: multiple choice (MMLU, ARC, PIQA, ...) and LAMBADA's last word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trivium.errors import DataError
from trivium.evaluate.standard.task import (
    HARNESS,
    LIKELIHOOD,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    make_item,
)  # fmt: skip
from trivium.records import Verdict

LETTERS = "ABCDEFGHIJ"
SHOTS = 5
"""Examples before an MMLU question, the subject's first ones (Hendrycks et al. 2021, arXiv 2009.03300)."""


def judge_choice(item: Item, output: Output) -> Judged:
    """The likeliest option; `accuracy_norm` divides each log-probability by the option's characters.

    Of equally likely ones the first counts, as in the harness.
    """
    gold = int(item.gold[0])
    texts = [text.removeprefix(" ") for _, text in item.options]
    picked = _best([option.logprob for option in output.options])
    normed = _best([o.logprob / max(1, len(t)) for o, t in zip(output.options, texts, strict=True)])
    return Judged(
        verdict=Verdict.RIGHT if picked == gold else Verdict.WRONG,
        scores=[Score("accuracy", float(picked == gold)), Score("accuracy_norm", float(normed == gold))],
        answer=LETTERS[picked] if picked < len(LETTERS) else str(picked),
    )


def judge_said(item: Item, output: Output) -> Judged:
    """Right where every token of the word is the model's first choice; and its log-probability."""
    (word,) = output.options
    right = word.first
    return Judged(
        verdict=Verdict.RIGHT if right else Verdict.WRONG,
        scores=[Score("accuracy", float(right)), Score("perplexity", word.logprob)],
    )


def _best(values: Sequence[float]) -> int:
    return max(range(len(values)), key=lambda place: values[place])


def _question(text: str) -> str:
    return f"Question: {text.strip()}\nAnswer:"


def _strip_question(row: Mapping[str, Any]) -> str:
    return str(row["query"]).strip().removeprefix("Question:").strip()


def _arc(row: Mapping[str, Any]) -> tuple[str, Sequence[str], int]:
    if "query" in row:
        return _question(_strip_question(row)), row["choices"], int(row["gold"])
    labels = list(row["choices"]["label"])
    return _question(row["question"]), row["choices"]["text"], labels.index(row["answerKey"])


def _piqa(row: Mapping[str, Any]) -> tuple[str, Sequence[str], int]:
    if "query" in row:
        return _question(_strip_question(row)), row["choices"], int(row["gold"])
    return _question(row["goal"]), (row["sol1"], row["sol2"]), int(row["label"])


def _openbookqa(row: Mapping[str, Any]) -> tuple[str, Sequence[str], int]:
    if "query" in row:
        return row["query"], row["choices"], int(row["gold"])
    labels = list(row["choices"]["label"])
    return row["question_stem"], row["choices"]["text"], labels.index(row["answerKey"].strip())


def _copa(row: Mapping[str, Any]) -> tuple[str, Sequence[str], int]:
    """Rows of which the premise and `because` or `therefore` are already one text, without its full stop."""
    text = str(row["query"]).strip()
    head, comma, word = text.rpartition(", ")
    return (f"{head} {word}" if comma else text), row["choices"], int(row["gold"])


Reader = Callable[[Mapping[str, Any]], tuple[str, Sequence[str], int]]


def read_choices(task: str, reader: Reader) -> Callable[[Rows], list[Item]]:
    """Return the function that reads rows of a question, its options and the place of the right one."""

    def read(rows: Rows) -> list[Item]:
        items = []
        for n, row in enumerate(rows["test"]):
            context, options, gold = reader(row)
            if not 0 <= gold < len(options):
                raise DataError(
                    f"task {task}: row {n + 1} got {gold} as its right option; expected one of 0 to "
                    f"{len(options) - 1}, mend the file."
                )
            sides = tuple((context, f" {option}") for option in options)
            items.append(make_item(task, n, options=sides, gold=(str(gold),)))
        return items

    return read


def read_winogrande(rows: Rows) -> list[Item]:
    """Two beginnings and one end: rows with `context_options`, `continuation`, `gold`, or the original's."""
    items = []
    for n, row in enumerate(rows["test"]):
        if "context_options" in row:
            contexts, rest, gold = row["context_options"], row["continuation"], int(row["gold"])
        else:
            before, rest = row["sentence"].split("_", 1)
            contexts, gold = (before + row["option1"], before + row["option2"]), int(row["answer"]) - 1
        sides = tuple((context, f" {rest.strip()}") for context in contexts)
        items.append(make_item("winogrande", n, options=sides, gold=(str(gold),)))
    return items


def read_mmlu(rows: Rows) -> list[Item]:
    """Rows with `subject`, `question`, `choices` and `answer`; five of the subject's `shots` stand before."""
    shots: dict[str, list[str]] = {}
    for row in rows["shots"]:
        own = shots.setdefault(row["subject"], [])
        if len(own) < SHOTS:
            own.append(f"{_lettered(row)} {LETTERS[int(row['answer'])]}")
    items = []
    for n, row in enumerate(rows["test"]):
        subject = str(row["subject"])
        head = (
            "The following are multiple choice questions (with answers) about "
            f"{subject.replace('_', ' ')}.\n\n"
        )
        context = head + "\n\n".join([*shots.get(subject, []), _lettered(row)])
        sides = tuple((context, f" {letter}") for letter in LETTERS[: len(row["choices"])])
        gold = (str(int(row["answer"])),)
        items.append(make_item("mmlu", n, options=sides, gold=gold, group=subject))
    return items


def _lettered(row: Mapping[str, Any]) -> str:
    options = "".join(f"\n{LETTERS[i]}. {choice}" for i, choice in enumerate(row["choices"]))
    return f"{str(row['question']).strip()}{options}\nAnswer:"


def read_lambada(rows: Rows) -> list[Item]:
    """Rows with `context` and `continuation`, or one `text` whose last word is asked for."""
    items = []
    for n, row in enumerate(rows["test"]):
        if "text" in row:
            context, word = row["text"].rsplit(" ", 1)
        else:
            context, word = row["context"].rstrip(" "), row["continuation"].strip()
        items.append(make_item("lambada", n, options=((context, f" {word}"),), gold=("0",)))
    return items


def _choice_task(
    name: str, follows: str, file: str, reader: Reader, hub: Mapping[str, tuple[str, str, str]]
) -> StandardTask:
    return StandardTask(
        name=name,
        follows=f"{follows} of {HARNESS}, no examples",
        kind=LIKELIHOOD,
        files={"test": f"mc-core-a/{file}.jsonl"},
        hub=hub,
        read=read_choices(name, reader),
        judge=judge_choice,
        metrics=("accuracy", "accuracy_norm"),
    )


TASKS = (
    StandardTask(
        name="mmlu",
        follows=f"mmlu 1.0 of {HARNESS}, five examples of the subject",
        kind=LIKELIHOOD,
        files={"test": "mmlu-dev-600/test*.jsonl", "shots": "mmlu-dev-600/dev*.jsonl"},
        hub={"test": ("cais/mmlu", "all", "test"), "shots": ("cais/mmlu", "all", "dev")},
        read=read_mmlu,
        judge=judge_choice,
        metrics=("accuracy",),
    ),
    _choice_task(
        "arc_easy", "arc_easy 1.0", "arc_easy", _arc, {"test": ("allenai/ai2_arc", "ARC-Easy", "test")}
    ),
    _choice_task(
        "arc_challenge", "arc_challenge 1.0", "arc_challenge", _arc,
        {"test": ("allenai/ai2_arc", "ARC-Challenge", "test")},
    ),
    _choice_task("piqa", "piqa 1.0", "piqa", _piqa, {"test": ("baber/piqa", "", "validation")}),
    _choice_task(
        "openbookqa", "openbookqa 1.0", "openbook_qa", _openbookqa,
        {"test": ("allenai/openbookqa", "main", "test")},
    ),
    _choice_task("copa", "copa 1.0", "copa", _copa, {}),
    StandardTask(
        name="winogrande",
        follows=f"winogrande 1.0 of {HARNESS}, no examples",
        kind=LIKELIHOOD,
        files={"test": "mc-core-a/winogrande.jsonl"},
        hub={"test": ("allenai/winogrande", "winogrande_xl", "validation")},
        read=read_winogrande,
        judge=judge_choice,
        metrics=("accuracy",),
    ),
    StandardTask(
        name="lambada",
        follows=f"lambada_openai 1.0 of {HARNESS}",
        kind=LIKELIHOOD,
        files={"test": "lambada-1k/*.jsonl"},
        hub={"test": ("EleutherAI/lambada_openai", "default", "test")},
        read=read_lambada,
        judge=judge_said,
        metrics=("accuracy", "perplexity"),
    ),
)  # fmt: skip
