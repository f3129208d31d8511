"""The verb curate: files, folders and URLs of one's own in one command, or the stage of a recipe."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli import run as runs
from trivium.cli import verbs
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.recipe import Recipe

STAGES = ("curate",)


def curate(command: verbs.CurateVerb) -> int:
    """Curate, and say where the results are."""
    if not command.more and is_recipe(command.recipe):
        return runs.run_step(command)
    if command.only:
        raise ConfigError("--only: got it with files; expected --from curate to read them anew.")
    recipe = make_recipe(command)
    folder = runs.run_folder(recipe, command.out)
    where = runs.Where(command.executor, command.publish)
    runs.walk(recipe, folder, command.start, None, command.workers, where)
    from trivium.curate.page import write_page
    from trivium.store.files import read_json

    print(summary(read_json(next(folder.glob("[0-9][0-9]-curate")) / "metrics.json")))
    print(f"page    {write_page(folder)}")
    return 0


def summary(metrics: dict[str, Any]) -> str:
    """Return what was read, kept, dropped, masked and chosen, in a few lines."""
    dropped: Counter[str] = Counter()
    for reasons in metrics["dropped"].values():
        dropped.update(reasons)
    masked = sum(sum(found.values()) for found in metrics["masked"].values())
    copies = {name: metrics["dedup"].get(name, 0) for name in ("exact", "near", "semantic")}
    return "\n".join(
        [
            f"read    {_counts(metrics['read'])}",
            f"kept    {_counts(metrics['kept'])}",
            f"dropped {dropped.total():,} rows: {_counts(dict(dropped.most_common(6)))}, ...",
            f"copies  {_counts(copies)}; {masked:,} spans of personal data and secrets masked",
            f"seeds   {_counts(metrics['seeds'])}, out of {sum(metrics['passages'].values()):,} passages",
        ]
    )


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items()) or "nothing"


def is_recipe(name: str) -> bool:
    """Say whether a word names a recipe: a name, a recipe.json, or a Python file with a `recipe` function."""
    if "://" in name:
        return False
    path = Path(name)
    if path.is_dir():
        return False
    if name.endswith(".json"):
        return True
    if not name.endswith(".py"):
        return not path.exists() and "/" not in name
    return not path.exists() or "def recipe(" in path.read_text(encoding="utf-8", errors="replace")


def make_recipe(command: verbs.CurateVerb) -> Recipe:
    """Return the recipe of one stage that reads the paths alone, with no budget and in any language."""
    from trivium import recipe as recipes
    from trivium.curate.stage import CurateConfig

    paths = (command.recipe, *command.more)
    config = CurateConfig(
        installation=False, paths=paths, languages=(), max_code_bytes=0, balance_folders=True
    )
    name = Path(command.recipe.rstrip("/")).name.split(".")[0] or "files"
    made = recipes.blank(name=f"curate-{name}", stages=STAGES, curate=config)
    return recipes.with_settings(made, command.settings)
