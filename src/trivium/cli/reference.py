"""Writes docs/reference/ from the sources' own docstrings: `python -m trivium.cli.reference docs/reference`.

The sources are read, not imported, so nothing heavy is loaded and nothing is run.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import trivium
from trivium.store import files

PACKAGE = Path(trivium.__file__).resolve().parent
MODULES = {
    "Runs and recipes": ("recipe", "config", "pipeline", "store.run", "store.files", "store.lineage",
                         "errors"),
    "Rows": ("records", "stats"),
    "Teachers": ("llm.calls", "llm.client", "llm.generate", "llm.teacher"),
    "Curation": ("curate.dedup", "curate.decontaminate", "curate.pii", "curate.ngrams"),
    "Verifiers": ("verify.answers", "verify.final", "verify.constraints", "verify.ifeval", "verify.sandbox",
                  "verify.trial"),
    "Mixture and training": ("mix.plan", "models.phi", "models.ladder", "models.cost",
                             "train.preference_losses"),
    "Models": ("models.load", "models.chat", "models.sample", "models.export"),
    "Pivotal tokens": ("pivotal.estimate", "pivotal.sure", "pivotal.questions", "pivotal.verifiers"),
}  # fmt: skip
"""What is meant to be called from Python, by heading: modules under trivium."""

SECTIONS = ("Args:", "Returns:", "Yields:", "Raises:", "Source:")
API_HEADER = """# Python reference

Written by `python -m trivium.cli.reference docs/reference` from the docstrings; a test compares the two, and
another runs the examples. Modules that are not here are not meant to be called from outside.
"""
RECIPE_HEADER = """# Fields of a recipe

Written by `python -m trivium.cli.reference docs/reference` from the configurations. Every field is a key of
`--set`, as in `--set sft.epochs=2`; `./trivium plan RECIPE --keys` prints the values of one.
"""


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    return {"api.md": api_page(), "recipe.md": recipe_page()}


def api_page() -> str:
    """Return the page of public functions and classes."""
    parts = [API_HEADER]
    for heading, modules in MODULES.items():
        parts.append(f"## {heading}\n")
        parts += [text for module in modules for text in describe_module(module)]
    return "\n".join(parts)


def parse(module: str) -> ast.Module:
    """Return the syntax tree of a module under trivium."""
    place = PACKAGE.joinpath(*module.split("."))
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def describe_module(module: str) -> Iterator[str]:
    """Yield the Markdown of a module: its first paragraph, then every public function and class."""
    tree = parse(module)
    yield f"### trivium.{module}\n"
    yield first_paragraph(ast.get_docstring(tree) or "") + "\n"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_public(node):
            yield from describe_function(node)
        elif isinstance(node, ast.ClassDef) and is_public(node):
            yield from describe_class(node)


def is_public(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Tell whether a definition is meant for callers: no underscore, and documented."""
    return not node.name.startswith("_") and ast.get_docstring(node) is not None


def describe_function(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str = "") -> Iterator[str]:
    """Yield signature and docstring."""
    yield f"#### {owner}{node.name}\n\n```python\n{signature(node, owner)}\n```\n"
    yield markdown(ast.get_docstring(node) or "")


def describe_class(node: ast.ClassDef) -> Iterator[str]:
    """Yield a class: its fields with their docstrings, then its public methods."""
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield f"#### {node.name}\n\n```python\nclass {node.name}{f'({bases})' if bases else ''}\n```\n"
    yield markdown(ast.get_docstring(node) or "")
    lines = [f"- `{one}`{': ' + text if text else ''}" for one, _, text in fields_of(node)]
    if lines:
        yield "\n".join(lines) + "\n"
    for method in node.body:
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and is_public(method):
            yield from describe_function(method, node.name + ".")


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str = "") -> str:
    """Return a signature in one line, or one argument a line where it would be long; without self."""
    arguments = ast.parse(f"def f({ast.unparse(node.args)}): ...").body[0]
    assert isinstance(arguments, ast.FunctionDef)
    if owner and arguments.args.args and arguments.args.args[0].arg in ("self", "cls"):
        del arguments.args.args[0]
    words = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    inner = ast.unparse(arguments.args)
    line = f"{words} {owner}{node.name}({inner}){returns}"
    if len(line) <= 100:
        return line
    split = ",\n    ".join(split_arguments(inner))
    return f"{words} {owner}{node.name}(\n    {split},\n){returns}"


def split_arguments(text: str) -> list[str]:
    """Cut `a: dict[str, int]=x, b` at the commas that no bracket holds."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]


def markdown(docstring: str) -> str:
    """Return a Google docstring as Markdown: sections with a bold name, examples and drawings fenced."""
    blocks = [block for block in re.split(r"\n\s*\n", docstring) if block.strip()]
    return "\n\n".join(block_markdown(block) for block in blocks) + "\n"


def block_markdown(block: str) -> str:
    """Return one block of a docstring as Markdown."""
    head, *body = block.splitlines()
    if head.strip() in SECTIONS and body:
        return f"**{head.strip()[:-1]}**\n\n" + "\n".join(section_lines(body))
    if block.lstrip().startswith(">>>") or head.startswith("    "):
        return f"```text\n{textwrap.dedent(block)}\n```"
    return block


def section_lines(body: list[str]) -> Iterator[str]:
    """Yield list items of a section, lines that are indented further joined to theirs."""
    items = textwrap.dedent("\n".join(body)).splitlines()
    joined: list[str] = []
    for line in items:
        if line.startswith(" ") and joined:
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    for item in joined:
        name, sign, text = item.partition(": ")
        yield f"- `{name}`: {text}" if sign and " " not in name else f"- {item}"


def first_paragraph(docstring: str) -> str:
    """Return the first paragraph in one line."""
    return " ".join(docstring.split("\n\n")[0].split())


def fields_of(node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign, str]]:
    """Yield name, assignment and docstring of every annotated field."""
    for item, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            value = after.value if isinstance(after, ast.Expr) else None
            said = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
            if not item.target.id.startswith("_"):
                yield item.target.id, item, " ".join(said.split())


def recipe_page() -> str:
    """Return the page of every field that a recipe has, group by group."""
    return "\n".join([RECIPE_HEADER, *describe_group("recipe", "Recipe", "")])


def describe_group(module: str, name: str, prefix: str) -> Iterator[str]:
    """Yield a configuration's own fields as a table, then the groups within it."""
    tree = parse(module)
    node = next(item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == name)
    sources = imports(tree, module)
    rows, groups = [], []
    for field, item, text in fields_of(node):
        kind = ast.unparse(item.annotation)
        if kind in sources:
            groups.append((field, *defined(*sources[kind])))
        else:
            default = ast.unparse(item.value) if item.value else "-"
            rows.append(f"| `{prefix}{field}` | `{escaped(kind)}` | `{escaped(default)}` | {escaped(text)} |")
    yield f"## {prefix.rstrip('.') or 'recipe'}\n\n{first_paragraph(ast.get_docstring(node) or '')}\n"
    if rows:
        yield "\n".join(["| key | kind | default | what it does |", "|---|---|---|---|", *rows]) + "\n"
    for field, place, kind in groups:
        yield from describe_group(place, kind, f"{prefix}{field}.")


def imports(tree: ast.Module, module: str) -> dict[str, tuple[str, str]]:
    """Return name -> (module under trivium, name there), of what a module imports or defines."""
    found = {
        alias.asname or alias.name: (node.module.removeprefix("trivium."), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("trivium.")
        for alias in node.names
    }
    return found | {node.name: (module, node.name) for node in tree.body if isinstance(node, ast.ClassDef)}


def defined(module: str, name: str) -> tuple[str, str]:
    """Return where a class is defined, starting from a module that has it by import."""
    tree = parse(module)
    if any(isinstance(node, ast.ClassDef) and node.name == name for node in tree.body):
        return module, name
    return defined(*imports(tree, module)[name])


def escaped(text: str) -> str:
    """Return text that may stand in a cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for page, text in pages().items():
        files.write_text(Path(sys.argv[1]) / page, text)
