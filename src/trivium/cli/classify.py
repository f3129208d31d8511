"""`trivium classify`: labels, given or asked for, to a score for every text."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.verb_classify import ClassifyVerb
from trivium.errors import ConfigError, DataError

if TYPE_CHECKING:
    from trivium.curate.quality.annotate import Annotation
    from trivium.llm.calls import Backend

SCORES, MODEL, AUDIT, REPORT, REPLIES = (
    "scores.parquet", "model.npz", "audit.html", "metrics.json", "annotations.parquet",
)  # fmt: skip


def classify(command: ClassifyVerb) -> int:
    """Read, annotate, learn, write; print what the held-out part says."""
    from trivium.curate.quality.loop import audit_page, given_and_asked, learn
    from trivium.store.files import write_json, write_text

    rows = read_rows(Path(command.texts))
    texts = [text_of(row, command) for row in rows]
    ids = [str(row.get("id", place)) for place, row in enumerate(rows)]
    groups = [str(row.get(command.group_column, ids[place])) for place, row in enumerate(rows)]
    labels = [label_of(row.get(command.label_column), command.good) for row in rows]
    folder = Path(command.out or f"runs/classify-{Path(command.texts).name.split('.')[0]}")
    report: dict[str, Any] = {}
    if command.annotate:
        asked = _asked(command, texts, groups, folder)
        labels, report["annotator"] = given_and_asked(labels, asked)
        _write_annotations(folder / REPLIES, ids, asked)
    learned = learn(texts, groups, labels, command.min_precision)
    report |= learned.report
    _write_scores(folder / SCORES, ids, learned.scores)
    _write_model(folder / MODEL, learned.model)
    write_text(folder / AUDIT, audit_page(texts, ids, learned))
    write_json(folder / REPORT, report)
    print(summary(report, folder))
    return 0


def summary(report: dict[str, Any], folder: Path) -> str:
    """What a person wants to know, in a few lines."""
    lines = []
    if "annotator" in report:
        said = report["annotator"]
        lines.append(f"annotator: {said['asked']} texts, {said['unclear']} without yes or no")
        if said["rows"]:
            lines.append(f"agrees with the given labels on {said['agree']:.1%}, kappa {said['kappa']}")
    low, high = report["precision_interval"]
    lines += [
        f"held out: {report['pages']} texts, AUC {report['auc']}, ECE {report['ece']}",
        f"at threshold {report['threshold']}: precision {report['precision']} [{low}, {high}]",
        f"and recall {report['recall']}",
        f"{report['above_threshold']:,} of {report['texts']:,} texts score above it",
        f"scores, model and audit page are in {folder}",
    ]
    return "\n".join(lines)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a .jsonl, .jsonl.gz or .parquet file.

    Raises:
        DataError: The file is missing or a line is no JSON object.
    """
    import gzip

    if not path.is_file():
        raise DataError(f"classify: got no file {path}; expected .jsonl, .jsonl.gz or .parquet.")
    if path.suffix == ".parquet":
        from trivium.store.files import read_parquet

        return read_parquet(path).to_pylist()
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="replace").split("\n")
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(_object(path, number, line))
    return rows


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: got {line[:40]!r}; expected a JSON object on each line.")
    return row


def text_of(row: dict[str, Any], command: ClassifyVerb) -> str:
    """The text of a row.

    Raises:
        ConfigError: The row has no such column.
    """
    value = row.get(command.text_column)
    if not isinstance(value, str):
        raise ConfigError(
            f"classify: got a row without text in {command.text_column!r}; expected one of "
            f"{', '.join(sorted(row)[:12])}, name it with --text-column."
        )
    return value


def label_of(value: Any, good: str) -> bool | None:
    """Read a label: a number is good from `good` on, a word if it is `good`; None is unknown."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        try:
            return value >= float(good or 1)
        except ValueError as error:
            raise ConfigError(
                f"classify --good: got {good!r}; expected a number, since the labels are numbers."
            ) from error
    return str(value) == good if good else str(value).lower() in ("true", "yes", "good", "1")


def _asked(command: ClassifyVerb, texts: list[str], groups: list[str], folder: Path) -> list[Annotation]:
    from trivium.curate.quality.annotate import QUESTION, annotate, choose_rows
    from trivium.llm.cache import CallCache
    from trivium.store.progress import make_progress

    question = Path(command.question).read_text() if command.question else QUESTION
    if "{text}" not in question:
        raise ConfigError(f"{command.question}: got no {{text}}; expected it where the text is to stand.")
    rows = choose_rows(groups, command.annotate, command.seed)
    folder.mkdir(parents=True, exist_ok=True)
    backend = _backend(command)
    try:
        with (
            CallCache(folder / "calls.sqlite") as cache,
            make_progress("annotate", len(rows), "texts") as bar,
        ):
            return annotate(
                texts, rows, backend, question, cache, command.endpoint_model, lambda: bar.advance(1)
            )
    finally:
        backend.close()


def _backend(command: ClassifyVerb) -> Backend:
    if command.endpoint:
        from trivium.llm.backends.openai_http import OpenAIHTTP

        return OpenAIHTTP(command.endpoint, command.endpoint_model)
    from trivium.llm.backends.llama_cpp import LlamaCpp
    from trivium.llm.teacher import HOW_TO_GET, find_weights

    weights = find_weights()
    if weights is None:
        raise ConfigError(f"classify --annotate: got no annotator; expected --endpoint, or {HOW_TO_GET}.")
    return LlamaCpp(weights)


def _write_scores(path: Path, ids: list[str], scores: Any) -> None:
    import pyarrow as pa

    from trivium.store.files import write_parquet

    write_parquet(path, pa.table({"id": ids, "score": pa.array(scores.round(6), pa.float64())}))


def _write_annotations(path: Path, ids: list[str], asked: list[Annotation]) -> None:
    import pyarrow as pa

    from trivium.store.files import write_parquet

    columns = {
        "id": [ids[annotation.row] for annotation in asked],
        "label": pa.array([annotation.label for annotation in asked], pa.bool_()),
        "reply": [annotation.reply for annotation in asked],
    }
    write_parquet(path, pa.table(columns))


def _write_model(path: Path, model: Any) -> None:
    import numpy as np

    from trivium.store.files import write_atomic

    def write(target: Path) -> None:
        with target.open("wb") as file:
            np.savez(file, **dataclasses.asdict(model))

    write_atomic(path, write)
