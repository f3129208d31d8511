"""Question files in the shapes that people have, and what is said of those that do not fit."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trivium.errors import DataError
from trivium.pivotal.questions import Columns, plain_answer, read

PLAIN = Columns()


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "prompt", "answer"),
    [
        ({"question": "6 x 7?", "answer": "6*7 = 42\n#### 42"}, "6 x 7?", "42"),
        ({"question": "big?", "answer": "#### 1,234"}, "big?", "1234"),
        ({"problem": "half?", "level": "1", "solution": r"so \boxed{\frac12}."}, "half?", r"\frac12"),
        ({"prompt": "p", "ground_truth": 7}, "p", "7"),
        ({"input": "i", "target": "t"}, "i", "t"),
        ({"Body": "Tom has 3", "Question": "How many?", "Answer": 3.0}, "Tom has 3. How many?", "3"),
        ({"prompt": [{"role": "system", "content": "s"}, {"content": "u"}], "answer": "1"}, "u", "1"),
    ],
)  # fmt: skip
def test_the_usual_columns_are_found(tmp_path: Path, row: dict[str, Any], prompt: str, answer: str) -> None:
    (question,), drops = read(lines(tmp_path / "q.jsonl", row), PLAIN, "")
    assert (question.prompt, question.answer, question.verifier) == (prompt, answer, "number")
    assert drops == []


def test_all_formats_give_the_same_questions(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "answer": str(i)} for i in range(3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "b.json").write_text(json.dumps(rows))
    (tmp_path / "c.json").write_text(json.dumps({"version": 1, "data": rows}))
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "e.parquet")
    found = [[q.id for q in read(path, PLAIN, "")[0]] for path in sorted(tmp_path.iterdir())]
    assert len(found) == 5 and all(ids == found[0] for ids in found)


def test_a_line_separator_within_a_text_ends_no_row(tmp_path: Path) -> None:
    # U+2028 may stand bare in JSON (it does in GSM8K's train.jsonl); only a newline ends a row.
    text = "one\u2028 and \x85two"
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": text, "answer": 1}, ensure_ascii=False) + "\n")
    found, _ = read(tmp_path / "q.jsonl", Columns(), "")
    assert [question.prompt for question in found] == [text]


def test_named_columns_and_verifiers(tmp_path: Path) -> None:
    path = lines(tmp_path / "q.jsonl", {"ask": "a", "want": "w", "question": "no", "answer": "no"})
    (question,), _ = read(path, Columns("ask", "want"), "exact")
    assert (question.prompt, question.answer, question.verifier) == ("a", "w", "exact")
    path = lines(tmp_path / "r.jsonl", {"question": "a", "answer": "w", "verifier": "maths"})
    assert read(path, PLAIN, "")[0][0].verifier == "maths"
    assert read(path, PLAIN, "exact")[0][0].verifier == "exact"


@pytest.mark.parametrize(
    "row",
    [
        {"question": "2+2?", "options": ["A) 3", "B) 4"], "correct": "B"},
        {"question": "2+2?", "choices": ["3", "4"], "answer": 1},
        {"question": "2+2?", "choices": {"text": ["3", "4"], "label": ["A", "B"]}, "answerKey": "B"},
        {"question": "2+2?", "choices": ["3", "4"], "answer": "4"},
    ],
)
def test_multiple_choice(tmp_path: Path, row: dict[str, Any]) -> None:
    (question,), _ = read(lines(tmp_path / "q.jsonl", row), PLAIN, "choice")
    assert question.prompt == "2+2?\nA. 3\nB. 4"
    assert question.answer == "B"


def test_program_tests(tmp_path: Path) -> None:
    mbpp = {
        "text": "add",
        "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
        "test_setup_code": "",
    }
    human = {
        "prompt": "def add(a, b):",
        "test": "def check(f):\n    assert f(1, 2) == 3",
        "entry_point": "add",
    }
    found = [
        read(lines(tmp_path / "q.jsonl", row), PLAIN, "program_tests")[0][0].answer for row in (mbpp, human)
    ]
    assert found[0] == "assert add(1, 2) == 3\nassert add(0, 0) == 0"
    assert found[1].endswith("assert f(1, 2) == 3\ncheck(add)")


def test_empty_and_repeated_rows_are_dropped_with_their_place(tmp_path: Path) -> None:
    rows = [
        {"question": "a", "answer": "1"},
        {"question": "", "answer": "1"},
        {"question": "a", "answer": "1"},
    ]
    questions, drops = read(lines(tmp_path / "q.jsonl", *rows), PLAIN, "")
    assert len(questions) == 1
    assert [(d.reason, d.source) for d in drops] == [
        ("empty question or answer", "q.jsonl:2"),
        ("repeated", "q.jsonl:3"),
    ]


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ('{"q": 1, "answer": 2}', PLAIN, "for the question .no usual name.*--question-column"),
        ('{"question": "x", "a": 2}', PLAIN, "--answer-column"),
        ('{"question": "x", "answer": 2}', Columns("nope"), "'nope' is not there"),
        ('{"question": ', PLAIN, "broken JSON"),
        ('["x"]\n', PLAIN, "row 1 got list"),
        ("", PLAIN, "no question with an answer"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path: Path, text: str, columns: Columns, says: str) -> None:
    (tmp_path / "q.jsonl").write_text(text)
    with pytest.raises(DataError, match=says):
        read(tmp_path / "q.jsonl", columns, "")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "q.jsonl", PLAIN, "")


@pytest.mark.parametrize(
    ("given", "plain"), [(3.5, "3.5"), (True, "true"), (None, ""), ("  x ", "x"), (["a"], '["a"]')]
)
def test_plain_answers(given: Any, plain: str) -> None:
    assert plain_answer(given) == plain
