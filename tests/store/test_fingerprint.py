"""Fingerprints move with configuration, inputs and code, and say which part moved."""

from trivium.store.fingerprint import changed_parts, code_hash, stage_fingerprint


def test_changed_parts_are_named() -> None:
    old = {"config": {"a": 1, "b": 2}, "seed": 0, "inputs": {"curate": "x"}, "code": "c"}
    new = {"config": {"a": 1, "b": 3}, "seed": 0, "inputs": {"curate": "y"}, "code": "d"}
    assert changed_parts(old, new) == ["config.b", "inputs.curate", "code"]
    assert changed_parts(old, old) == []


def test_code_hash_follows_imports() -> None:
    assert code_hash("trivium.store.run") != code_hash("trivium.errors")
    assert len(code_hash("trivium.stats")) == 16


def test_fingerprint_holds_all_parts() -> None:
    parts = stage_fingerprint("trivium.stats", {"a": (1, 2)}, 7, {"mix": "h"})
    assert parts["config"] == {"a": [1, 2]} and parts["seed"] == 7 and parts["inputs"] == {"mix": "h"}
