"""Typed configuration: strict reading, overriding by dotted key, and JSON that reads back the same.

A configuration is a tree of frozen dataclasses. There is no file format of our own: a recipe is a Python
function, and the resolved tree is stored as JSON beside the run.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from trivium.errors import ConfigError

Config = TypeVar("Config")


def to_json(value: Any) -> Any:
    """Return a JSON-able copy of a configuration tree (tuples become lists)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_dict(cls: type[Config], data: Any, where: str = "") -> Config:
    """Build a configuration from JSON data; unknown and missing keys are errors that name the place."""
    return typing.cast(Config, _read(cls, data, where or cls.__name__))


def override(config: Config, key: str, text: str) -> Config:
    """Return a copy with the field at a dotted key set from text, e.g. `override(r, "sft.epochs", "2")`.

    >>> from trivium.recipe import shipped
    >>> override(shipped("pocket"), "sft.epochs", "3").sft.epochs
    3.0

    Raises:
        ConfigError: The key is unknown (the nearest name is given) or the text has the wrong type.
    """
    return typing.cast(Config, _override(config, key.split("."), text, key))


def field_keys(config: Any, prefix: str = "") -> list[str]:
    """List every dotted key of a configuration tree, leaves only."""
    keys: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f"{prefix}{field.name}"
        keys += field_keys(value, f"{name}.") if dataclasses.is_dataclass(value) else [name]
    return keys


def _override(config: Any, path: list[str], text: str, key: str) -> Any:
    names = [field.name for field in dataclasses.fields(config)]
    head, rest = path[0], path[1:]
    if head not in names:
        raise ConfigError(_unknown(key, head, names, config))
    value = getattr(config, head)
    if not rest:
        if dataclasses.is_dataclass(value):
            inner = ", ".join(field.name for field in dataclasses.fields(value))
            raise ConfigError(f"--set {key}: got a group of fields; expected one of its fields ({inner}).")
        hint = _hints(type(config))[head]
        data = _literal(text)
        if hint is str and not isinstance(data, str):
            data = text  # a name such as none or 007 is that text, whatever Python would read in it
        parsed = _read(hint, data, f"--set {key}")
    elif dataclasses.is_dataclass(value):
        parsed = _override(value, rest, text, key)
    else:
        raise ConfigError(
            f"--set {key}: got a key below {head!r}, which is a plain value; expected {head!r} itself."
        )
    return _replace(config, head, parsed, key)


def _replace(config: Any, name: str, value: Any, key: str) -> Any:
    try:
        return dataclasses.replace(config, **{name: value})
    except (ValueError, TypeError) as error:
        raise ConfigError(f"--set {key}: {error}") from error


def _literal(text: str) -> Any:
    lowered = text.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("none", "null"):
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _read(hint: Any, data: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _read_dataclass(hint, data, where)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(hint, data, where)
    if origin is tuple:
        return _read_tuple(hint, data, where)
    if origin in (dict, Mapping) or hint is dict:
        return _read_mapping(hint, data, where)
    if hint is Any:
        return data
    return _read_scalar(hint, data, where)


def _read_dataclass(cls: type, data: Any, where: str) -> Any:
    if isinstance(data, cls):
        return data
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: got {data!r}; expected a group of fields of {cls.__name__}.")
    hints = _hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise ConfigError(_unknown(f"{where}.{key}", str(key), list(fields), cls))
    missing = [n for n, f in fields.items() if n not in data and _required(f)]
    if missing:
        raise ConfigError(
            f"{where}: got no value for {', '.join(missing)}; expected one, give it in the recipe."
        )
    return cls(**{name: _read(hints[name], data[name], f"{where}.{name}") for name in fields if name in data})


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _read_union(hint: Any, data: Any, where: str) -> Any:
    args = typing.get_args(hint)
    if data is None and type(None) in args:
        return None
    kept = [arg for arg in args if arg is not type(None)]
    for arg in kept[:-1]:
        try:
            return _read(arg, data, where)
        except ConfigError:
            continue
    return _read(kept[-1], data, where)


def _read_tuple(hint: Any, data: Any, where: str) -> Any:
    if isinstance(data, str) and "," in data:
        data = [part.strip() for part in data.split(",")]
    if isinstance(data, str | int | float | bool):
        data = [data]
    if not isinstance(data, list | tuple):
        raise ConfigError(f"{where}: got {data!r}; expected a list of values.")
    args = typing.get_args(hint)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_read(args[0], item, f"{where}[{i}]") for i, item in enumerate(data))
    if len(args) != len(data):
        raise ConfigError(f"{where}: got {len(data)} values; expected {len(args)}.")
    return tuple(
        _read(arg, item, f"{where}[{i}]") for i, (arg, item) in enumerate(zip(args, data, strict=True))
    )


def _read_mapping(hint: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: got {data!r}; expected a mapping such as {{'name': value}}.")
    args = typing.get_args(hint)
    value_hint = args[1] if len(args) == 2 else Any
    return {str(key): _read(value_hint, item, f"{where}.{key}") for key, item in data.items()}


def _read_scalar(hint: Any, data: Any, where: str) -> Any:
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        if data in choices:
            return data
        raise ConfigError(f"{where}: got {data!r}; expected one of {', '.join(map(repr, choices))}.")
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is str and not isinstance(data, str) and data is not None:
        return str(data)
    if isinstance(data, hint) and not (hint is int and isinstance(data, bool)):
        return data
    raise ConfigError(f"{where}: got {data!r}; expected {_article(hint)}.")


def _article(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return words.get(hint, str(hint))


def _unknown(key: str, name: str, names: list[str], owner: Any) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(sorted(names))}."
    kind = owner.__name__ if isinstance(owner, type) else type(owner).__name__
    return f"{key}: got unknown key {name!r} of {kind}; {hint}"
