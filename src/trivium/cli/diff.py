"""diff: what changed between two recipes or runs, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trivium.cli.console import plain, say, show_table
from trivium.cli.run import recipe_path
from trivium.cli.verbs import DiffVerb
from trivium.config import to_json
from trivium.errors import ConfigError
from trivium.store import files


def diff(command: DiffVerb) -> int:
    """Print changed fields, then changed results where both sides are runs."""
    before, after = side(command.before), side(command.after)
    changed = changed_fields(before["recipe"], after["recipe"])
    if changed:
        show_table(("field", command.before, command.after), changed)
    else:
        say("The recipes are the same.")
    if before["table"] and after["table"]:
        results = changed_results(before["table"], after["table"])
        if results:
            headers = ("stage", "task", "metric", "before", "after", "change")
            show_table(headers, results, numbers=("before", "after", "change"))
        else:
            say("The results are the same.")
    return 0


def side(name: str) -> dict[str, Any]:
    """Read one side: a run folder (recipe and results) or a recipe."""
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "recipe.json").exists():
            raise ConfigError(f"{name}: got a folder without recipe.json; expected a run, e.g. runs/pocket.")
        table = folder / "table.json"
        return {
            "recipe": files.read_json(folder / "recipe.json"),
            "table": files.read_json(table) if table.exists() else [],
        }
    from trivium import recipe

    return {"recipe": to_json(recipe.load(recipe_path(name))), "table": []}


def changed_fields(before: dict[str, Any], after: dict[str, Any]) -> list[list[str]]:
    """Return [dotted key, old, new] of every field that differs; a field one side lacks shows as `-`."""
    old, new = flat(before), flat(after)
    keys = [*old, *(key for key in new if key not in old)]
    return [
        [key, plain(old.get(key, "-")), plain(new.get(key, "-"))]
        for key in keys
        if old.get(key, "-") != new.get(key, "-")
    ]


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted key -> leaf of a tree of dictionaries."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def changed_results(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[list[str]]:
    """Return [stage, task, metric, old, new, change] of every number of the stage tables that differs."""
    old, new = by_key(before), by_key(after)
    rows: list[list[str]] = []
    for key in [*old, *(key for key in new if key not in old)]:
        a, b = old.get(key), new.get(key)
        if a is None or b is None:
            rows.append([*key, number(a), number(b), ""])
        elif a["value"] != b["value"]:
            rows.append([*key, number(a), number(b), f"{b['value'] - a['value']:+.3f}"])
    return rows


def by_key(table: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Index a stage table by (stage, task, metric)."""
    return {(row["stage"], row["task"], row["metric"]): row for row in table}


def number(row: dict[str, Any] | None) -> str:
    """Write a number with its interval."""
    if row is None:
        return "-"
    interval = "" if row.get("low") is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['value']:.3f}{interval}"
