"""init: a recipe of one's own, written out with what each field does."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.console import launcher
from trivium.cli.reference import defined, fields_of, imports, parse
from trivium.cli.verb_more import InitVerb
from trivium.errors import ConfigError

if TYPE_CHECKING:
    import ast

    from trivium.recipe import Recipe

SHOWN = (
    "curate.installation", "curate.paths", "curate.licence", "curate.num_seeds",
    "synthesize.problems.word", "synthesize.problems.chat_word", "synthesize.problems.steps",
    "synthesize.teacher.where", "synthesize.teacher.model", "synthesize.teacher.generated_tokens",
    "tokenize.vocab",
    "mix.budget_tokens", "mix.shares",
    "pretrain.model.hidden", "pretrain.model.layers", "pretrain.model.heads", "pretrain.model.kv_heads",
    "pretrain.model.ffn", "pretrain.model.context", "pretrain.loop.learning_rate", "pretrain.loop.ranks",
    "midtrain.budget_tokens",
    "sft.start", "sft.data", "sft.epochs", "sft.loop.learning_rate", "sft.loop.row_tokens",
    "pivotal.questions", "pivotal.verifier", "pivotal.num_questions", "pivotal.max_reply_tokens",
    "dpo1.beta", "dpo1.epochs", "dpo1.loop.learning_rate",
    "report.title",
)  # fmt: skip
"""Fields that people change first; all the others are listed by `plan NAME.py --keys`."""

HEADER = '''"""{name}: a recipe of one's own, from {base}.

    {start} plan {file}          what it comes to; runs nothing
    {start} plan {file} --keys   every other field
    {start} run {file}           stop it whenever you like, the same command goes on

The fields below have the values of {base}; change what you like, and leave out what you do not care about.
"""

from dataclasses import replace

from trivium.recipe import Recipe, shipped


def recipe() -> Recipe:
    """Return the recipe."""
    base = shipped("{base}")
    return replace(
        base,
        # Names the run folder: runs/{name}.
        name="{name}",
        # Seeds everything.
        seed={seed},
'''


def init(command: InitVerb) -> int:
    """Write the file and say what to do with it."""
    name = command.name.removesuffix(".py")
    if not name.replace("-", "_").isidentifier() or keyword.iskeyword(name):
        raise ConfigError(f"init: got the name {command.name!r}; expected letters, digits and _, e.g. mine.")
    path = Path(f"{name}.py")
    if path.exists():
        raise ConfigError(f"init: {path} is there already; expected a new name, or remove it first.")
    from trivium.store import files

    files.write_text(path, text_of(name, command.base, base_recipe(command.base)))
    print(f"recipe  {path}")
    print(f"next    {launcher()} plan {path}")
    return 0


def base_recipe(name: str) -> Recipe:
    """Return the recipe to start from.

    Raises:
        ConfigError: No recipe of that name comes with Trivium.
    """
    from trivium.recipe import shipped, shipped_folder

    stem, _, maker = name.partition(":")
    known = sorted(path.stem for path in shipped_folder().glob("*.py"))
    if stem not in known or (stem == "ladder" and not maker):
        names = ", ".join("ladder:SIZE" if one == "ladder" else one for one in known)
        raise ConfigError(f"--from {name}: got no such recipe; expected one of {names}.")
    return shipped(name)


def text_of(name: str, base: str, recipe: Recipe) -> str:
    """Return the Python file: every shown field of a stage that runs, its docstring above it."""
    groups: dict[str, Any] = {}
    for key in SHOWN:
        *path, field = key.split(".")
        if path[0] in recipe.stages:
            group = groups
            for part in path:
                group = group.setdefault(part, {})
            group[field] = None
    head = HEADER.format(name=name, base=base, file=f"{name}.py", start=launcher(), seed=recipe.seed)
    return head + "".join(lines(groups, recipe, "base", ("recipe", "Recipe"), 8)) + "    )\n"


def lines(groups: dict[str, Any], config: Any, owner: str, place: tuple[str, str], indent: int) -> list[str]:
    """Return the keyword arguments of a `replace`, one group within the other.

    Args:
        groups: Field -> None, or the group of fields below it.
        config: The configuration that has them.
        owner: Expression that names it in the file.
        place: Module and name of its class, where the docstrings stand.
        indent: Columns.
    """
    tree = parse(place[0])
    said = {field: (item, text) for field, item, text in fields_of(find(tree, place[1]))}
    found, pad = [], " " * indent
    for field, inner in groups.items():
        item, text = said[field]
        if inner is None:
            found.append(f"{pad}# {text}\n{pad}{field}={getattr(config, field)!r},\n")
            continue
        import ast

        below = defined(*imports(tree, place[0])[ast.unparse(item.annotation)])
        body = lines(inner, getattr(config, field), f"{owner}.{field}", below, indent + 4)
        found.append(f"{pad}{field}=replace(\n{pad}    {owner}.{field},\n{''.join(body)}{pad}),\n")
    return found


def find(tree: ast.Module, name: str) -> ast.ClassDef:
    """Return a class of a module."""
    import ast

    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
