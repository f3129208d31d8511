"""The five verdicts stay apart, whatever the verifier."""

import pytest

from trivium.errors import DataError, ResourceError
from trivium.records import Verdict
from trivium.verify import VERIFIERS, judge
from trivium.verify.constraints import Pick, encode
from trivium.verify.maths import MathsChecker

UPPER = encode([Pick("task_copy", {"words": ["cat"]}), Pick("upper", {})])


@pytest.mark.parametrize(
    ("verifier", "reply", "answer", "expected"),
    [
        ("number", "2 + 2 = 4. Answer: 4", "4", "right"),
        ("number", "Answer: 5 no. Answer: 4", "4", "right"),
        ("number", "Answer: 4 no. Answer: 5", "4", "wrong"),
        ("number", "Answer: 142", "42", "wrong"),
        ("number", "Answer: forty two", "42", "unparsed"),
        ("number", "42", "42", "unparsed"),
        ("number", "", "42", "unparsed"),
        ("number", "I do not know.", "42", "refused"),
        ("number", "Answer: I do not know.", "42", "refused"),
        ("number", "I do not know. Answer: 42", "42", "right"),
        ("number", "Answer: 42", "forty two", "error"),
        ("exact", "Not Found", "Not Found", "right"),
        ("exact", "Answer: Not Found.", "Not Found", "right"),
        ("exact", "not found", "Not Found", "wrong"),
        ("exact", "Answer:", "Not Found", "unparsed"),
        ("text", "not found.", "Not Found", "right"),
        ("text", "It is Not Found", "Not Found", "wrong"),
        ("text", "", "Not Found", "unparsed"),
        ("text", "I am not sure.", "Not Found", "refused"),
        ("refusal", "I do not know.", "", "right"),
        ("refusal", "Answer: I do not know", "", "right"),
        ("refusal", "I do not know. Answer: 5", "", "wrong"),
        ("refusal", "Answer: 5", "", "wrong"),
        ("refusal", " ", "", "unparsed"),
        ("constraints", "CAT", UPPER, "right"),
        ("constraints", "cat", UPPER, "wrong"),
        ("constraints", "DOG", UPPER, "wrong"),
        ("constraints", "", UPPER, "unparsed"),
        ("constraints", "I do not know", UPPER, "refused"),
        ("constraints", "CAT", "[]", "error"),
        ("constraints", "CAT", '[["nonsense", {}]]', "error"),
        ("constraints", "CAT", "not json", "error"),
    ],
)
def test_judge(verifier: str, reply: str, answer: str, expected: str) -> None:
    assert judge(verifier, reply, answer) == Verdict(expected)


def test_unknown_verifier_names_the_known_ones() -> None:
    with pytest.raises(DataError, match="number, last_number, choice"):
        judge("numbers", "Answer: 1", "1")


def test_every_verifier_calls_an_empty_reply_unparsed() -> None:
    answers = {"constraints": UPPER, "choice": "B"}
    for name in VERIFIERS:
        assert judge(name, "", answers.get(name, "1")) is Verdict.UNPARSED, name


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("```python\nprint(6 * 7)\n```", "right"),
        ("print(6 * 7)", "right"),
        ("```\nprint(41)\n```\nno:\n```py\nprint(42)\n```", "right"),
        ("print(6 * 8)", "wrong"),
        ("print(42); raise SystemExit(0)", "wrong"),
        ("import os; os.write(1, b'42'); os._exit(0)", "wrong"),
        ("print(6 *", "unparsed"),
        ("I do not know.", "refused"),
    ],
)
def test_program(reply: str, expected: str) -> None:
    try:
        assert judge("program", reply, "42\n") == Verdict(expected)
    except ResourceError as error:
        pytest.skip(str(error))


def test_maths_in_a_killable_process() -> None:
    pytest.importorskip("math_verify")
    checker = MathsChecker()
    try:
        assert checker.compare("\\frac{1}{2}", "0.5") == "right"
        assert checker.compare("x^2 + 2x + 1", "(x+1)^2") == "right"
        assert checker.compare("x^2 + 2x", "(x+1)^2") == "wrong"
        checker._limit = 0.3
        assert checker.compare("9^{9^{9^{9}}}", "3") == "error"
        assert checker._worker is None  # it was killed; the next question starts another
    finally:
        checker.close()
