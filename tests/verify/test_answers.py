"""Final answers are found, read and compared; what cannot be read is not called wrong."""

from fractions import Fraction

import pytest

from trivium.verify.answers import REFUSALS, final_answer, is_refusal, parse_number, same_number, same_text


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Answer: 42", "42"),
        ("6 x 7 = 42.\nAnswer: 42.", "42"),
        ("Answer: 5 is a guess. Answer: 7", "7"),
        ("Answer: 5\nno, wait\nAnswer:  7 \nthat is it", "7"),
        ("Answer:\n12", "12"),
        ("answer: 42", None),
        ("42", None),
        ("", None),
        ("Answer:", None),
        ("Answer: .", None),
        ("Answer: 3.5.", "3.5"),
    ],
)
def test_final_answer(reply: str, expected: str | None) -> None:
    assert final_answer(reply) == expected


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("42", Fraction(42), ""),
        ("-42", Fraction(-42), ""),
        ("\u22123", Fraction(-3), ""),
        ("+5", Fraction(5), ""),
        ("3.50", Fraction(7, 2), ""),
        (".5", Fraction(1, 2), ""),
        ("3/4", Fraction(3, 4), ""),
        ("1,234,567", Fraction(1234567), ""),
        ("1e3", Fraction(1000), ""),
        ("60%", Fraction(60), "%"),
        ("12 apples", Fraction(12), "apple"),
        ("$7.50", Fraction(15, 2), "$"),
        ("x = 9", Fraction(9), ""),
        ("5 km.", Fraction(5), "km"),
    ],
)
def test_parse_number(text: str, value: Fraction, unit: str) -> None:
    assert parse_number(text) == (value, unit)


@pytest.mark.parametrize(
    "text",
    ["", "forty", "42 or 43", "1,23", "12,34,567", "1/0", "1 2", "4-2", "--3", "1e9999", "9" * 500, "3..4"],
)
def test_parse_number_refuses(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("answer", "expected", "same"),
    [
        ("42", "42", True),
        ("142", "42", False),
        ("42", "142", False),
        ("4.2", "42", False),
        ("42.0", "42", True),
        ("1,000", "1000", True),
        ("0.75", "3/4", True),
        ("0.333", "1/3", False),
        ("60%", "60", True),
        ("60%", "0.6", True),
        ("0.6", "60%", True),
        ("60%", "6", False),
        ("12 apples", "12", True),
        ("12", "12 apples", True),
        ("1 apple", "1 apples", True),
        ("12 km", "12 m", False),
        ("-5", "5", False),
        ("five", "5", None),
    ],
)
def test_same_number(answer: str, expected: str, same: bool | None) -> None:
    assert same_number(answer, expected) is same


def test_a_bad_expected_number_is_not_the_replys_fault() -> None:
    with pytest.raises(ValueError, match="not a number"):
        same_number("5", "five")


@pytest.mark.parametrize("opening", REFUSALS)
def test_every_opening_is_recognised(opening: str) -> None:
    assert is_refusal(opening)
    assert is_refusal(f"  {opening.upper()}, sorry.")
    assert not is_refusal(f"{opening}x")
    assert not is_refusal(f"Well. {opening}.")


@pytest.mark.parametrize("reply", ["", "I know: 5", "I do nothing", "It is 404", "There is 1"])
def test_not_a_refusal(reply: str) -> None:
    assert not is_refusal(reply)


def test_curly_apostrophe_refuses_too() -> None:
    assert is_refusal("I don\u2019t know.")


def test_same_text() -> None:
    assert same_text("Not  Found ", "Not Found")
    assert not same_text("not found", "Not Found")
    assert same_text("not found", "Not Found", fold_case=True)
    assert not same_text("Not Found!", "Not Found", fold_case=True)
