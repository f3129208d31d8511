"""Does regenerated code do what the original does? By behaviour where it can be run, else by its shape."""

from __future__ import annotations

import ast
import builtins
import difflib
import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trivium.synthesize.seeds import Function
from trivium.verify.inside.values import literal

LEAST_INPUTS = 6
"""Trial inputs on which the original must return plain data; fewer say too little."""
LEAST_OUTCOMES = 3
"""Different outcomes among them; a function that always says the same is matched by any constant."""
MOST_INPUTS = 24
SIMILAR_TOKENS = 0.8
"""Likeness from which code that cannot be run counts as regenerated; below it, other code passes too."""

KINDS: dict[str, tuple[Any, ...]] = {
    "int": (0, 1, 2, 3, 7, 10, 12, 25, 100, -4),
    "str": ("", "a", "abc", "Hello World", "a.b.c", "x=1; y=2", "one\ntwo", '"quoted"', "<URL:tag>", "3F"),
    "ints": ([], [1], [3, 1, 2], [1, 1, 2, 3], [5, 4, 9, 9, 12], [0, -1], [2, 4, 6, 8]),
    "strs": ([], ["a"], ["b", "a", "c"], ["one", "two", "two"], ["x.py", "y.txt"], ["k=v", "n=2"], ["", " "]),
    "dict": (
        {},
        {"a": 1},
        {"a": 1, "b": 2},
        {1: 10, 2: 20, 3: 10},
        {"x": "y", "z": "y"},
        {0: None},
        {"k": "v"},
    ),
    "bytes": (b"", b"abc", b"\x00\x01\xff", b"hello world", b"12345", b"\n", b"abcdef"),
    "float": (0.0, 0.5, 2.5, -1.25, 10.0, 3.75, 100.5),
}


class Runner(Protocol):
    """What is needed of verify.sandbox.Sandbox."""

    def call(self, code: str, function: str, args_list: Sequence[Sequence[Any]]) -> Sequence[Any]:
        """Call a function on many inputs."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """Inputs on which the original returned, and what came of each."""

    inputs: tuple[tuple[Any, ...], ...]
    outcomes: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, ...], ...]
    """For each input the kinds of its arguments."""


def is_self_contained(function: Function) -> bool:
    """Say whether the code uses only parameters, own names and builtins, and returns a value."""
    tree = ast.parse(function.code).body[0]
    assert isinstance(tree, ast.FunctionDef)
    nodes = list(ast.walk(tree))
    foreign = (ast.Import, ast.ImportFrom, ast.Global, ast.Yield, ast.YieldFrom)
    if any(isinstance(node, foreign) for node in nodes):
        return False
    own = {node.arg for node in nodes if isinstance(node, ast.arg)} | {tree.name}
    if own & {"self", "cls"} or "." in function.name:
        return False
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    inner = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ExceptHandler)]
    own |= {name for name in inner if name}
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    returns = any(isinstance(node, ast.Return) and node.value is not None for node in nodes)
    return returns and used <= own | set(dir(builtins))


def try_out(function: Function, runner: Runner) -> Trial | None:
    """Find inputs on which the function returns plain data; None if it returns too little to tell it apart.

    Every combination of kinds is tried once, then more inputs of the kinds that worked.
    """
    required = _required(function.code)
    if not 1 <= required <= 3:
        return None
    rng = random.Random(f"trial-{function.document_id}")
    kinds = list(itertools.product(KINDS, repeat=required))
    first = _returned(function, [_draw(rng, kind) for kind in kinds], kinds, runner)
    if not first:
        return None
    worked = [kind for kind, _, _ in first]
    more = [worked[index % len(worked)] for index in range(2 * MOST_INPUTS)]
    found = first + _returned(function, [_draw(rng, kind) for kind in more], more, runner)
    distinct = {repr(arguments): (arguments, outcome, kind) for kind, arguments, outcome in found}
    kept = list(distinct.values())
    rng.shuffle(kept)
    kept = kept[:MOST_INPUTS]
    if len(kept) < LEAST_INPUTS or len({_effect(*row[:2]) for row in kept}) < LEAST_OUTCOMES:
        return None
    arguments, outcomes, kinds_of = zip(*kept, strict=True)
    return Trial(arguments, outcomes, kinds_of)


def agreement(code: str, name: str, trial: Trial, runner: Runner) -> float:
    """Return the share of trial inputs on which other code gives the same value and arguments.

    What a function happens to do with kinds of arguments that it was not written for need not come back: the
    best share of one kind counts, if that kind has enough inputs and outcomes to tell functions apart. Code
    that runs out of time on one input is not tried on the rest, which then count as different.
    """
    same = [False] * len(trial.inputs)
    for number, arguments in enumerate(trial.inputs):
        (outcome,) = runner.call(code, name, [arguments])
        if outcome.status == "timeout":
            break
        got = (outcome.value_repr, outcome.arguments_repr)
        same[number] = outcome.status == "ok" and got == trial.outcomes[number]
    shares = [sum(same) / len(same)]
    for kind in set(trial.kinds):
        here = [number for number, other in enumerate(trial.kinds) if other == kind]
        told = {_effect(trial.inputs[number], trial.outcomes[number]) for number in here}
        if len(here) >= LEAST_INPUTS and len(told) >= LEAST_OUTCOMES:
            shares.append(sum(same[number] for number in here) / len(here))
    return max(shares)


def likeness(one: str, other: str) -> float:
    """Return how alike two pieces of code are but for own names, in [0, 1]; 0 if one does not parse."""
    try:
        left, right = _skeleton(one), _skeleton(other)
    except (SyntaxError, ValueError):
        return 0.0
    return difflib.SequenceMatcher(None, left, right, autojunk=False).ratio()


def extract_code(reply: str, name: str) -> str | None:
    """Return the definition of `name` in a reply, fenced or bare; None if there is none."""
    blocks = re.findall(r"```(?:python|py)?\n(.*?)(?:```|\Z)", reply, flags=re.DOTALL) or [reply]
    for block in blocks:
        lines = block.splitlines()
        while lines:
            try:
                tree = ast.parse("\n".join(lines))
            except (SyntaxError, ValueError):
                # A reply cut at its limit, or with talk below the code, still holds a whole function above.
                lines.pop()
                continue
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return "\n".join(lines)
            break
    return None


def _required(code: str) -> int:
    arguments = ast.parse(code).body[0].args  # type: ignore[attr-defined]
    if any(default is None for default in arguments.kw_defaults):
        return 0
    return len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)


def _effect(arguments: tuple[Any, ...], outcome: tuple[str, str]) -> tuple[str, str]:
    """Return the value, and the arguments if the call changed them."""
    value, left = outcome
    return value, "" if left == literal(arguments) else left


def _draw(rng: random.Random, kinds: Sequence[str]) -> tuple[Any, ...]:
    return tuple(rng.choice(KINDS[kind]) for kind in kinds)


def _returned(
    function: Function, inputs: list[tuple[Any, ...]], kinds: Sequence[tuple[str, ...]], runner: Runner
) -> list[tuple[tuple[str, ...], tuple[Any, ...], tuple[str, str]]]:
    outcomes = runner.call(function.code, function.short_name, inputs)
    return [
        (kind, arguments, (outcome.value_repr, outcome.arguments_repr))
        for kind, arguments, outcome in zip(kinds, inputs, outcomes, strict=True)
        if outcome.status == "ok"
    ]


def _skeleton(code: str) -> list[str]:
    """Return node kinds, operators, called attributes and constants in order; own names become numbers."""
    parts: list[str] = []
    numbered: dict[str, str] = {}
    for node in ast.walk(ast.parse(code)):
        parts.append(type(node).__name__)
        if isinstance(node, ast.Name | ast.arg):
            name = node.id if isinstance(node, ast.Name) else node.arg
            parts.append(name if hasattr(builtins, name) else numbered.setdefault(name, f"v{len(numbered)}"))
        elif isinstance(node, ast.Attribute):
            parts.append(node.attr)
        elif isinstance(node, ast.Constant):
            parts.append(repr(node.value)[:20])
    return parts
