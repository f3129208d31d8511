"""Mutants: programs that differ from a right one in one place, which good tests must tell apart."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator

_SWAPS: dict[type, type] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
    **{ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq},
    **{ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.And: ast.Or, ast.Or: ast.And},
}


def mutants(code: str, rng: random.Random, most: int) -> list[str]:
    """Make programs that differ in one place: an operator, a constant, a condition, a statement.

    Args:
        code: Python that parses.
        rng: Draws the places.
        most: Programs wanted; fewer come back from short code.
    """
    tree = ast.parse(code)
    changes = [(index, kind) for index, node in enumerate(ast.walk(tree)) for kind in _kinds(node)]
    made: set[str] = set()
    for index, kind in rng.sample(changes, min(most, len(changes))):
        other = copy.deepcopy(tree)
        node = list(ast.walk(other))[index]
        _change(node, kind)
        made.add(ast.unparse(ast.fix_missing_locations(other)))
    return sorted(made)


def _kinds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in _SWAPS:
        yield "operator"
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
        yield "comparison"
    if isinstance(node, ast.Constant) and type(node.value) in (int, bool, float):
        yield "constant"
    if isinstance(node, ast.If | ast.While):
        yield "condition"
    if isinstance(node, ast.Return) and node.value is not None:
        yield "return"
    if isinstance(node, ast.AugAssign):
        yield "no assignment"


def _change(node: ast.AST, kind: str) -> None:
    if kind == "operator":
        assert isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign)
        node.op = _SWAPS[type(node.op)]()
    elif kind == "comparison":
        assert isinstance(node, ast.Compare)
        node.ops[0] = _SWAPS[type(node.ops[0])]()
    elif kind == "constant":
        assert isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    elif kind == "condition":
        assert isinstance(node, ast.If | ast.While)
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif kind == "return":
        assert isinstance(node, ast.Return)
        node.value = ast.Constant(None)
    else:
        assert isinstance(node, ast.AugAssign)
        node.value = ast.Constant(0)
