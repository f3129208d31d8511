"""Every filter has a planted defect that it catches and a clean neighbour that it lets pass."""

from __future__ import annotations

import pytest

from trivium.synthesize import filters, words

CODE = """def clamp(value, low, high):
    if value < low:
        return low
    return high if value > high else value"""
KNOWN = ("clamp", "value", "low", "high")

PASSAGE = (
    "The cache keeps 128 results of a function. When the cache is full, the oldest result is thrown away, "
    "unless maxsize is None."
)
REWRITE = (
    "A function has 128 of its results in the cache. If there is no more room, the oldest result goes, "
    "unless maxsize is None."
)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("```python\nreturn low\n```", "leak: code pasted"),
        ("Use def clamp(value, low, high) to keep a value in range.", "leak: code pasted"),
        ("It must\nreturn low", "leak: code pasted"),
        ("Set result = low if the value is too small.", "leak: code pasted"),
        (
            "Say return high if value > high else value for it.",
            "leak: shares 6 tokens in a row with the code",
        ),
    ],
)
def test_leak_is_caught(statement: str, reason: str) -> None:
    assert filters.leaks_code(statement, CODE, KNOWN) == reason


@pytest.mark.parametrize(
    "statement",
    [
        "Keep a value within a range: never below low and never above high.",
        "The function clamp (value, low, high) keeps value between low and high.",
        "For numbers inside the range it gives the number back; if it is too low, low is returned.",
    ],
)
def test_a_statement_without_code_passes(statement: str) -> None:
    assert filters.leaks_code(statement, CODE, KNOWN) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (REWRITE.replace("128", "256"), "new number: 256"),
        (REWRITE.replace("128 of its", "its"), "number lost: 128"),
        (REWRITE.replace("cache", "cache of Memcached"), "new name: memcached"),
        (
            REWRITE.replace("unless maxsize is None", "if maxsize is so").replace(
                "no more room", "little room"
            ),
            "negation gained or lost",
        ),
        (PASSAGE, "copied"),
        ("The cache keeps 128.", "length ratio"),
        (REWRITE + " A server in a distant country bakes bread every morning.", "words from nowhere"),
    ],
)
def test_a_bent_rewrite_is_caught(text: str, reason: str) -> None:
    assert filters.unfaithful(text, PASSAGE) == reason


def test_a_faithful_rewrite_passes() -> None:
    assert filters.unfaithful(REWRITE, PASSAGE) is None
    assert filters.bad_form(REWRITE) is None


def test_too_little_kept() -> None:
    passage = (
        "The parser reads the header, splits it at commas, strips blanks, lowers names and stores pairs."
    )
    assert filters.unfaithful("The parser reads the header and stores pairs.", passage) == "too little kept"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Sure, it closes the file.", "boilerplate: sure,"),
        ("As an AI I close files for people.", "boilerplate: as an ai"),
        ("It closes the open file. It closes the open file.", "repeats itself"),
        (
            "It closes the open file and it closes the open file and it closes the open file.",
            "repeats itself",
        ),
        ("Yes.", "empty"),
        ("It closes the open file of the", "unfinished"),
        ("The method closes the open file. This is it.", "empty sentence"),
    ],
)
def test_bad_form_is_caught(text: str, reason: str) -> None:
    assert filters.bad_form(text) == reason


def test_good_form_passes() -> None:
    assert filters.bad_form("It surely closes the file, and flushes buffers first.") is None


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("The cache keeps 128 results.", "not one question"),
        ("What is it? What does it do?", "not one question"),
        ("What cache?", "question too short or too long"),
        ("What does the text say about the cache?", "question needs the text"),
        ("According to whom is the cache full?", "question needs the text"),
        ("When does it throw the oldest result away?", "question needs the text"),
        ("How many of 64 results does the cache keep?", "new number: 64"),
        ("What does the flush() method of the cache do?", "new name: flush"),
        ("What colour has the bread in the window?", "question strays from the text"),
        ("When the cache is full, the oldest result is thrown away?", "copied question"),
    ],
)
def test_a_bad_question_is_caught(question: str, reason: str) -> None:
    passage = PASSAGE if reason != "copied question" else f"{PASSAGE} {question}"
    found = filters.bad_question(question, passage)
    # "When ..." reads as a question word, so the pasted sentence is planted without it.
    if reason == "copied question":
        pasted = question.replace("When the", "The", 1).replace(", the oldest", " and the oldest")
        found = filters.bad_question(pasted, pasted.replace("?", "."))
    assert found == reason


def test_a_good_question_passes() -> None:
    assert filters.bad_question("What is thrown away when the cache is full?", PASSAGE) is None


def test_labels_and_quotes_come_off() -> None:
    assert filters.unlabelled('Question: "What is a cache?"') == "What is a cache?"
    assert filters.unlabelled("In other words, the cache\nkeeps results.") == "The cache keeps results."
    assert filters.unlabelled("What is a question: a cache?") == "What is a question: a cache?"


def test_numbers_names_and_sentences() -> None:
    assert words.numbers("It has 1,000 keys, twelve values and 3.5 of one") == {"1000", "12", "3.5"}
    assert words.names("The HTTP server calls do_GET and json.loads(); Then Flask runs open().") >= {
        "http",
        "do_get",
        "json.loads",
        "flask",
        "open",
    }
    assert words.names("Server and cache.") == set()
    assert words.sentences("It works. See e.g. this one? Yes.") == ["It works.", "See e.g. this one?", "Yes."]


def test_overlap_and_copied_share() -> None:
    assert words.overlap_f1("the file is closed", "it closes the file") == 1.0
    assert words.overlap_f1("the file is closed", "the queue is closed") == 0.5
    assert words.overlap_f1("", "") == 1.0
    assert words.overlap_f1("the file", "a queue") == 0.0
    assert words.copied_share("a b c d e f g", "x a b c d e f g") == 1.0
    assert words.copied_share("a b c", "c b a") == 0.0
