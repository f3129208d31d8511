"""MT-bench with both turns: the second one is asked with the first reply in the conversation.

Source: Zheng et al. 2023, arXiv 2306.05685; files as FastChat's `llm_judge` has them: `question.jsonl`, the
reference answers of its categories with right answers, and of pairs the answers of a baseline. Each turn is
judged by itself: a mark from 1 to 10, or a verdict beside the baseline in both orders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trivium.errors import DataError
from trivium.evaluate.standard.judged import PASSES, unjudged
from trivium.evaluate.standard.task import (
    GENERATE,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    make_item,
)
from trivium.llm import judge as pairs
from trivium.llm import marks
from trivium.llm.calls import Reply, Request
from trivium.records import Verdict

TURNS = ("first", "second")
FOCUS = "(This is the second turn of a conversation. Judge the reply to it, not the earlier one.)"
FOCUS_PAIR = "(Two conversations of two turns. Judge the second replies, not the first ones.)"
PERSON, MODEL = "\n\n### User\n", "\n\n### Assistant\n"


def read_marked(rows: Rows) -> list[Item]:
    """Rows with `turns` (or `prompt`, a list) and `category`; of the role `reference` FastChat's answers."""
    known = answers(rows["reference"]) if "reference" in rows else {}
    return [
        _item("mt_bench_turns", n, row, references=known.get(_name(row)) or row.get("reference") or [])
        for n, row in enumerate(rows["test"])
    ]


def read_pairs(rows: Rows) -> list[Item]:
    """The same questions; of the role `baseline` another model's answers, in FastChat's format.

    Raises:
        DataError: The baseline lacks a question.
    """
    known, items = answers(rows["baseline"]), []
    for n, row in enumerate(rows["test"]):
        if len(known.get(_name(row), [])) != len(_turns(row)):
            raise DataError(
                f"task mt_bench_pairs: row {n + 1} got no answers of the baseline to both turns; expected "
                f"some with question_id {_name(row)}, mend the file."
            )
        items.append(_item("mt_bench_pairs", n, row, baseline=known[_name(row)]))
    return items


def answers(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return question -> the replies to its turns, of rows with `question_id` and `choices`."""
    return {_name(row): [str(text) for text in row["choices"][0]["turns"]] for row in rows}


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("question_id", row.get("prompt_id")))


def _turns(row: Mapping[str, Any]) -> list[str]:
    return [str(text) for text in (row["turns"] if "turns" in row else row["prompt"])]


def _item(task: str, n: int, row: Mapping[str, Any], **told: Any) -> Item:
    first, *rest = _turns(row)
    facts = json.dumps({name: list(value) for name, value in told.items()})
    return make_item(task, n, prompt=first, then=tuple(rest), group=str(row["category"]), facts=facts)


def replies(output: Output) -> list[str]:
    """All replies, turn by turn."""
    return [*output.earlier, output.reply]


def told(questions: Sequence[str], said: Sequence[str]) -> str:
    """Write the conversation up to its last question, which stands alone where it is the first."""
    if len(questions) == 1:
        return questions[0]
    parts = "".join(f"{PERSON}{q}{MODEL}{a}" for q, a in zip(questions, said, strict=False))
    return f"{FOCUS}{parts}{PERSON}{questions[-1]}"


def ask_marks(item: Item, output: Output) -> tuple[Request, ...]:
    """One mark a turn, with the reference where there is one."""
    questions, said = (item.prompt, *item.then), replies(output)
    known = json.loads(item.facts)["references"]
    return tuple(
        marks.request_for(
            told(questions[: turn + 1], said[:turn]),
            said[turn],
            reference=str(known[turn] or "") if turn < len(known) else "",
        )
        for turn in range(len(questions))
    )


def mark(item: Item, output: Output, said: Sequence[Reply]) -> Judged:
    """The marks of both turns and their mean; without one of them no mean."""
    found = [marks.mark_of(reply) for reply in said]
    whole = [one for one in found if one is not None]
    mean = sum(whole) / len(whole) if whole else 0.0
    scores = [Score("mark", mean, float(len(whole) == len(found)))]
    scores += [
        Score(f"mark_{name}", float(one or 0), float(one is not None))
        for name, one in zip(TURNS, found, strict=False)
    ]
    if len(whole) < len(found):
        return Judged(verdict=Verdict.ERROR, scores=scores)
    return Judged(verdict=Verdict.RIGHT if mean >= PASSES else Verdict.WRONG, scores=scores)


def ask_duels(item: Item, output: Output) -> tuple[Request, ...]:
    """Each turn against the baseline's, in both orders."""
    questions, sides = (item.prompt, *item.then), (replies(output), json.loads(item.facts)["baseline"])
    versus = [pairs.Versus(instruction=questions[0], one=sides[0][0], other=sides[1][0])]
    for turn in range(1, len(questions)):
        asked = FOCUS_PAIR + "".join(f"{PERSON}{question}" for question in questions[: turn + 1])
        one, other = ("".join(f"{MODEL}{text}" for text in side[: turn + 1]).strip() for side in sides)
        versus.append(pairs.Versus(instruction=asked, one=one, other=other))
    return tuple(pairs.request_for(pair, swapped=back) for pair in versus for back in (False, True))


def duels(item: Item, output: Output, said: Sequence[Reply]) -> Judged:
    """Of each turn one for a win in both orders, one half where they disagree; and the mean of both."""
    letters = [pairs.letter(reply) for reply in said]
    rulings = [pairs.Ruling(forward=a, backward=b) for a, b in zip(letters[::2], letters[1::2], strict=True)]
    count = len(rulings)
    mean = sum(ruling.worth for ruling in rulings) / count
    scores = [Score("win_rate", mean)]
    scores += [Score(f"win_{name}", one.worth) for name, one in zip(TURNS, rulings, strict=False)]
    scores.append(Score("consistent", sum(ruling.consistent for ruling in rulings) / count))
    if pairs.UNREAD in letters:
        return Judged(verdict=Verdict.ERROR, scores=scores)
    return Judged(verdict=Verdict.RIGHT if mean > 1 / 2 else Verdict.WRONG, scores=scores)


TASKS = (
    StandardTask(
        name="mt_bench_turns",
        follows="MT-bench (arXiv 2306.05685), both turns; a mark a turn by --judge, with our own words",
        kind=GENERATE,
        files={"test": "mt-bench/question.jsonl", "reference": "mt-bench/reference_answer*.jsonl"},
        hub={"test": ("HuggingFaceH4/mt_bench_prompts", "", "train")},
        read=read_marked,
        judge=unjudged,
        ask_judge=ask_marks,
        mark=mark,
        metrics=("mark", "mark_first", "mark_second"),
        max_tokens=1024,
        style="auto",
    ),
    StandardTask(
        name="mt_bench_pairs",
        follows="MT-bench's pairs (arXiv 2306.05685), both turns in both orders, by --judge, our own words",
        kind=GENERATE,
        files={"test": "mt-bench/question.jsonl", "baseline": "mt-bench/baseline*.jsonl"},
        hub={},
        read=read_pairs,
        judge=unjudged,
        ask_judge=ask_duels,
        mark=duels,
        metrics=("win_rate", "win_first", "win_second", "consistent"),
        max_tokens=1024,
        style="auto",
    ),
)
