"""The harder tasks: what is asked word for word, and what each reply is worth."""

import json
import random

import pytest

from trivium.errors import DataError
from trivium.evaluate.standard import cruxeval, drop, gpqa, ifbench, mmlu_pro, ruler, sources, tasks
from trivium.evaluate.standard.task import Output
from trivium.records import Verdict
from trivium.verify import constraints


def said(reply):
    return Output(
        model="m", task="t", item_id="i", sample=0, reply=reply, options=[], num_tokens=1, finish="eos"
    )


def value(judged, metric="accuracy"):
    return next(score.value for score in judged.scores if score.metric == metric)


PRO = {
    "category": "math", "question": "Why?", "options": ["one ", "two", "three"], "answer": "C",
    "cot_content": "A: Let's think step by step. It is. The answer is (C).",
}  # fmt: skip


def test_mmlu_pro_shows_five_worked_examples_of_the_category():
    other = PRO | {"category": "law"}
    (item,) = mmlu_pro.read({"test": [PRO], "shots": [other, *[PRO] * 7]})
    assert item.prompt.startswith(
        "The following are multiple choice questions (with answers) about math. Think step by step and then "
        'finish your answer with "the answer is (X)" where X is the correct letter choice.\nQuestion:\nWhy?\n'
        "Options:\nA. one\nB. two\nC. three\nAnswer: Let's think step by step. It is. The answer is (C).\n\n"
    )
    assert item.prompt.count("Question:\n") == 6 and item.group == "math"
    assert item.prompt.endswith("C. three\nAnswer: Let's think step by step.")
    assert value(mmlu_pro.judge(item, said(" so the answer is (C). The answer is (A)"))) == 1
    assert value(mmlu_pro.judge(item, said(" the answer is B"))) == 0
    assert mmlu_pro.judge(item, said(" C")).verdict == Verdict.UNPARSED


GPQA = {
    "Question": "What?", "Correct Answer": " right\n", "Incorrect Answer 1": "wrong  one",
    "Incorrect Answer 2": "two", "Incorrect Answer 3": None, "High-level domain": "Physics",
}  # fmt: skip


def test_gpqa_orders_options_by_the_question_alone():
    (item,), (written,) = gpqa.read({"test": [GPQA]}), gpqa.read_written({"test": [GPQA]})
    context = item.options[0][0]
    assert context.startswith("What is the correct answer to this question:What?\nChoices:\n(A) ")
    assert context.endswith("\nAnswer:") and "wrong one" in context
    letter = "ABCD"[int(item.gold[0])]
    assert f"({letter}) right" in context and written.gold == (letter,)
    again = gpqa.read({"test": [GPQA | {"Question": "Else?"}, GPQA]})[1]
    assert again.options == item.options
    assert [text for _, text in item.options] == [" (A)", " (B)", " (C)", " (D)"]
    wrong = "ABCD"[int(item.gold[0]) - 1]
    assert value(gpqa.judge_written(written, said(f"not ({wrong}) but ({letter})."))) == 1
    assert value(gpqa.judge_written(written, said(f"({letter}) or ({wrong})"))) == 0
    assert gpqa.judge_written(written, said(letter)).verdict == Verdict.UNPARSED


def answer(number="", spans=(), day="", month="", year=""):
    return {"number": number, "spans": list(spans), "date": {"day": day, "month": month, "year": year}}


def drop_row(first, *more):
    columns = {name: [one[name] for one in more] for name in ("number", "date", "spans")}
    return {
        "passage": "P.",
        "question": "Q?",
        "answer": first,
        "validated_answers": columns,
        "section_id": "s",
    }


@pytest.mark.parametrize(
    ("gold", "reply", "exact", "f1"),
    [
        (answer(number="10"), " 10.0", 1, 1),
        (answer(number="10"), "about 10", 0, 0.67),
        (answer(number="10"), "about 11", 0, 0),
        (answer(spans=["The Red-Sox"]), "red sox", 1, 1),
        (answer(spans=["Ann", "Bea"]), "Ann", 0, 0.5),
        (answer(day="3", month="May", year="1901"), " 3 May 1901", 1, 1),
        (answer(spans=["Ann"]), "", 0, 0),
    ],
)
def test_drop_takes_numbers_spans_and_dates(gold, reply, exact, f1):
    (item,) = drop.read({"test": [drop_row(gold)]})
    assert item.prompt == "P. Q?"
    found = drop.judge(item, said(reply))
    assert (value(found), value(found, "f1")) == (exact, f1)


def test_drop_takes_the_best_of_all_answers_and_pairs_spans():
    (item,) = drop.read({"test": [drop_row(answer(number="3"), answer(spans=["three men"]))]})
    assert value(drop.judge(item, said("three men"))) == 1
    assert drop.scores(("b", "a"), ("a", "b")) == (1.0, 1.0)
    assert drop.scores(("x", "b a"), ("a b", "y", "z")) == (0.0, 0.33)
    assert drop.answers({"answers_spans": {"spans": ["a", "b"]}}) == [("a", "b")]


def test_cruxeval_reads_a_literal_and_runs_nothing():
    row = {"code": "def f(x):\n    return [x]", "input": "'a'", "output": "['a']"}
    (item,) = cruxeval.read({"test": [row]})
    assert item.prompt.endswith("[PYTHON]\ndef f(x):\n    return [x]\nassert f('a') == ??\n[/PYTHON]")
    assert "[/PYTHON] \n[ANSWER]\nassert f(17) == 17\n[/ANSWER]\n\n[PYTHON]" in item.prompt
    assert value(cruxeval.judge(item, said("\n[ANSWER]\nassert f('a') == [\"a\"]\n"))) == 1
    assert value(cruxeval.judge(item, said("[ANSWER]\nassert f('a') == ['a', 1]  # no\n"))) == 0
    assert cruxeval.judge(item, said("[ANSWER]\nassert f('a') == f('a')\n")).verdict == Verdict.UNPARSED
    none = cruxeval.read({"test": [row | {"output": "None"}]})[0]
    assert value(cruxeval.judge(none, said("assert f('a') == None"))) == 1
    assert value(cruxeval.judge(none, said("assert f('a') == 'None'"))) == 0


@pytest.mark.parametrize("name", ["ruler_niah_single", "ruler_niah_uuid", "ruler_vt"])
def test_ruler_hides_what_it_asks_for_at_every_length(name):
    task = tasks.find(name)
    items = task.read({})
    assert items == task.read({}) and len({item.id for item in items}) == len(items) == 150
    assert [item.group for item in items[:3]] == ["1024", "2048", "4096"]
    for item in items:
        tokens = len(item.prompt) / ruler.TOKEN_CHARACTERS
        assert 0.85 <= tokens / int(item.group) <= 1.25
        wanted = json.loads(item.facts)
        body = item.prompt[: item.prompt.rfind("uestion:") if name == "ruler_vt" else -120]
        assert all(word in body for word in wanted)
        assert value(ruler.judge(item, said(" ".join(wanted).lower())), "recall") == 1
        assert value(ruler.judge(item, said("none of it")), "recall") == 0


def test_a_chain_is_told_in_its_order():
    for item in tasks.find("ruler_vt").read({})[:9]:
        wanted = json.loads(item.facts)
        places = [item.prompt.index(f"VAR {name} =") for name in wanted]
        assert places == sorted(places) and len(wanted) == ruler.HOPS + 1
        half = value(ruler.judge(item, said(wanted[0])), "recall")
        assert half == 1 / len(wanted)


def test_a_made_task_takes_no_file(tmp_path):
    task = tasks.find("ruler_vt")
    assert sources.load(task, str(tmp_path)).rows == {}
    with pytest.raises(DataError, match="made by a rule"):
        sources.load(task, str(tmp_path), "own.jsonl")


def test_ifbench_counts_what_it_cannot_judge_apart():
    kinds = (["count:numbers"], ["words:start_verb"], ["punctuation:no_comma", "count:numbers"])
    rows = [
        {
            "key": "1",
            "prompt": "Say.",
            "instruction_id_list": names,
            "kwargs": [{"N": 1.0, "M": None}] * len(names),
        }
        for names in kinds
    ]
    rows[2]["kwargs"] = [{}, {"N": 1}]
    items = ifbench.read_ifbench({"test": rows})
    assert [item.group for item in items] == ["count", "words", "punctuation"]
    found = [ifbench.judge_ifbench(item, said("Well, 3 cats")) for item in items]
    assert [one.verdict for one in found] == [Verdict.RIGHT, Verdict.ERROR, Verdict.WRONG]
    assert [value(one, "unjudged") for one in found] == [0, 1, 0]
    assert [score.weight for score in found[1].scores] == [0, 0, 1]
    loose = ifbench.judge_ifbench(items[2], said("Well, now\n3 cats"))
    assert (value(loose, "strict"), value(loose, "loose")) == (0, 1)


def test_held_out_constraints_can_all_be_obeyed_and_missed():
    items = ifbench.read_held_out({})
    assert items == ifbench.read_held_out({}) and len({item.id for item in items}) == len(items)
    kinds = {constraints.decode(json.loads(item.facts)["answer"])[0].kind for item in items}
    assert kinds == set(constraints.HELD_OUT)
    assert {item.group for item in items} == {*constraints.HELD_OUT_FAMILIES, "trained relatives"}
    for item in items[::7]:
        picks = constraints.decode(json.loads(item.facts)["answer"])
        obeys = constraints.witness(picks)
        assert value(ifbench.judge_held_out(item, said(obeys)), "strict") == 1
        missed = constraints.near_miss(constraints.PLAIN, obeys, picks, random.Random(0))
        assert missed is None or value(ifbench.judge_held_out(item, said(missed[0])), "strict") == 0
