"""The ledger: same output for any number of workers, and a rerun does only what is left."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from trivium.store.ledger import run_shards
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
