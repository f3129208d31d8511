"""Arithmetic inside prose: find the equations of a text, and say which of them do not hold."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

_SIDES = re.compile(
    r"(?<![\w=])([-+(]*[$]?\d[\d.,$%+\-*/x\u00d7\u00f7() ]*?)\s*=\s*[$]?(-?\d[\d,]*(?:\.\d+)?)"
    r"(?!\s*[-+*/x\u00d7\u00f7(]\s*\d)"
)
_SIGNS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
TOLERANCE = Fraction(1, 100)
"""Relative: people round thirds."""


def value_of(text: str) -> Fraction | None:
    """Evaluate + - * / and brackets over decimals; None for anything else."""
    plain = re.sub(r"[$,%\s]", "", text).replace("x", "*").replace("\u00d7", "*").replace("\u00f7", "/")
    if len(plain) > 200:
        return None
    try:
        return _value(ast.parse(plain, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, OverflowError):
        return None


def false_equation(text: str) -> str | None:
    """Return the first equation of a text that does not hold; what cannot be evaluated is no equation."""
    for left, right in _SIDES.findall(text):
        ours, theirs = value_of(left), value_of(right)
        if ours is None or theirs is None:
            continue
        if abs(ours - theirs) > TOLERANCE * max(abs(ours), abs(theirs)) and 100 * theirs != ours:
            return f"{left.strip()} = {right}"
    return None


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
        return _SIGNS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("not plain arithmetic")
