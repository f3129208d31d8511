"""Values as text: one spelling for equal plain data, so that two runs are compared outside, as strings.

Only plain data has a spelling. Methods of the value's own class are never called (a class of the snippet
could answer anything); subclasses of containers and numbers are read through the base class and spelled with
their name in front.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import fractions
import itertools
import types
from collections.abc import Callable, Iterable
from typing import Any

MAX_DEPTH = 40
MAX_CHARS = 65_536
MAX_STREAM = 1_000
"""Items read from an iterator; a longer one ends in `...`."""


class Opaque(Exception):
    """The value has no spelling; the message says why."""


def literal(value: Any, depth: int = 0, *, in_order: bool = False) -> str:
    """Spell plain data: equal values of one type give equal text, sets and dictionaries in sorted order.

    Args:
        value: None, bool, numbers, str, bytes, containers of these, subclasses of them, ranges, fractions,
            decimals, dates, slices and built-in iterators (read up to `MAX_STREAM` items).
        depth: How deep the caller already is.
        in_order: Keep the order of dictionaries, for values that will be read again rather than compared.

    Raises:
        Opaque: The value is something else, nested deeper than `MAX_DEPTH` or longer than `MAX_CHARS`.
    """
    if depth > MAX_DEPTH:
        raise Opaque("the value is nested too deep")
    text = _spell(value, depth, in_order)
    if len(text) > MAX_CHARS:
        raise Opaque(f"the value is longer than {MAX_CHARS} characters")
    return text


def _spell(value: Any, depth: int, in_order: bool) -> str:
    kind = type(value)
    if kind in _EXACT:
        return _EXACT[kind](value, depth + 1, in_order)
    for base in _BASES:
        if issubclass(kind, base):
            return f"{type.__dict__['__name__'].__get__(kind)}({_EXACT[base](value, depth + 1, in_order)})"
    if kind in _STREAMS:
        return _stream(value, depth + 1, in_order)
    raise Opaque(f"a {type.__dict__['__name__'].__get__(kind)} is not plain data")


def _float(value: float, depth: int, in_order: bool) -> str:
    text = float.__repr__(value)
    return text.replace("inf", "1e999")


def _joined(items: Iterable[Any], depth: int, in_order: bool) -> str:
    size, texts = 0, []
    for item in items:
        texts.append(literal(item, depth, in_order=in_order))
        size += len(texts[-1]) + 2
        if size > MAX_CHARS:
            raise Opaque(f"the value is longer than {MAX_CHARS} characters")
    return ", ".join(texts)


def _list(value: list[Any], depth: int, in_order: bool) -> str:
    return f"[{_joined(list.__iter__(value), depth, in_order)}]"


def _tuple(value: tuple[Any, ...], depth: int, in_order: bool) -> str:
    comma = "," if tuple.__len__(value) == 1 else ""
    return f"({_joined(tuple.__iter__(value), depth, in_order)}{comma})"


def _set(value: set[Any], depth: int, in_order: bool) -> str:
    texts = sorted(literal(item, depth, in_order=in_order) for item in set.__iter__(value))
    return "{" + ", ".join(texts) + "}" if texts else "set()"


def _frozenset(value: frozenset[Any], depth: int, in_order: bool) -> str:
    texts = sorted(literal(item, depth, in_order=in_order) for item in frozenset.__iter__(value))
    return "frozenset({" + ", ".join(texts) + "})"


def _dict(value: dict[Any, Any], depth: int, in_order: bool) -> str:
    spelled = (tuple(literal(one, depth, in_order=in_order) for one in pair) for pair in dict.items(value))
    pairs = list(spelled) if in_order else sorted(spelled)
    return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"


def _stream(value: Any, depth: int, in_order: bool) -> str:
    items = list(itertools.islice(value, MAX_STREAM + 1))
    more = ", ..." if len(items) > MAX_STREAM else ""
    return f"iterator([{_joined(items[:MAX_STREAM], depth, in_order)}{more}])"


def _by(base: Callable[[Any], str]) -> Callable[[Any, int, bool], str]:
    return lambda value, depth, in_order: base(value)


_EXACT: dict[type, Callable[[Any, int, bool], str]] = {
    type(None): _by(lambda value: "None"),
    bool: _by(bool.__repr__),
    int: _by(int.__repr__),
    float: _float,
    complex: _by(complex.__repr__),
    str: _by(str.__repr__),
    bytes: _by(bytes.__repr__),
    bytearray: _by(bytearray.__repr__),
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    range: _by(range.__repr__),
    slice: _by(slice.__repr__),
    fractions.Fraction: _by(fractions.Fraction.__repr__),
    decimal.Decimal: _by(decimal.Decimal.__repr__),
    datetime.date: _by(datetime.date.__repr__),
    datetime.time: _by(datetime.time.__repr__),
    datetime.datetime: _by(datetime.datetime.__repr__),
    datetime.timedelta: _by(datetime.timedelta.__repr__),
}

_BASES = (list, tuple, dict, set, frozenset, str, bytes, int, float, complex)
"""Bases through which a subclass (Counter, deque's cousins, named tuples, enums of int) is read."""

_STREAMS: tuple[type, ...] = (
    types.GeneratorType,
    map,
    filter,
    zip,
    enumerate,
    reversed,
    type(iter([])),
    type(iter(())),
    type(iter("")),
    type(iter({})),
    type(iter(set())),
    type(iter(range(0))),
    itertools.chain,
    itertools.islice,
    itertools.count,
    itertools.cycle,
    itertools.repeat,
    itertools.accumulate,
    itertools.combinations,
    itertools.permutations,
    itertools.product,
    itertools.starmap,
    itertools.takewhile,
    itertools.dropwhile,
    itertools.zip_longest,
)


_BUILDERS: dict[str, Callable[..., Any]] = {
    "set": set,
    "frozenset": frozenset,
    "bytearray": bytearray,
    "range": range,
    "slice": slice,
    "iterator": iter,
    "Fraction": fractions.Fraction,
    "Decimal": decimal.Decimal,
    "datetime.date": datetime.date,
    "datetime.time": datetime.time,
    "datetime.datetime": datetime.datetime,
    "datetime.timedelta": datetime.timedelta,
}


def read(text: str) -> Any:
    """Make the value that `literal` spelled; a subclass becomes its base. Nothing in the text is run.

    Raises:
        ValueError: The text is no spelling of a value.
    """
    try:
        return _build(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ValueError(f"no value can be read from {text[:80]!r}") from error


def _build(node: ast.AST) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [_build(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_build(item) for item in items)
        case ast.Set(elts=items):
            return {_build(item) for item in items}
        case ast.Dict(keys=keys, values=values):
            return {_build(key): _build(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_build(operand)
        case ast.BinOp(
            left=left, op=ast.Add() | ast.Sub() as sign, right=ast.Constant(value=complex(imag=i))
        ):
            return complex(_build(left), i if isinstance(sign, ast.Add) else -i)
        case ast.Name(id="nan" | "inf" as name):
            return float(name)
        case ast.Call(func=name, args=parts, keywords=named):
            values = [_build(part) for part in parts]
            keywords = {str(one.arg): _build(one.value) for one in named}
            builder = _BUILDERS.get(ast.unparse(name))
            return builder(*values, **keywords) if builder else values[0] if values else None
    raise ValueError(f"no value is spelled {ast.unparse(node)[:80]!r}")
