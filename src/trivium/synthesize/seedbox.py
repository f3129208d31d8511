"""Seeds out of a folder of files: prose paragraphs, functions, questions, trivia; licence and source kept."""

from __future__ import annotations

import ast
import csv
import json
import random
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trivium.errors import DataError
from trivium.records import row_id
from trivium.synthesize.seeds import Seed, prose_paragraphs

PROSE_CHARS = (160, 600)
"""Length of a passage: enough for a thought, little enough for a small teacher."""
CODE_CHARS = 700
SUFFIXES = {
    "prose": (".md", ".txt", ".rst"),
    "code": (".py", ".jsonl"),
    "question": (".jsonl",),
    "trivia": (".jsonl", ".csv"),
}
QUESTION_KEYS = ("question", "problem", "prompt", "text", "instruction")
ANSWER_KEYS = ("answer", "answers", "reference")
MARK = "####"
"""Before the final answer of a worked solution. Source: GSM8K (Cobbe et al. 2021)."""


def load_seeds(kind: str, folder: Path | None, seed: int = 0) -> list[Seed]:
    """Return all seeds of a kind, in an order drawn from `seed`; files are read in order of name.

    Args:
        kind: prose | code | question | trivia.
        folder: Searched with its folders; None takes functions of the running Python's standard library.
        seed: Draws the order.

    Raises:
        DataError: The folder is missing or holds no seed of this kind.
    """
    found: dict[str, Seed] = {}
    if folder is None and kind == "code":
        found = {row.id: row for row in _standard_library()}
    elif folder is None or not folder.exists():
        raise DataError(
            f"seeds: got {folder or 'no folder'}; expected a folder with {kind}; name it with --data."
        )
    else:
        files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
        for path in files:
            if path.suffix in SUFFIXES[kind]:
                found |= {row.id: row for row in READERS[kind](path, licence_of(path))}
    if not found:
        wanted = ", ".join(SUFFIXES[kind])
        raise DataError(
            f"{folder}: got no {kind} seeds; expected files ending in {wanted}; see `grow --help`."
        )
    seeds = sorted(found.values(), key=lambda row: row.id)
    random.Random(f"seeds-{seed}").shuffle(seeds)
    return seeds


def licence_of(path: Path) -> str:
    """Return the licence that the nearest ORIGIN.json above a file names; empty if none does."""
    for folder in path.parents:
        origin = folder / "ORIGIN.json"
        if origin.is_file():
            return str(json.loads(origin.read_text(encoding="utf-8")).get("licence", ""))
    return ""


def _seed(path: Path | str, licence: str, text: str, answer: str = "", solution: str = "") -> Seed:
    source = path if isinstance(path, str) else "/".join(path.parts[-3:])
    made = row_id("seed", [source], f"{text}\0{answer}")
    return Seed(id=made, text=text, answer=answer, solution=solution, source=source, licence=licence)


def _prose(path: Path, licence: str) -> Iterator[Seed]:
    text = path.read_text(encoding="utf-8", errors="replace")
    clean = re.sub(r"\[([^\]]*)\]\([^)]*\)|:\w+:`([^`]*)`", r"\1\2", text)
    for paragraph in prose_paragraphs(clean):
        if PROSE_CHARS[0] <= len(paragraph) <= PROSE_CHARS[1]:
            yield _seed(path, licence, paragraph)


def _code(path: Path, licence: str) -> Iterator[Seed]:
    if path.suffix == ".jsonl":
        for row in _rows(path):
            if isinstance(code := row.get("code"), str):
                yield _seed(path, licence, code.replace("\r", ""), solution=str(row.get("text", "")))
        return
    yield from _functions(
        path.read_text(encoding="utf-8", errors="replace"), "/".join(path.parts[-3:]), licence
    )


def _functions(text: str, source: str, licence: str) -> Iterator[Seed]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in tree.body:
        code = ast.get_source_segment(text, node) or ""
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) and len(code) <= CODE_CHARS:
            yield _seed(source, licence, code)


def _standard_library() -> Iterator[Seed]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted([*root.glob("*.py"), *root.glob("[a-z]*/*.py")]):
        if not {"site-packages", "test", "tests", "idlelib"} & set(path.parts):
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from _functions(text, f"python:Lib/{path.relative_to(root)}", "PSF-2.0")


def _questions(path: Path, licence: str) -> Iterator[Seed]:
    for row in _rows(path):
        text = next((row[key] for key in QUESTION_KEYS if isinstance(row.get(key), str)), "")
        whole = next((row[key] for key in ANSWER_KEYS if row.get(key)), "")
        if text:
            worked = str(whole) if MARK in str(whole) else ""
            answer = worked.rpartition(MARK)[2].strip() if worked else _alternatives(whole)
            yield _seed(path, licence, text, answer, worked.rpartition(MARK)[0].strip())


def _trivia(path: Path, licence: str) -> Iterator[Seed]:
    yield from (row for row in _questions(path, licence) if row.answer and not row.solution)


def _alternatives(answer: Any) -> str:
    return " | ".join(str(part) for part in answer) if isinstance(answer, list) else str(answer)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{path}:{number}: got {line[:40]!r}; expected a JSON object on each line; mend the line."
                ) from error
            if isinstance(row, dict):
                yield row


READERS: dict[str, Callable[[Path, str], Iterator[Seed]]] = {
    "prose": _prose,
    "code": _code,
    "question": _questions,
    "trivia": _trivia,
}
