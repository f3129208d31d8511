"""Ranks find each other whatever the path of the run folder looks like."""

import operator
from pathlib import Path

import pytest

from trivium.models.runtime import run_ranks


@pytest.mark.parametrize("folder", ["runs/pocket", "a folder?with#signs"])
def test_a_relative_run_folder_will_do(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = Path(folder)
    place.mkdir(parents=True)
    assert run_ranks(operator.index, 2, place / "rendezvous", ()) == 0
    assert not (place / "rendezvous").exists()
