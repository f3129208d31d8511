"""The pipeline: reuse only what has not changed, resume what was cut off, say why something is made anew."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from trivium import pipeline
from trivium.errors import ConfigError, StageError
from trivium.recipe import shipped
from trivium.store import files
from trivium.store.run import Run, StageDir

NUMBERS = """
from dataclasses import dataclass
import pyarrow as pa

@dataclass(frozen=True)
class NumbersConfig:
    count: int = 5

def run(config, stage):
    stage.write_table("numbers", pa.table({"n": list(range(config.count))}))
    return {"count": config.count}
"""
SQUARES = """
from dataclasses import dataclass
import os
import signal
import pyarrow as pa
from trivium.store.ledger import run_shards

@dataclass(frozen=True)
class SquaresConfig:
    power: int = 2

def shard(n):
    if os.environ.get("KILL_AT") == str(n):
        os.kill(os.getpid(), signal.SIGKILL)
    with open(os.environ["SHARD_LOG"], "a") as handle:
        handle.write(f"{n} ")
    return {"squares": pa.table({"n": [n * n]})}

def run(config, stage):
    rows = stage.table("numbers", "numbers").column("n").to_pylist()
    stage.write_table("squares", run_shards(stage, "squares", shard, rows, workers=1)["squares"])
    return {"rows": len(rows)}
"""


@dataclass(frozen=True)
class ToyRecipe:
    """Stands for a Recipe: the pipeline needs no more than this of it."""

    name: str = "toy"
    seed: int = 0
    workers: int = 1
    stages: tuple[str, ...] = ("numbers", "squares")
    numbers: dict[str, Any] = field(default_factory=dict)
    squares: dict[str, Any] = field(default_factory=dict)

    def stage_config(self, stage: str) -> Any:
        """Build the stage's own configuration."""
        module = __import__(f"toy_{stage}")
        return getattr(module, f"{stage.title()}Config")(**getattr(self, stage))


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, source in (("numbers", NUMBERS), ("squares", SQUARES)):
        (tmp_path / f"toy_{name}.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("toy_numbers", "toy_squares"):
        sys.modules.pop(name, None)
    stages = (pipeline.Stage("numbers", "toy_numbers"), pipeline.Stage("squares", "toy_squares"))
    monkeypatch.setattr(pipeline, "STAGES", stages)
    monkeypatch.setattr(
        pipeline,
        "stage_fingerprint",
        lambda m, c, s, i: {"config": vars(c), "seed": s, "inputs": i, "code": m},
    )
    monkeypatch.setenv("SHARD_LOG", str(tmp_path / "log"))
    return tmp_path


def run_toy(recipe: ToyRecipe, out: Path, **kwargs: Any) -> tuple[Run, list[str]]:
    said: list[str] = []
    return pipeline.run(recipe, out, say=said.append, **kwargs), said  # type: ignore[arg-type]


def test_second_run_keeps_everything(toys: Path) -> None:
    first, _ = run_toy(ToyRecipe(), toys / "r")
    hashes = first.output_hash()
    second, said = run_toy(ToyRecipe(), toys / "r")
    assert second.output_hash() == hashes
    assert sum("unchanged, kept" in line for line in said) == 2
    assert (toys / "log").read_text().split() == ["0", "1", "2", "3", "4"]


def test_a_changed_key_is_named_and_flows_down(toys: Path) -> None:
    run_toy(ToyRecipe(), toys / "r")
    _, said = run_toy(ToyRecipe(numbers={"count": 3}), toys / "r")
    assert "    made anew: changed config.count" in said
    assert "    made anew: changed inputs.numbers" in said
    assert files.read_parquet(toys / "r/02-squares/squares.parquet").column("n").to_pylist() == [0, 1, 4]


def test_a_damaged_output_is_made_anew(toys: Path) -> None:
    run, _ = run_toy(ToyRecipe(), toys / "r")
    wanted = run.output_hash()
    table = toys / "r/01-numbers/numbers.parquet"
    table.write_bytes(table.read_bytes()[:50])
    again, said = run_toy(ToyRecipe(), toys / "r")
    assert "    made anew: changed numbers.parquet (damaged)" in said
    assert again.output_hash() == wanted and files.read_parquet(table).num_rows == 5


def test_from_and_until(toys: Path) -> None:
    with pytest.raises(StageError, match="no finished numbers"):
        run_toy(ToyRecipe(), toys / "r", start="squares")
    run, _ = run_toy(ToyRecipe(), toys / "r", stop="numbers")
    assert list(run.finished()) == ["numbers"]
    run, said = run_toy(ToyRecipe(numbers={"count": 9}), toys / "r", start="squares")
    assert "    taken as it is" in said and list(run.finished()) == ["numbers", "squares"]
    with pytest.raises(ConfigError, match="squars"):
        run_toy(ToyRecipe(), toys / "r", start="squars")
    with pytest.raises(ConfigError, match="recipe.stages"):
        run_toy(replace(ToyRecipe(), stages=("bake",)), toys / "r")


def test_kill_nine_loses_and_repeats_nothing(toys: Path) -> None:
    whole, _ = run_toy(ToyRecipe(), toys / "whole")
    (toys / "log").unlink()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_pipeline as t; from pathlib import Path;"
        "from trivium import pipeline as p;"
        "p.STAGES=(p.Stage('numbers','toy_numbers'),p.Stage('squares','toy_squares'));"
        "p.stage_fingerprint=lambda m,c,s,i:{'config':vars(c),'seed':s,'inputs':i,'code':m};"
        "t.run_toy(t.ToyRecipe(), Path(sys.argv[2]))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(toys), *sys.path]), "KILL_AT": "3"}
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(toys / "cut")]
    killed = subprocess.run(command, env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    environment.pop("KILL_AT")
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert Run.open(toys / "cut").output_hash() == whole.output_hash()
    assert (toys / "log").read_text().split() == ["0", "1", "2", "3", "4"]


def test_stage_door_reads_only_what_came_before(tmp_path: Path) -> None:
    door = StageDir(name="mix", path=tmp_path, seed=0)
    with pytest.raises(StageError, match="no finished stage 'sft'"):
        door.folder("sft")


@pytest.mark.parametrize("name", ["pocket", "phi4", "ladder:mini"])
def test_whole_recipes_end_with_the_report_and_need_no_file_from_outside(name):
    stages = shipped(name).stages
    assert stages[0] == "curate" and stages[-1] == "report" and len(stages) == 16
