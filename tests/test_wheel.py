"""The wheel holds all that a run needs, and starts without the checkout."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CARRIED = (".py", ".md", ".yaml", ".html", ".css", ".js")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel, built from a copy so that nothing is left in the checkout."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed: no wheel can be built")
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("setuptools is older than pyproject.toml asks for: no wheel can be built")
    place = tmp_path_factory.mktemp("wheel")
    copy = place / "copy"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "recipes"):
        shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    build = ["-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", str(place)]
    done = subprocess.run([sys.executable, *build], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        wheel.extractall(place / "site")
    return place / "site"


def carried(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.suffix in CARRIED and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def test_everything_of_the_package_is_in_it_and_the_recipes(installed):
    ours = carried(ROOT / "src" / "trivium") | {f"recipes/{name}" for name in carried(ROOT / "recipes")}
    assert carried(installed / "trivium") == ours
    assert "report/templates/report.html" in ours and "view/static/keys.js" in ours


def run(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Start the installed command in an empty folder; the checkout is not on its path."""
    environment = os.environ | {"PYTHONPATH": str(installed), "TRIVIUM_TEACHER": "none"}
    program = [sys.executable, "-P", "-m", "trivium", *words]
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("recipe", ["pocket", "recipes/pocket.py", "mini", "posttrain"])
def test_recipes_are_found_by_name(installed, tmp_path, recipe):
    done = run(installed, tmp_path, "plan", recipe)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(Path(recipe).stem)


def test_stages_run_and_what_is_said_can_be_typed(installed, tmp_path):
    few = (
        "--set",
        "curate.max_modules=12",
        "--set",
        "curate.num_seeds=4",
        "--until",
        "curate",
        "--workers",
        "1",
    )
    done = run(installed, tmp_path, "run", "pocket", *few)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/pocket/01-curate/documents.parquet").is_file()
    written = run(installed, tmp_path, "init", "mine")
    assert "next    trivium plan mine.py" in written.stdout
    assert run(installed, tmp_path, "plan", "mine.py").returncode == 0
