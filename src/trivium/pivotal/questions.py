"""Questions with checkable answers from a file: JSONL, JSON or Parquet, columns found by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.errors import DataError
from trivium.records import Drop, Question, row_id
from trivium.store.row_files import read_rows
from trivium.verify.final import LETTERS, boxed

STEP = "pivotal.questions"
QUESTION_NAMES = ("question", "prompt", "problem", "input", "query", "instruction", "text")
ANSWER_NAMES = (
    "answer", "target", "ground_truth", "final_answer", "gold", "expected", "correct", "answerkey", "label",
    "solution", "output",
)  # fmt: skip
CONTEXT_NAMES = ("body", "context", "passage")
"""Text that stands before the question (SVAMP's `Body`)."""
CHOICE_NAMES = ("choices", "options")
TEST_NAMES = ("test_list", "tests", "test")
VERIFIER = "number"
"""When neither the caller nor the row names one."""

_HASHES = re.compile(r"####[ \t]*(.+?)\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns; an empty one is found by the usual names."""

    question: str = ""
    answer: str = ""


def read(path: Path, columns: Columns, verifier: str) -> tuple[list[Question], list[Drop]]:
    """Read a question file.

    Args:
        path: JSONL (one object a line), JSON (a list of objects, or an object with one list), either also
            gzipped, or Parquet.
        columns: Where the question and the answer stand.
        verifier: Verifier of every question; empty takes each row's own column `verifier`, else `number`.

    Returns:
        Questions in the order of the file, and the rows left out: empty ones and repetitions.

    Raises:
        DataError: The file cannot be read, or no column fits.
    """
    questions: list[Question] = []
    drops: list[Drop] = []
    seen: set[str] = set()
    for number, row in enumerate(read_rows(path), 1):
        question = _question(row, path, number, columns, verifier)
        reason = "" if question.prompt and question.answer else "empty question or answer"
        reason = reason or ("repeated" if question.id in seen else "")
        if reason:
            drops.append(Drop(id=question.id, step=STEP, reason=reason, source=f"{path.name}:{number}"))
            continue
        seen.add(question.id)
        questions.append(question)
    if not questions:
        raise DataError(f"{path}: got no question with an answer; expected at least one row with both.")
    return questions, drops


def plain_answer(answer: Any) -> str:
    r"""The answer alone: after GSM8K's `####`, inside MATH's last `\boxed{}`, a whole number without `.0`."""
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        return json.dumps(answer, ensure_ascii=False) if answer is not None else ""
    if isinstance(answer, float) and answer.is_integer():
        return str(int(answer))
    text = str(answer).strip()
    if found := _HASHES.search(text):
        return found[1].replace(",", "") if re.fullmatch(r"[-+]?[\d,.]+", found[1]) else found[1]
    box = boxed(text)
    return box if box is not None else text


def _question(row: Mapping[str, Any], path: Path, number: int, columns: Columns, verifier: str) -> Question:
    verifier = verifier or str(row.get("verifier") or VERIFIER)
    names = {name.lower(): name for name in row}
    asked = _column(names, columns.question, QUESTION_NAMES, "question", path)
    context = next((str(row[names[name]]) for name in CONTEXT_NAMES if name in names), "")
    choices = next((row[names[name]] for name in CHOICE_NAMES if name in names), None)
    prompt = _text(row[asked]).strip()
    if context and not columns.question:
        prompt = f"{context.strip().removesuffix('.')}. {prompt}"
    if verifier == "program_tests" and not columns.answer:
        answer = _tests(row, names, path)
    else:
        answer = plain_answer(row[_column(names, columns.answer, ANSWER_NAMES, "answer", path)])
    if verifier == "choice" and choices is not None:
        options = _options(choices)
        prompt, answer = _with_options(prompt, options), _letter(answer, options)
    return Question(
        id=row_id(STEP, [], f"{prompt}\0{answer}\0{verifier}"),
        prompt=prompt,
        answer=answer,
        verifier=verifier,
        skill=str(row.get("skill") or path.name.split(".")[0]),
        difficulty=int(row.get("difficulty") or 0),
        template="",
        parents=[f"{path.name}:{number}"],
    )


def _column(names: Mapping[str, str], asked: str, usual: Sequence[str], what: str, path: Path) -> str:
    if asked:
        if asked in names.values():
            return asked
        found = f"{asked!r} is not there"
    else:
        if match := next((names[name] for name in usual if name in names), None):
            return match
        found = "no usual name"
    raise DataError(
        f"{path}: got columns {', '.join(names.values())} for the {what} ({found}); expected one such as "
        f"{', '.join(usual[:4])}, or name it with --{what}-column."
    )


def _text(value: Any) -> str:
    """A prompt as text; of a conversation, what the first user turn says."""
    if isinstance(value, list):
        turns = [turn for turn in value if isinstance(turn, dict)]
        first = next((turn for turn in turns if turn.get("role", "user") == "user"), {})
        return str(first.get("content", ""))
    return str(value) if value is not None else ""


def _tests(row: Mapping[str, Any], names: Mapping[str, str], path: Path) -> str:
    """Tests of a program: MBPP's list of asserts, or HumanEval's `check` with its entry point."""
    tests = row[_column(names, "", TEST_NAMES, "answer", path)]
    text = "\n".join(map(str, tests)) if isinstance(tests, list) else str(tests)
    setup = str(row.get("test_setup_code") or "")
    call = f"\ncheck({row['entry_point']})" if "entry_point" in row and "def check(" in text else ""
    return f"{setup}\n{text}{call}".strip()


def _options(choices: Any) -> list[str]:
    if isinstance(choices, dict):  # ARC: {"text": [...], "label": [...]}
        choices = choices.get("text", [])
    return [re.sub(rf"^\(?[{LETTERS}][).]\s*", "", str(choice)) for choice in choices]


def _with_options(prompt: str, options: Sequence[str]) -> str:
    lines = [f"{name}. {option}" for name, option in zip(LETTERS, options, strict=False)]
    return "\n".join([prompt, *lines])


def _letter(answer: str, options: Sequence[str]) -> str:
    if answer.isdigit() and int(answer) < len(options):
        return LETTERS[int(answer)]
    return LETTERS[options.index(answer)] if answer in options[: len(LETTERS)] else answer
