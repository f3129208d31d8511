"""The call cache: what a key depends on, what a limit means, and what a kill leaves."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trivium.errors import DataError, ResourceError
from trivium.llm import CallCache, Reply, Request, call_key
from trivium.records import Message

BASE = Request(messages=(Message(role="user", content="hello"),), max_tokens=50, temperature=0.5, seed=1)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message(role="user", content="hello "),)},
        {"messages": (Message(role="system", content="hello"),)},
        {"messages": (), "prompt": "hello"},
        {"model": "other"},
        {"temperature": 0.6},
        {"top_p": 0.9},
        {"seed": 2},
        {"sample": 1},
        {"stop": ("x",)},
        {"schema": "{}"},
    ],
)
def test_every_field_that_changes_a_reply_changes_the_key(change: dict[str, object]) -> None:
    assert call_key("m", dataclasses.replace(BASE, **change)) != call_key("m", BASE)  # type: ignore[arg-type]


def test_backend_changes_the_key_and_the_limit_does_not() -> None:
    assert call_key("weights=1", BASE) != call_key("weights=2", BASE)
    assert call_key("m", dataclasses.replace(BASE, max_tokens=99)) == call_key("m", BASE)


def test_key_fields_cannot_run_into_each_other() -> None:
    one = Request(messages=(Message(role="user", content="a"), Message(role="user", content="b")))
    two = Request(messages=(Message(role="user", content="a\nuser: b"),))
    assert one.text() == two.text()
    assert call_key("m", one) != call_key("m", two)


def test_finished_reply_serves_any_larger_limit_and_truncated_only_its_own(tmp_path: Path) -> None:
    with CallCache(tmp_path / "calls.sqlite") as cache:
        cache.put("whole", 50, Reply(text="done", finish="stop", completion_tokens=10))
        cache.put("cut", 50, Reply(text="half", finish="length", completion_tokens=50))
        assert cache.get("whole", 500) is not None
        assert cache.get("whole", 11) is not None
        assert cache.get("whole", 10) is None, "a limit of 10 might have cut it"
        assert cache.get("cut", 50) is not None
        assert cache.get("cut", 51) is None
        assert cache.get("cut", 49) is None
        assert cache.get("never", 50) is None


def test_raw_reply_is_kept_and_the_first_of_two_stays(tmp_path: Path) -> None:
    with CallCache(tmp_path / "calls.sqlite") as cache:
        cache.put("k", 50, Reply(text="a", raw='{"choice": "a"}', completion_tokens=1))
        cache.put("k", 50, Reply(text="b", raw='{"choice": "b"}', completion_tokens=1))
        reply = cache.get("k", 50)
        assert reply is not None
        assert (reply.text, reply.raw, len(cache)) == ("a", '{"choice": "a"}', 1)


def test_a_killed_writer_loses_no_reply(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    script = (
        "import sys, os, time\n"
        "from trivium.llm import CallCache, Reply\n"
        f"cache = CallCache({str(path)!r})\n"
        "for i in range(10_000_000):\n"
        "    cache.put(f'k{i}', 9, Reply(text='x' * 1000))\n"
        "    os.write(1, b'%d\\n' % i)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    writer.stdout.close()
    with CallCache(path) as cache:
        missing = [number for number in told[:-1] if cache.get(f"k{number}", 9) is None]
    assert missing == []


def test_not_a_cache_and_no_folder_are_sentences(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("not a database, " * 100)
    with pytest.raises(DataError, match="move the file away"):
        CallCache(other)
    with pytest.raises(ResourceError, match="writable"):
        CallCache(other / "below" / "calls.sqlite")
