"""Atomic files: nothing half-written under a final name, one sentence for a broken file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from trivium.errors import DataError
from trivium.store import files


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = files.write_text(tmp_path / "a.txt", "old")

    def broken(target: Path) -> None:
        target.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_atomic(path, broken)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_truncated_parquet_is_one_sentence(tmp_path: Path) -> None:
    path = files.write_parquet(tmp_path / "t.parquet", pa.table({"x": list(range(1000))}))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="truncated or foreign") as caught:
        files.read_parquet(path)
    assert "\n" not in str(caught.value)


def test_missing_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        files.read_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="no such file"):
        files.read_json(tmp_path / "none.json")


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    table = pa.table({"x": list(range(1000))})
    first = files.write_parquet(tmp_path / "a.parquet", table)
    second = files.write_parquet(tmp_path / "b.parquet", table)
    assert files.file_hash(first) == files.file_hash(second)


@pytest.mark.parametrize("group_bytes", [10, 10_000, 10**9])
def test_a_table_written_in_parts_is_their_whole(tmp_path: Path, monkeypatch, group_bytes: int) -> None:
    monkeypatch.setattr(files, "ROW_GROUP_BYTES", group_bytes)
    monkeypatch.setattr(files, "ROW_GROUP_ROWS", 100)
    whole = pa.table({"x": list(range(1050)), "tags": [["a"] * (i % 3) for i in range(1050)]})
    cuts = [0, 3, 3, 250, 999, 1050]
    parts = [whole.slice(a, b - a) for a, b in zip(cuts, cuts[1:], strict=False)]
    path = files.write_parquet_parts(tmp_path / "t.parquet", whole.schema, parts)
    assert files.read_parquet(path).equals(whole)
    groups = pa.parquet.ParquetFile(path).metadata
    assert max(groups.row_group(i).num_rows for i in range(groups.num_row_groups)) == 100
    empty = files.write_parquet_parts(tmp_path / "e.parquet", whole.schema, [])
    assert files.read_parquet(empty).schema.equals(whole.schema)
