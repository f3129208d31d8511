"""BIG-Bench Hard by worked examples, and values recalled by key from a long context."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from trivium.evaluate.standard.task import (
    GENERATE,
    HARNESS,
    Item,
    Judged,
    Output,
    Rows,
    StandardTask,
    judged,
    make_item,
)
from trivium.records import Verdict

SUBTASKS = (
    "boolean_expressions", "causal_judgement", "date_understanding", "disambiguation_qa", "dyck_languages",
    "formal_fallacies", "geometric_shapes", "hyperbaton", "logical_deduction_five_objects",
    "logical_deduction_seven_objects", "logical_deduction_three_objects", "movie_recommendation",
    "multistep_arithmetic_two", "navigate", "object_counting", "penguins_in_a_table",
    "reasoning_about_colored_objects", "ruin_names", "salient_translation_error_detection", "snarks",
    "sports_understanding", "temporal_sequences", "tracking_shuffled_objects_five_objects",
    "tracking_shuffled_objects_seven_objects", "tracking_shuffled_objects_three_objects", "web_of_lies",
    "word_sorting",
)  # fmt: skip
"""Suzgun et al. 2022, arXiv 2210.09261."""

ANSWER = re.compile(r"(?<=the answer is )(.*)(?=.)")


def read_bbh(name: str) -> Callable[[Rows], list[Item]]:
    """Rows with `input` and `target`; the worked examples are one text, below its line of dashes."""

    def read(rows: Rows) -> list[Item]:
        shots = str(rows["shots"][0]["text"]).split("-----\n")[-1].strip()
        return [
            make_item(
                f"bbh_{name}",
                n,
                prompt=f"{shots}\n\nQ: {row['input']}\nA: Let's think step by step.\n",
                gold=(row["target"],),
            )
            for n, row in enumerate(rows["test"])
        ]

    return read


def judge_bbh(item: Item, output: Output) -> Judged:
    """The first text after `the answer is`, without its last character, word for word."""
    found = ANSWER.findall(output.reply)
    if not found:
        return judged(Verdict.UNPARSED)
    return judged(Verdict.RIGHT if found[0] == item.gold[0] else Verdict.WRONG, found[0])


def read_kv(rows: Rows) -> list[Item]:
    """Rows with `ordered_kv_records`, `key` and `value`; grouped by where in the text the key stands."""
    items = []
    for n, row in enumerate(rows["test"]):
        pairs = row["ordered_kv_records"]
        place = [key for key, _ in pairs].index(row["key"])
        text = ",\n ".join(f'"{key}": "{value}"' for key, value in pairs)
        prompt = (
            "Extract the value corresponding to the specified key in the JSON object below.\n\n"
            f'JSON data:\n{{{text}}}\n\nKey: "{row["key"]}"\nCorresponding value:'
        )
        third = ("first", "middle", "last")[min(2, 3 * place // len(pairs))]
        facts = json.dumps({"place": place})
        items.append(
            make_item("kv_retrieval", n, prompt=prompt, gold=(row["value"],), group=third, facts=facts)
        )
    return items


def judge_kv(item: Item, output: Output) -> Judged:
    """Right is a reply that holds the value."""
    right = item.gold[0].casefold() in output.reply.casefold()
    return judged(Verdict.RIGHT if right else Verdict.WRONG)


TASKS = (
    *(
        StandardTask(
            name=f"bbh_{name}",
            follows=f"bbh_cot_fewshot_{name} 4.0 of {HARNESS}",
            kind=GENERATE,
            files={"test": f"bbh-9/bbh/{name}.json", "shots": f"bbh-9/cot-prompts/{name}.txt"},
            hub={},
            read=read_bbh(name),
            judge=judge_bbh,
            metrics=("accuracy",),
            stops=("</s>", "Q", "\n\n"),
            max_tokens=1024,
        )
        for name in SUBTASKS
    ),
    StandardTask(
        name="kv_retrieval",
        follows="key-value retrieval of Liu et al. 2023 (arXiv 2307.03172), its prompt and its measure",
        kind=GENERATE,
        files={"test": "kv-retrieval-75/*.jsonl.gz"},
        hub={},
        read=read_kv,
        judge=judge_kv,
        metrics=("accuracy",),
        max_tokens=100,
    ),
)
