"""The shard ledger: work is cut into shards, each finished shard is kept, a rerun does only the rest.

Results are joined in shard order, so the output is the same for any number of workers and after any kill.
Where the whole does not fit in memory, `keep_shards` leaves it on disk.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trivium.store.executors import local, ray
from trivium.store.files import read_json, read_parquet, write_json, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.store.run import StageDir

Shard = TypeVar("Shard")


@dataclass(frozen=True, slots=True)
class Shards:
    """What finished shards left on disk; nothing is read until it is asked for."""

    folder: Path
    count: int

    def paths(self, table: str) -> list[Path]:
        """Return the files of a table in shard order; a shard that wrote no such table has none."""
        found = (self._folder(index) / f"{table}.parquet" for index in range(self.count))
        return [path for path in found if path.exists()]

    def tables(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield a table, or some of its columns, of each shard that has it, in order."""
        return (read_parquet(path, columns) for path in self.paths(table))

    def table(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table, or some of its columns, joined in shard order; at least one shard must have it."""
        import pyarrow as pa

        return pa.concat_tables(list(self.tables(table, columns))).combine_chunks()

    def join(self) -> dict[str, pa.Table]:
        """Return every table joined in shard order."""
        found = (self._folder(index).glob("*.parquet") for index in range(self.count))
        names = dict.fromkeys(path.stem for paths in found for path in sorted(paths))
        return {name: self.table(name) for name in names}

    def _folder(self, index: int) -> Path:
        return self.folder / f"{index:06d}"


def run_shards(
    stage: StageDir,
    name: str,
    function: Callable[[Shard], Mapping[str, pa.Table]],
    shards: Sequence[Shard],
    **options: Any,
) -> dict[str, pa.Table]:
    """Do what `keep_shards` does with the same arguments, and return all tables joined in shard order."""
    return keep_shards(stage, name, function, shards, **options).join()


def keep_shards(
    stage: StageDir,
    name: str,
    function: Callable[[Shard], Mapping[str, pa.Table]],
    shards: Sequence[Shard],
    *,
    workers: int | None = None,
    label: str = "",
    unit: str = "shards",
    sizes: Sequence[int] | None = None,
    tally: Callable[[Mapping[str, pa.Table]], Mapping[str, int]] | None = None,
) -> Shards:
    """Run `function` on every shard that is not done yet and leave its tables on disk.

    Args:
        stage: The stage folder; results lie in its scratch folder until the stage finishes.
        name: Name of this piece of work within the stage.
        function: Module-level callable (or a `functools.partial` of one); returns table name -> table.
        shards: Picklable values, in a fixed order.
        workers: Processes of this machine; the stage's own executor and number when None.
        label: Text of the progress bar.
        unit: What the bar counts.
        sizes: How much each shard counts for on the bar; one each when None.
        tally: Numbers of a shard's tables, summed over the shards done and shown beside the bar.

    Returns:
        Where the tables lie, shard by shard.
    """
    folder = stage.scratch / name
    folder.mkdir(parents=True, exist_ok=True)
    done = [_done_path(folder, index).exists() for index in range(len(shards))]
    waiting = [index for index, finished in enumerate(done) if not finished]
    keep = functools.partial(_run_one, function, folder, tally)
    amounts = sizes or [1] * len(shards)
    sums = Counter[str]()
    with stage.progress(label or name, total=sum(amounts), unit=unit) as bar:
        for index in set(range(len(shards))) - set(waiting):
            sums.update(read_json(_done_path(folder, index)).get("tally", {}))
        bar.note(_spell(sums))
        bar.resume(sum(amounts) - sum(amounts[index] for index in waiting))
        jobs = [(index, shards[index]) for index in waiting]
        for place, numbers in _as_finished(stage, keep, jobs, workers):
            sums.update(numbers)
            bar.note(_spell(sums))
            bar.advance(amounts[waiting[place]])
    return Shards(folder, len(shards))


def _as_finished(
    stage: StageDir, function: Callable[[Any], Any], jobs: Sequence[Any], workers: int | None
) -> Iterator[tuple[int, Any]]:
    if stage.executor == "ray" and workers is None:
        return ray.as_finished(function, jobs)
    return local.as_finished(function, jobs, min(workers or stage.workers, max(1, len(jobs))))


def _spell(sums: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sums.items())


def _run_one(
    function: Callable[[Any], Mapping[str, Any]],
    folder: Path,
    tally: Callable[[Mapping[str, Any]], Mapping[str, int]] | None,
    job: tuple[int, Any],
) -> Mapping[str, int]:
    index, shard = job
    if _done_path(folder, index).exists():  # a retried task whose first try had come to its end
        return read_json(_done_path(folder, index))["tally"]
    started = time.perf_counter()
    tables = function(shard)
    target = folder / f"{index:06d}"
    shutil.rmtree(target, ignore_errors=True)
    for table_name, table in tables.items():
        write_parquet(target / f"{table_name}.parquet", table)
    rows = {table_name: table.num_rows for table_name, table in tables.items()}
    numbers = dict(tally(tables)) if tally is not None else {}
    seconds = round(time.perf_counter() - started, 3)
    write_json(_done_path(folder, index), {"rows": rows, "seconds": seconds, "tally": numbers})
    return numbers


def _done_path(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.done.json"
