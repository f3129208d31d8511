"""Fingerprints move with configuration, inputs and code, and say which part moved."""

from pathlib import Path

from trivium.store.fingerprint import changed_parts, code_hash, content_hash, stage_fingerprint


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


def test_content_hash_sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    first = content_hash(tmp_path)
    (tmp_path / "a").write_text("y")
    second = content_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, content_hash(tmp_path), content_hash(tmp_path / "none")}) == 4
