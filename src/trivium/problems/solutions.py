"""Worked solutions of a chain of operations, in the four ways that authors write them.

`longhand` writes the columns of every step on numbers of two or more digits, `steps` one equation a step,
`skip` two operations in one equation, `direct` the bare answer. Each opens with its own word, so the choice
of a method is one early token of the solution.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence

METHODS = ("longhand", "steps", "skip", "direct")
OPENINGS = {"longhand": "Longhand:", "steps": "Step by step:", "skip": "In short:", "direct": "Clearly."}

Operation = tuple[str, int]
"""A sign of + - * / and its right operand."""

_SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv}
_NODES = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def results(start: int, operations: Sequence[Operation]) -> list[int]:
    """Return the value after each operation, applied from left to right."""
    values = []
    for sign, operand in operations:
        start = _SIGNS[sign](start, operand)
        values.append(start)
    return values


def solve(start: int, operations: Sequence[Operation], method: str) -> str:
    """Return the worked solution of the chain in one of METHODS; it ends with `Answer: N`."""
    values = [start, *results(start, operations)]
    answer = f"Answer: {values[-1]}"
    if method == "direct":
        return f"{OPENINGS[method]} {answer}"
    if method == "skip":
        lines = _pairs(values, operations)
    else:
        write = _longhand if method == "longhand" else _equation
        lines = _every_step(write, values, operations)
    return f"{OPENINGS[method]} {' '.join(line + '.' for line in lines)} {answer}"


def equations(start: int, operations: Sequence[Operation]) -> list[str]:
    """Return one equation a step."""
    return _every_step(_equation, [start, *results(start, operations)], operations)


def _every_step(
    write: Callable[[int, str, int, int], str], values: Sequence[int], operations: Sequence[Operation]
) -> list[str]:
    return [write(values[i], *operation, values[i + 1]) for i, operation in enumerate(operations)]


def _equation(left: int, sign: str, right: int, value: int) -> str:
    return f"{left}{sign}{right}={value}"


def merged(start: int, operations: Sequence[Operation]) -> str:
    """Return the chain as one expression, bracketed where precedence would change its value."""
    text, before = str(start), ""
    for sign, operand in operations:
        if before and before in "+-" and sign in "*/":
            text = f"({text})"
        text += f"{sign}{operand}"
        before = sign
    return text


def _pairs(values: Sequence[int], operations: Sequence[Operation]) -> list[str]:
    spans = [(i, min(i + 2, len(operations))) for i in range(0, len(operations), 2)]
    return [f"{merged(values[i], operations[i:j])}={values[j]}" for i, j in spans]


def _longhand(left: int, sign: str, right: int, value: int) -> str:
    """Column work: 47+38 is `47+38: 7+8=15, 4+3+1=8, 85`; a borrow is a ten lent by the next column."""
    plain = _equation(left, sign, right, value)
    if sign in "+-" and min(left, right) >= 10:
        return f"{left}{sign}{right}: {', '.join(_columns(left, sign, right))}, {plain}"
    if sign == "*" and left >= 10:
        tens, units = left // 10 * 10, left % 10
        return f"{left}*{right}: {tens}*{right}={tens * right}, {units}*{right}={units * right}, {plain}"
    return plain


def _columns(left: int, sign: str, right: int) -> list[str]:
    columns, carry = [], 0
    while left or right:
        (left, top), (right, bottom) = divmod(left, 10), divmod(right, 10)
        last = not (left or right)
        tail = f"{sign}1" if carry else ""
        if sign == "+":
            total = top + bottom + carry
            carry = 0 if last else total // 10
        else:
            lent = 10 if top < bottom + carry else 0
            top, carry_next = top + lent, int(lent > 0)
            total, carry = top - bottom - carry, carry_next
        columns.append(f"{top}{sign}{bottom}{tail}={total}")
    return columns


def errors_in(solution: str, answer: int) -> list[str]:
    """Re-evaluate every equation of a solution with a parser of its own; return what is wrong with it."""
    found = [
        f"{left}={right}"
        for left, right in re.findall(r"([0-9+\-*/()]+)=(\d+)", solution)
        if evaluate(left) != int(right)
    ]
    if not solution.endswith(f"Answer: {answer}"):
        found.append(f"the solution does not end with Answer: {answer}")
    return found


def evaluate(expression: str) -> float:
    """Return the value of an expression of whole numbers, + - * / and brackets."""
    return _value(ast.parse(expression, mode="eval").body)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.BinOp):
        return _NODES[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    raise ValueError(f"not an arithmetic expression: {ast.dump(node)}")
