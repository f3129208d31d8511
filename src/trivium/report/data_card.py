"""A data card written from the run that made a table: nothing in it is typed by hand.

Hugging Face's layout: a YAML head that names the files, then Markdown (hub documentation, "datasets-cards").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.store.files import read_json, read_parquet
from trivium.store.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

COUNTED = (
    "kind",
    "source",
    "flow",
    "method",
    "language",
    "licence",
    "origin",
    "verifier",
    "verdict",
    "depth",
)
"""Columns whose values are counted; of `source` only where it names the mixture's source, not a file."""
MOST_VALUES = 40
"""A column with more values is not counted: its values tell rows apart."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
         (10_000_000, "1M<n<10M"))  # fmt: skip
"""Upper bound of rows -> the hub's name for it."""


def data_card(run: Run, place: str, tables: Mapping[str, pa.Table], *, licence: str = "") -> str:
    """The text of README.md.

    Args:
        run: The run.
        place: The table in it, e.g. 09-sft_data/examples.
        tables: Name of a configuration of the data set -> its rows as they are written.
        licence: Identifier of the licence the rows are given out under; empty when none was chosen.
    """
    folder = run.path / Path(place).parent
    rows = sum(table.num_rows for table in tables.values())
    sections = [
        _head(tables, rows, licence),
        f"# {run.path.resolve().name}: {place}\n",
        f"{rows:,} rows, made by the stage `{folder.name[3:]}` of a run with seed {run.recipe()['seed']}.\n",
    ]
    for name, table in tables.items():
        sections += _columns(name if len(tables) > 1 else "", table)
        sections += _counts(table)
    sections += [_drops(folder), _origin(run), _licence(licence)]
    return "\n".join(section for section in sections if section)


def _head(tables: Mapping[str, Any], rows: int, licence: str) -> str:
    size = next((name for bound, name in SIZES if rows < bound), "n>10M")
    lines = ["---", f"license: {licence or 'unknown'}", "size_categories:", f"- {size}", "configs:"]
    for name in tables:
        lines += [
            f"- config_name: {name}",
            "  data_files:",
            "  - split: train",
            f"    path: {name}/*.parquet",
        ]
    return "\n".join([*lines, "---", ""])


def _columns(name: str, table: pa.Table) -> Iterator[str]:
    rows = [(f"`{field.name}`", f"`{field.type}`") for field in table.schema]
    yield f"## Columns{f' of {name}' if name else ''}\n\n{_markdown(('column', 'type'), rows)}"


def _counts(table: pa.Table) -> Iterator[str]:
    """Counts of the columns that sort rows into few kinds."""
    for name in COUNTED:
        if name not in table.column_names:
            continue
        counts = Counter(table.column(name).to_pylist())
        if 1 < len(counts) <= MOST_VALUES or (name == "licence" and counts):
            rows = [(_cell(value), f"{count:,}") for value, count in counts.most_common()]
            yield f"### By {name}\n\n{_markdown((name, 'rows'), rows)}"


def _drops(folder: Path) -> str:
    file = folder / "dropped" / "drops.parquet"
    if not file.is_file():
        return ""
    table = read_parquet(file).select(["step", "reason"])
    counts = Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))
    rows = [
        (_cell(step), _cell(reason), f"{count:,}")
        for (step, reason), count in counts.most_common(MOST_VALUES)
    ]
    note = f"The stage removed {table.num_rows:,} rows" + (
        f"; the {MOST_VALUES} most frequent reasons." if len(counts) > MOST_VALUES else "."
    )
    return f"## What was removed\n\n{note}\n\n{_markdown(('step', 'reason', 'rows'), rows)}" if rows else ""


def _origin(run: Run) -> str:
    found = read_json(run.path / "environment.json")
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return (
        "## Where it comes from\n\n`trivium trace ID --run RUN` walks from a row to its source. "
        f"Made with Python {found['python']}; {packages}.\n"
    )


def _licence(licence: str) -> str:
    given = f"The data set: {licence}." if licence else "None was chosen for the data set yet."
    kept = "Organic documents keep the licence of their source, a column of the run's `01-curate/documents`."
    return f"## Licence\n\n{given} {kept}\n"


def _markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    """One line of plain text: values come from strangers' files."""
    text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
    return text[:80] or "(empty)"
