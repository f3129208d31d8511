"""HumanEval+ and MBPP+: both published formats, what is asked, and that only the reference's values pass."""

import json

import pytest

from trivium import verify
from trivium.errors import DataError, ResourceError
from trivium.evaluate.standard import plus, tasks
from trivium.evaluate.standard.task import Output
from trivium.records import Verdict
from trivium.verify import differential
from trivium.verify.differential import Differential, encode, equal
from trivium.verify.inside.values import read

PLUS = {
    "task_id": "HumanEval/0", "entry_point": "halves", "contract": "", "atol": 0,
    "prompt": 'def halves(rows):\n    """Halve every number."""\n',
    "canonical_solution": "    return [row / 2 for row in rows]\n",
    "base_input": [[[2.0, 4.0]]], "plus_input": [[[]], [[1e-9, 3.0]]],
}  # fmt: skip
HUB = {key: PLUS[key] for key in ("task_id", "entry_point", "prompt", "canonical_solution")} | {
    "test": "import numpy as np\n\ndef assertion(out, exp, atol):\n    assert np.allclose(out, exp)\n\n"
    "def check(candidate):\n    inputs = [[[2.0, inf]], [[]]]\n    results = [[1.0, inf], []]\n"
    "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
    "        assertion(candidate(*inp), exp, 1e-06)\n"
}
MBPP = {
    "task_id": "Mbpp/2", "entry_point": "similar_elements", "atol": 0,
    "prompt": '"""\nFind the shared ones.\nassert set(similar_elements((3, 4),(5, 4))) == set((4,))\n"""\n',
    "canonical_solution": "\ndef similar_elements(a, b):\n    return tuple(set(a) & set(b))\n",
    "assertion": "\nassert set(similar_elements((3, 4),(5, 4))) == set((4,))\n",
    "base_input": [[[3, 4], [5, 4]]], "plus_input": [[[1, 2, 3], [3, 2]]],
}  # fmt: skip
MBPP_HUB = {
    "task_id": 2, "prompt": "Find the shared ones.", "code": MBPP["canonical_solution"].strip(),
    "test_list": ["assert set(similar_elements((3, 4),(5, 4))) == set((4,))"],
    "test": "inputs = [[(3, 4), (5, 4)], [(1, 2, 3), (3, 2)]]\nresults = [(4,), (2, 3)]\n"
    "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(similar_elements(*inp), exp, 0)\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def sandboxed():
    try:
        verify.judge("program", "```python\nprint(1)\n```", "1")
    except ResourceError as error:
        pytest.skip(str(error))


def said(reply):
    return Output(
        model="m", task="t", item_id="i", sample=0, reply=reply, options=[], num_tokens=1, finish="eos"
    )


def value(judged, metric="accuracy"):
    return next(score.value for score in judged.scores if score.metric == metric)


@pytest.mark.parametrize("row", [PLUS, HUB], ids=["evalplus", "hub"])
def test_the_canonical_solution_passes_and_a_mutant_fails(row):
    (item,) = plus.read_humaneval({"test": [row]})
    assert item.prompt == row["prompt"]
    right = plus.judge(item, said(row["canonical_solution"]))
    assert right.verdict == Verdict.RIGHT and value(right, "compared") == 1
    assert plus.judge(item, said("    return [row / 3 for row in rows]\n")).verdict == Verdict.WRONG
    again = "```python\ndef halves(rows):\n    print(rows)\n    return [0.5 * row for row in rows]\n```"
    assert plus.judge(item, said(again)).verdict == Verdict.RIGHT


def test_base_inputs_are_counted_apart():
    (item,) = plus.read_humaneval({"test": [PLUS]})
    found = plus.judge(item, said("    return [row / 2 for row in rows] if rows else None\n"))
    assert (value(found), value(found, "accuracy_base")) == (0, 1)
    (item,) = plus.read_humaneval({"test": [HUB]})
    found = plus.judge(item, said("    return None\n"))
    assert [score.weight for score in found.scores if score.metric == "accuracy_base"] == [0]


@pytest.mark.parametrize("row", [MBPP, MBPP_HUB], ids=["evalplus", "hub"])
def test_mbpp_plus_asks_as_mbpp_does_and_takes_sets(row):
    (item,) = plus.read_mbpp({"test": [row]})
    assert item.prompt.count("[BEGIN]\n") == 4
    assert item.prompt.endswith(
        "task: Find the shared ones. Your code should pass these tests:\n\n"
        "assert set(similar_elements((3, 4),(5, 4))) == set((4,))\n[BEGIN]\n"
    )
    other = "def similar_elements(a, b):\n    return [x for x in {} if x in b]\n"
    assert plus.judge(item, said(other.format("a[::-1]"))).verdict == Verdict.RIGHT
    assert plus.judge(item, said(other.format("a[1:2]"))).verdict == Verdict.WRONG


def test_arguments_that_json_cannot_spell_are_made_again():
    rows = {
        "Mbpp/2": ([[1], [2]], ((1,), (2,))), "Mbpp/63": ([[[1]]], ([(1,)],)),
        "Mbpp/106": ([[1], [2]], ([1], (2,))),
        "Mbpp/115": ([[[1], []]], ([{1}, {}],)), "Mbpp/124": (["1", "2j"], (1.0, 2j)),
        "Mbpp/259": ([[[1]]], (((1,),),)), "Mbpp/722": ([{"a": [1]}, 2], ({"a": (1,)}, 2)),
        "HumanEval/2": ([[1]], ([1],)),
    }  # fmt: skip
    for task_id, (args, wanted) in rows.items():
        base, _, _ = plus.inputs_of({"task_id": task_id, "base_input": [args], "plus_input": []}, 0)
        assert read(base[0]) == wanted, task_id


def test_rows_of_neither_format_are_refused():
    with pytest.raises(DataError, match="row 1 got neither base_input nor a test"):
        plus.read_humaneval({"test": [HUB | {"test": "check()"}]})


def test_values_are_close_as_evalplus_has_it():
    assert equal(0.1 + 0.2, 0.3, 0) and not equal(0.31, 0.3, 0)
    assert equal([1.0, 2.0 + 1e-9], [1.0, 2.0], 0) and not equal((1.0, 2.0 + 1e-9), [1.0, 2.0], 0)
    assert not equal(3, 4, 0) and equal(3, 4, 1.0) and not equal("a", "b", 1.0)
    assert not equal([1.0], [1.0, 2.0], 0) and equal(float("inf"), float("inf"), 0)
    task = Differential(reference="", function="f", calls=(), oracle="root", atol=1e-4)
    assert differential.same(task, "([1, 2],)", -0.5, 0.0) and not differential.same(
        task, "([1, 2],)", 0.5, 0
    )
    assert not differential.same(task, "([1, 2],)", None, 0.0)


def test_what_the_reference_cannot_answer_is_not_compared():
    source = "def f(x):\n    return 10 // x\n"
    task = Differential(reference=source, function="f", calls=("(5,)", "(0,)", "(2,)"))
    assert verify.judge("same_outputs", source, encode(task)) == Verdict.RIGHT
    assert verify.compared(encode(task)) == pytest.approx(2 / 3)
    none = Differential(reference="def g(x):\n    return x\n", function="f", calls=("(5,)",))
    assert verify.judge("same_outputs", source, encode(none)) == Verdict.ERROR
    assert verify.judge("same_outputs", "def f(x) return", encode(task)) == Verdict.UNPARSED
    assert verify.judge("same_outputs", source, "[]") == Verdict.ERROR
    assert verify.judge("same_outputs", "def f(x):\n    return object()\n", encode(task)) == Verdict.WRONG


def test_of_a_match_only_whether_there_is_one_counts():
    source = "import re\ndef check_str(s):\n    return re.match('[aeiou]', s)\n"
    task = Differential(reference=source, function="check_str", calls=("('ab',)", "('ba',)"), oracle="given")
    answer = encode(task)
    for code, verdict in (
        (source, "right"),
        ("lambda s: s[0] in 'aeiou'", "right"),
        ("lambda s: None", "wrong"),
    ):
        reply = code if "def" in code else f"check_str = {code}\n"
        assert verify.judge("same_outputs", reply, answer) == verdict, code
    assert verify.compared(answer) == 1


def test_both_are_tasks():
    for name in ("humaneval_plus", "mbpp_plus"):
        task = tasks.find(name)
        assert task.metrics[0] == "accuracy" and task.hub["test"][0].startswith("evalplus/")
    assert json.loads(plus.read_mbpp({"test": [MBPP]})[0].facts)["base"]
