"""Configuration is strict, names the place of a mistake, and reads back what it wrote."""

import json
from dataclasses import dataclass, field

import pytest

from trivium.config import field_keys, from_dict, override, to_json
from trivium.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    rate: float = 0.5
    names: tuple[str, ...] = ("a",)
    limit: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    title: str
    inner: Inner = field(default_factory=Inner)
    shares: dict[str, float] = field(default_factory=dict)


def test_round_trip_through_json() -> None:
    config = Outer(title="t", inner=Inner(rate=1.0, names=("x", "y"), limit=3), shares={"web": 0.5})
    assert from_dict(Outer, json.loads(json.dumps(to_json(config)))) == config


def test_override_is_typed_and_nested() -> None:
    config = override(Outer(title="t"), "inner.rate", "2")
    assert config.inner.rate == 2.0 and isinstance(config.inner.rate, float)
    assert override(config, "inner.names", "x,y").inner.names == ("x", "y")
    assert override(config, "inner.limit", "none").inner.limit is None
    assert override(config, "title", "7").title == "7"
    assert [override(config, "title", text).title for text in ("none", "007", "true")] == [
        "none",
        "007",
        "true",
    ]
    assert override(config, "title", "'quoted'").title == "quoted"
    assert override(config, "shares", "{'web': 1}").shares == {"web": 1.0}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("inner.rat", "1", "did you mean 'rate'"),
        ("innr.rate", "1", "did you mean 'inner'"),
        ("inner.rate", "fast", "expected a number"),
        ("inner.limit", "1.5", "expected a whole number"),
        ("inner", "1", "group of fields"),
        ("title.x", "1", "plain value"),
    ],
)
def test_mistakes_name_the_key(key: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        override(Outer(title="t"), key, value)
    assert key.split(".")[0] in str(caught.value)


def test_missing_and_unknown_keys_in_json() -> None:
    with pytest.raises(ConfigError, match="no value for title"):
        from_dict(Outer, {})
    with pytest.raises(ConfigError, match="unknown key 'titel'"):
        from_dict(Outer, {"titel": "x"})


def test_field_keys_lists_leaves() -> None:
    assert field_keys(Outer(title="t")) == ["title", "inner.rate", "inner.names", "inner.limit", "shares"]
