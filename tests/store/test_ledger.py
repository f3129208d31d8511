"""The ledger: same output for any number of workers, and a rerun does only what is left."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from trivium.store.ledger import keep_shards, run_shards
from trivium.store.run import StageDir


def square(log: str, shard: int) -> dict[str, pa.Table]:
    with open(log, "a") as handle:
        handle.write(f"{shard}\n")
    if Path(log).with_suffix(".poison").exists() and shard == 3:
        raise RuntimeError("killed here")
    return {"squares": pa.table({"n": [shard], "square": [shard * shard]})}


def stage_at(path: Path) -> StageDir:
    return StageDir(name="test", path=path, seed=0)


@pytest.mark.parametrize("workers", [2, 4])
def test_output_does_not_depend_on_workers(tmp_path: Path, workers: int) -> None:
    work = partial(square, str(tmp_path / "log"))
    one = run_shards(stage_at(tmp_path / "one"), "s", work, range(9), workers=1)
    many = run_shards(stage_at(tmp_path / "many"), "s", work, range(9), workers=workers)
    assert one["squares"].equals(many["squares"])
    assert one["squares"].column("n").to_pylist() == list(range(9))


def test_a_rerun_does_only_what_is_left(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.with_suffix(".poison").touch()
    stage = stage_at(tmp_path / "run")
    work = partial(square, str(log))
    with pytest.raises(RuntimeError, match="killed here"):
        run_shards(stage, "s", work, range(6), workers=1)
    log.with_suffix(".poison").unlink()
    result = run_shards(stage, "s", work, range(6), workers=1)
    assert result["squares"].column("square").to_pylist() == [0, 1, 4, 9, 16, 25]
    assert log.read_text().split() == ["0", "1", "2", "3", "3", "4", "5"]


def test_tables_stay_on_disk_until_they_are_asked_for(tmp_path: Path) -> None:
    shards = keep_shards(stage_at(tmp_path / "run"), "s", partial(square, str(tmp_path / "log")), range(3))
    assert [pa.parquet.read_table(path)["n"].to_pylist() for path in shards.paths("squares")] == [
        [0],
        [1],
        [2],
    ]
    assert shards.table("squares", ["square"]).to_pydict() == {"square": [0, 1, 4]}
    assert shards.paths("roots") == [] and list(shards.join()) == ["squares"]


class Heard:
    """A progress bar that remembers."""

    def __init__(self) -> None:
        self.done, self.words = [], []

    def resume(self, n: int) -> None:
        self.done.append(n)

    def advance(self, n: int = 1) -> None:
        self.done.append(n)

    def note(self, text: str) -> None:
        self.words.append(text)

    def __enter__(self) -> "Heard":
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def count_rows(tables: dict[str, pa.Table]) -> dict[str, int]:
    return {"squares": int(tables["squares"].column("square")[0].as_py())}


def test_the_bar_counts_by_size_and_sums_what_shards_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[Heard] = []

    def bar(self: StageDir, label: str, total: int, unit: str = "rows") -> Heard:
        assert (total, unit) == (60, "things")
        bars.append(Heard())
        return bars[-1]

    monkeypatch.setattr(StageDir, "progress", bar)
    log = tmp_path / "log"
    log.with_suffix(".poison").touch()
    work, sizes = partial(square, str(log)), [2, 4, 6, 8, 10, 30]
    options = {"workers": 1, "unit": "things", "sizes": sizes, "tally": count_rows}
    with pytest.raises(RuntimeError):
        run_shards(stage_at(tmp_path), "s", work, range(6), **options)
    log.with_suffix(".poison").unlink()
    run_shards(stage_at(tmp_path), "s", work, range(6), **options)
    first, second = bars
    assert first.done == [0, 2, 4, 6] and first.words[-1] == "5 squares"
    assert second.done == [12, 8, 10, 30]  # what was done before counts at once
    assert second.words == ["5 squares", "14 squares", "30 squares", "55 squares"]
