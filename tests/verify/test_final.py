"""Final answers in other models' formats, and the verifiers that read them."""

from __future__ import annotations

import pytest

from trivium import verify
from trivium.records import Verdict
from trivium.verify.final import boxed, last_number, letter, marked_answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("6 x 7 = 42\nAnswer: 42.", "42"),
        ("so #### 7 and no\n#### 42", "42"),
        (r"Thus $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        ("The final answer is: **42**.", "42"),
        ("So the answer is $x^2$.", "x^2"),
        ("Therefore the result = 9 apples", "9 apples"),
        ("He has 42 of them", None),
        (r"cut off \boxed{4", None),
        ("Answer:", None),
    ],
)
def test_marked_answers(reply: str, answer: str | None) -> None:
    assert marked_answer(reply) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("10 + 5 = 15, then 15 + 27 = 42", "42"),
        ("11-5", "5"),
        ("It costs $1,250.50.", "$1,250.50"),
        ("-3", "-3"),
    ],
)
def test_the_last_number(reply: str, answer: str) -> None:
    assert last_number(reply) == answer


def test_last_number_prefers_the_mark_and_may_find_nothing() -> None:
    assert last_number("#### 42\nchecked 3 times") == "42"
    assert last_number("no idea") is None


def test_nested_boxes() -> None:
    assert boxed(r"\boxed{1} then \boxed{a_{i_{2}}}") == "a_{i_{2}}"


@pytest.mark.parametrize(
    ("reply", "picked"),
    [
        ("B", "B"), ("(C) since it is", "C"), ("D. because", "D"), ("Answer: B) 4", "B"),
        ("the answer is (E).", "E"), ("A dog is an animal", None), ("none", None),
    ],
)  # fmt: skip
def test_letters(reply: str, picked: str | None) -> None:
    assert letter(reply) == picked


@pytest.mark.parametrize(
    ("verifier", "reply", "answer", "verdict"),
    [
        ("number", "I think 142", "42", Verdict.UNPARSED),
        ("last_number", "I think 142", "42", Verdict.WRONG),
        ("last_number", "so it is 42 apples.", "42", Verdict.RIGHT),
        ("number", "#### 1,000", "1000", Verdict.RIGHT),
        ("choice", "The correct option is B", "B", Verdict.RIGHT),
        ("choice", "(A)", "B", Verdict.WRONG),
        ("choice", "hm", "B", Verdict.UNPARSED),
        ("choice", "A", "42", Verdict.ERROR),
        ("regex", "total: 12 kg", r"\b12\s*kg\b", Verdict.RIGHT),
        ("regex", "total: 112 kg", r"\b12\s*kg\b", Verdict.WRONG),
        ("regex", " ", r"12", Verdict.UNPARSED),
        ("regex", "12", r"(", Verdict.ERROR),
        ("maths", r"\boxed{42}", "42", Verdict.RIGHT),
    ],
)
def test_verdicts(verifier: str, reply: str, answer: str, verdict: Verdict) -> None:
    assert verify.judge(verifier, reply, answer) == verdict


TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("def add(a, b):\n    return a + b", Verdict.RIGHT),
        ("def add(a, b):\n    return a - b", Verdict.WRONG),
        ("def add(a, b):\n    return a + b\nimport sys; sys.exit(0)", Verdict.WRONG),
        ("def add(a, b):\n    return a + b\nimport os; os._exit(0)", Verdict.WRONG),
        ("def add(a, b) return", Verdict.UNPARSED),
    ],
)
def test_program_tests_run_to_their_end(code: str, verdict: Verdict) -> None:
    assert verify.judge("program_tests", f"Here:\n```python\n{code}\n```", TESTS) == verdict
