"""A run folder and its stage folders.

    runs/<name>/recipe.json  environment.json  01-curate/{*.parquet, dropped/, metrics.json, stage.json}  ...

`stage.json` is written last, so a stage folder that has one is complete. A folder without one holds partial
work that the same fingerprint may resume.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trivium import records
from trivium.errors import DataError, StageError
from trivium.records import Drop
from trivium.store import files
from trivium.store.progress import Progress, make_progress

if TYPE_CHECKING:
    import pyarrow as pa

Row = TypeVar("Row")

RECORD_FILE = "stage.json"
STARTED_FILE = "started.json"
METRICS_FILE = "metrics.json"
SCRATCH = "scratch"


@dataclass(kw_only=True)
class StageDir:
    """The door between a stage's pure functions and the disk."""

    name: str
    path: Path
    seed: int
    workers: int = 1
    executor: str = "local"
    """Where shards run: `local` (a process pool) or `ray`; the output is the same."""
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Finished stage name -> its folder."""
    dropped: list[pa.Table] = field(default_factory=list)
    """Rows of `Drop` so far, as `drop` took them."""

    @property
    def drops(self) -> list[Drop]:
        """Return what was removed so far, as records."""
        return [row for table in self.dropped for row in records.from_table(Drop, table)]

    @property
    def num_drops(self) -> int:
        """Return how many rows were removed so far."""
        return sum(table.num_rows for table in self.dropped)

    @property
    def scratch(self) -> Path:
        """Folder for resumable partial state; kept after a kill, removed when the stage finishes."""
        folder = self.path / SCRATCH
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def folder(self, stage: str) -> Path:
        """Return the folder of a finished stage (or of this one)."""
        if stage == self.name:
            return self.path
        if stage not in self.inputs:
            raise StageError(
                f"{self.name}: got no finished stage {stage!r}; expected it before this one, "
                f"add it to the recipe's stages or run without --from."
            )
        return self.inputs[stage]

    def table(self, stage: str, table: str) -> pa.Table:
        """Read a table that a stage wrote."""
        return files.read_parquet(self.folder(stage) / f"{table}.parquet")

    def rows(self, stage: str, table: str, cls: type[Row]) -> list[Row]:
        """Read a table that a stage wrote, as records."""
        return records.from_table(cls, self.table(stage, table))

    def write(self, table: str, cls: type[Row], rows: Iterable[Row]) -> Path:
        """Write records as `<table>.parquet`."""
        return self.write_table(table, records.to_table(cls, rows))

    def write_table(self, table: str, data: pa.Table) -> Path:
        """Write an Arrow table as `<table>.parquet`."""
        return files.write_parquet(self.path / f"{table}.parquet", data)

    def write_json(self, name: str, value: Any) -> Path:
        """Write `<name>.json`."""
        return files.write_json(self.path / f"{name}.json", value)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file under its full name."""
        return files.write_text(self.path / name, text)

    def write_parts(self, table: str, schema: pa.Schema, parts: Iterable[pa.Table]) -> Path:
        """Write Arrow tables one after the other as `<table>.parquet`, without joining them in memory."""
        return files.write_parquet_parts(self.path / f"{table}.parquet", schema, parts)

    def drop(self, rows: Sequence[Drop] | pa.Table) -> None:
        """Keep a record of removed rows; they are written to dropped/drops.parquet when the stage ends.

        Args:
            rows: Records, or a table of them where there are many: a row takes a fifth of a record's memory.
        """
        import pyarrow as pa

        table = rows if isinstance(rows, pa.Table) else records.to_table(Drop, rows)
        if table.num_rows:
            self.dropped.append(table)

    def progress(self, label: str, total: int, unit: str = "rows") -> Progress:
        """Return a progress bar as a context manager."""
        return make_progress(label, total, unit, self.scratch)

    def write_drops(self) -> None:
        """Write what `drop` collected."""
        if self.dropped:
            target = self.path / "dropped" / "drops.parquet"
            files.write_parquet_parts(target, records.schema_of(Drop), self.dropped)


@dataclass(frozen=True)
class Run:
    """A run folder on disk."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open an existing run.

        Raises:
            DataError: There is no run there.
        """
        folder = Path(path)
        if not (folder / "recipe.json").exists():
            raise DataError(f"{folder}: got no recipe.json; expected a run folder, e.g. runs/pocket.")
        return cls(folder)

    def recipe(self) -> dict[str, Any]:
        """Return the resolved recipe as JSON data."""
        return files.read_json(self.path / "recipe.json")

    def stage_folders(self) -> dict[str, Path]:
        """Return stage name -> folder for every stage folder, finished or not, in order."""
        found = sorted(p for p in self.path.glob("[0-9][0-9]-*") if p.is_dir())
        return {p.name[3:]: p for p in found}

    def finished(self) -> dict[str, Path]:
        """Return stage name -> folder for the finished stages, in order."""
        return {name: p for name, p in self.stage_folders().items() if (p / RECORD_FILE).exists()}

    def record(self, stage: str) -> dict[str, Any]:
        """Return a finished stage's `stage.json`."""
        folders = self.finished()
        if stage not in folders:
            raise DataError(
                f"{self.path}: got no finished stage {stage!r}; finished are {', '.join(folders)}."
            )
        return files.read_json(folders[stage] / RECORD_FILE)

    def output_hash(self) -> str:
        """Return one hash over the outputs of every finished stage."""
        from trivium.store.fingerprint import combined_hash

        return combined_hash({name: self.record(name)["output_hash"] for name in self.finished()})

    def table(self) -> list[dict[str, Any]]:
        """Return `table.json`: every number of the stage table."""
        return files.read_json(self.path / "table.json")


def hash_outputs(folder: Path) -> dict[str, str]:
    """Hash every output file of a stage; timings (metrics.json) and partial state do not count."""
    skipped = {RECORD_FILE, STARTED_FILE, METRICS_FILE}
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        str(p.relative_to(folder)): files.file_hash(p)
        for p in found
        if p.name not in skipped and p.relative_to(folder).parts[0] != SCRATCH and not p.name.endswith(".tmp")
    }


HASHED_ON_REUSE_BYTES = 256 * 2**20
"""Outputs up to this size are hashed again before a stage is kept; larger ones must only be there."""


def damaged_outputs(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Name the outputs of a finished stage that are missing or no longer what the stage wrote."""
    names = []
    for name, known in record["outputs"].items():
        path = folder / name
        whole = path.is_file() and (
            path.stat().st_size > HASHED_ON_REUSE_BYTES or files.file_hash(path) == known
        )
        if not whole:
            names.append(f"{name} (damaged)")
    return names


def clear(folder: Path) -> None:
    """Empty a stage folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
