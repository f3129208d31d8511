"""Where the weights are looked for, and that the real teacher says the same thing twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trivium.errors import ConfigError, ResourceError
from trivium.llm import Request, ask
from trivium.llm.backends.llama_cpp import LlamaCpp, body_of, read_reply
from trivium.llm.teacher import find_weights
from trivium.records import Message


def test_named_file_folder_none_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "small.gguf"
    weights.write_bytes(b"GGUF")
    monkeypatch.setenv("TRIVIUM_TEACHER", str(weights))
    assert find_weights() == weights
    monkeypatch.setenv("TRIVIUM_TEACHER", str(tmp_path))
    assert find_weights() == weights
    monkeypatch.setenv("TRIVIUM_TEACHER", "none")
    assert find_weights() is None
    monkeypatch.setenv("TRIVIUM_TEACHER", str(tmp_path / "gone.gguf"))
    with pytest.raises(ConfigError, match="gone.gguf"):
        find_weights()


def test_prefix_share_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIVIUM_TEACHER", raising=False)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    folder = tmp_path / "share" / "trivium"
    folder.mkdir(parents=True)
    (folder / "b.gguf").write_bytes(b"GGUF")
    (folder / "a.gguf").write_bytes(b"GGUF")
    assert find_weights() == folder / "a.gguf"


def test_unreadable_and_broken_weights_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="set TRIVIUM_TEACHER"):
        LlamaCpp(tmp_path / "gone.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not weights")
    backend = LlamaCpp(broken)
    try:
        with pytest.raises(ResourceError, match="whole GGUF"):
            ask([Request(prompt="x")], backend)
    finally:
        backend.close()


def test_identity_follows_the_bytes_and_not_the_path_or_the_servers(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (LlamaCpp(tmp_path / name, servers=n) for n, name in enumerate("abc", 1))
    assert a.identity == b.identity != c.identity


def test_server_json_both_ways() -> None:
    body = body_of(Request(prompt="x", seed=3, sample=4, stop=("y",)))
    assert body["cache_prompt"] is False and body["seed"] == 3 * 1_000_003 + 4 and body["stop"] == ["y"]
    reply = read_reply({"error": {"code": 400, "message": "too long"}})
    assert reply.error == "bad_request: too long"


def test_real_teacher_repeats_itself_byte_for_byte() -> None:
    weights = find_weights()
    if weights is None:
        pytest.skip(
            "no teacher weights on this machine; " + os.environ.get("TRIVIUM_TEACHER", "see trivium doctor")
        )

    def chat(text: str, seed: int) -> Request:
        return Request(
            messages=(Message(role="user", content=text),), max_tokens=12, temperature=0.8, seed=seed
        )

    asked = [
        chat("Name a colour.", 1),
        chat("Name a town.", 1),
        chat("Name a colour.", 2),
        chat("Name a colour.", 1),
    ]
    replies = []
    for servers, order in ((1, asked), (2, asked[::-1])):
        backend = LlamaCpp(weights, servers=servers)
        replies.append([reply.text for reply in ask(order, backend)])
        backend.close()
    assert replies[0] == replies[1][::-1], "neither neighbours, order nor servers may change a reply"
    assert replies[0][0] == replies[0][3] and replies[0][0]
