"""Where the rows of a task come from: a file of one's own, or the Hugging Face hub by name."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.errors import DataError, ResourceError
from trivium.evaluate.standard.task import StandardTask
from trivium.store.files import file_hash

HUB = "hub"
"""Given as the data folder, it reads every task from the Hugging Face hub."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """Rows and where they were read, for the record."""

    rows: Mapping[str, list[dict[str, Any]]]
    origin: Mapping[str, str]
    """Role -> file name or hub address."""
    digest: Mapping[str, str]
    """Role -> hash of the file's bytes, or of the rows from the hub."""


def load(task: StandardTask, data: str, file: str = "") -> Loaded:
    """Read a task's rows.

    Args:
        task: The task.
        data: A folder with the task's files, or `hub`.
        file: Read the items from this file instead.

    Raises:
        DataError: A file is missing or broken, or the task has no place on the hub.
        ResourceError: The hub is asked for and the package datasets is not installed.
    """
    if not task.files:
        return _made(task, file)
    if data == HUB and not file:
        return _from_hub(task)
    paths = {role: find(task, role, pattern, data, file) for role, pattern in task.files.items()}
    return Loaded(
        rows={role: read_rows(path) for role, path in paths.items()},
        origin={role: path.name for role, path in paths.items()},
        digest={role: file_hash(path) for role, path in paths.items()},
    )


def _made(task: StandardTask, file: str) -> Loaded:
    """Nothing is read for a task that makes its own items."""
    if file:
        raise DataError(
            f"task {task.name}: got the file {file}; expected none, its items are made by a rule: name "
            "the task alone."
        )
    return Loaded(rows={}, origin={}, digest={})


def find(task: StandardTask, role: str, pattern: str, data: str, file: str) -> Path:
    """Find one file of a task: the one that was named, or the pattern below the data folder or in it."""
    if file and role == "test":
        return Path(file)
    folder = Path(data)
    for wanted in (pattern, pattern.rsplit("/", 1)[-1]):
        if not wanted.startswith("*") and (found := sorted(folder.glob(wanted))):
            return found[0]
    raise DataError(
        f"task {task.name}: got no {pattern} in {data or 'the data folder'}; expected that file, name the "
        f"folder with --data or the file with --tasks {task.name}=FILE."
    )


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a whole .jsonl, .json, .csv, .tsv or .parquet file, also gzipped.

    A .json file is a list of objects, or an object of which one value is such a list. A .tsv file has no
    header; its columns are `question` and `answer`. A .txt file is one row, `text`.

    Raises:
        DataError: The file is missing or is not what its name says.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        from trivium.store.files import read_parquet

        return read_parquet(path).to_pylist()
    text = _text(path)
    try:
        return _parse(name, text)
    except (ValueError, KeyError, csv.Error) as error:
        raise DataError(
            f"{path}: got broken rows ({error}); expected objects in .jsonl or .json, a .csv with a header."
        ) from None


def _parse(name: str, text: str) -> list[dict[str, Any]]:
    if name.endswith(".txt"):
        return [{"text": text}]
    if name.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(text)))
    if name.endswith(".tsv"):
        pairs = [line.rsplit("\t", 1) for line in text.splitlines() if line.strip()]
        return [{"question": question, "answer": answer} for question, answer in pairs]
    if name.endswith(".json"):
        whole = json.loads(text)
        if isinstance(whole, dict):
            whole = next((value for value in whole.values() if isinstance(value, list)), [])
        rows = whole
    else:
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a row is no object")
    return list(rows)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected UTF-8 text.") from None


def _from_hub(task: StandardTask) -> Loaded:
    if not task.hub:
        raise DataError(
            f"task {task.name}: got the hub as its data; expected a file, it is not read from there: use "
            "--data FOLDER."
        )
    try:
        import datasets
    except ImportError:
        raise ResourceError(
            "--data hub: got no package datasets; expected it for reading the hub: pip install "
            "'trivium[hub]', or name a folder of files with --data."
        ) from None
    rows: dict[str, list[dict[str, Any]]] = {}
    for role, (name, config, split) in task.hub.items():
        try:
            rows[role] = [dict(row) for row in datasets.load_dataset(name, config or None, split=split)]
        except Exception as error:  # its errors have no common class
            told = str(error).splitlines()[0]
            raise DataError(f"hub {name}: cannot be read ({told}); expected a data set there.") from error
    return Loaded(
        rows=rows,
        origin={role: "hub:" + "/".join(filter(None, place)) for role, place in task.hub.items()},
        digest={role: _rows_hash(found) for role, found in rows.items()},
    )


def _rows_hash(rows: list[dict[str, Any]]) -> str:
    text = json.dumps(rows, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
