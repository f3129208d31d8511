"""Without the extra, asking for Ray is one sentence."""

import sys

import pytest

from trivium.errors import ConfigError
from trivium.store.executors import ray


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"trivium\[ray\]"):
        ray.connect()
