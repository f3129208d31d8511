"""Fingerprints: a stage is reused only when its configuration, inputs and code are what they were."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.config import to_json
from trivium.store.files import file_hash

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
RESOURCE_SUFFIXES = {".md", ".yaml", ".html", ".css", ".js"}
"""Prompts, rubrics and templates: they change an output as code does."""


def stage_fingerprint(module: str, config: Any, seed: int, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the parts a stage's reuse depends on; equal dictionaries mean the output can be reused.

    A stage that reads things outside the run folder (one's own files, a teacher, the Python installation) has
    a function `outside(config)` that names each and gives its hash.

    Args:
        module: Dotted name of the stage module; its code and all of ours that it imports count.
        config: The stage's configuration.
        seed: The run's seed.
        inputs: Upstream stage name -> hash of its outputs.
    """
    outside = getattr(importlib.import_module(module), "outside", None)
    return {
        "config": to_json(config),
        "seed": seed,
        "inputs": dict(inputs),
        "outside": outside(config) if outside is not None else {},
        "code": code_hash(module),
    }


def outside_model(name: str) -> dict[str, str]:
    """Hash the model that a setting names, for `outside`; nothing where it names a stage."""
    folder = Path(name)
    return {"model": content_hash(folder)} if (folder / "config.json").is_file() else {}


def content_hash(path: Path) -> str:
    """Hash a file, or every file below a folder with its name; a missing one counts as `missing`."""
    if not path.exists():
        return "missing"
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(str(file.relative_to(path)).encode())
        digest.update(file_hash(file).encode())
    return digest.hexdigest()[:16]


def changed_parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name what differs between two fingerprints, for a person: config keys, inputs, code."""
    names: list[str] = []
    for part in ("config", "inputs", "outside"):
        before, after = dict(old.get(part) or {}), dict(new.get(part) or {})
        changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        names += [f"{part}.{key}" for key in changed]
    names += [part for part in ("seed", "code") if old.get(part) != new.get(part)]
    return names


@functools.cache
def code_hash(module: str) -> str:
    """Hash the source of a module, its package neighbours and everything of ours they import."""
    digest = hashlib.sha256()
    for path in sorted(_closure(module)):
        digest.update(str(path.relative_to(PACKAGE_ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _closure(module: str) -> set[Path]:
    start = _module_path(module)
    if start is None:
        raise ModuleNotFoundError(f"no module {module}")
    waiting, seen = [start], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.parent != PACKAGE_ROOT:
            seen.update(near for near in path.parent.rglob("*") if near.suffix in RESOURCE_SUFFIXES)
        waiting += [target for name in _imports(path) if (target := _module_path(name)) is not None]
    return seen


def _imports(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.split(".")[0] == "trivium"]


def _module_path(name: str) -> Path | None:
    base = PACKAGE_ROOT.joinpath(*name.split(".")[1:])
    if base.is_dir():
        return base / "__init__.py" if (base / "__init__.py").exists() else None
    path = base.with_suffix(".py")
    return path if path.exists() else None


def combined_hash(parts: Mapping[str, Any]) -> str:
    """Return a short hash of JSON-able parts, independent of key order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
