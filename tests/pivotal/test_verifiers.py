"""Verifiers by name: ours, anybody's function, a judging model."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import ConfigError
from trivium.pivotal import verifiers
from trivium.pivotal.verifiers import Asked, JudgeModel, check, judge_all
from trivium.records import Verdict

NO_JUDGE = JudgeModel()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_checks.py").write_text(
        "def even(reply, answer):\n"
        "    if reply == 'boom':\n        raise ValueError\n"
        "    return None if not reply.isdigit() else int(reply) % 2 == 0\n"
        "def asked(reply, answer, question):\n    return 'refused' if question == 'w' else reply == answer\n"
    )
    monkeypatch.delitem(sys.modules, "own_checks", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    verifiers._callable.cache_clear()
    return "own_checks"


def verdicts(name: str, *replies: str, prompt: str = "p", judge: JudgeModel = NO_JUDGE) -> list[Verdict]:
    return judge_all([Asked(name, prompt, reply, "1") for reply in replies], judge)


def test_a_function_of_ones_own(own: str) -> None:
    check(f"{own}:even", NO_JUDGE)
    assert verdicts(f"{own}:even", "2", "3", "x", "boom") == [
        Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED, Verdict.ERROR,
    ]  # fmt: skip


def test_a_function_may_ask_for_the_question(own: str) -> None:
    assert verdicts(f"{own}:asked", "1", "2") == [Verdict.RIGHT, Verdict.WRONG]
    assert verdicts(f"{own}:asked", "1", prompt="w") == [Verdict.REFUSED]


def test_its_source_is_part_of_the_fingerprint(own: str, tmp_path: Path) -> None:
    assert verifiers.source_of(f"{own}:even") == tmp_path / "own_checks.py"
    assert verifiers.source_of("number") is None


@pytest.mark.parametrize("name", ["numbers", "nowhere:f", "json:nothing", "judge"])
def test_what_cannot_work_is_refused_before_sampling(name: str) -> None:
    with pytest.raises(ConfigError, match=name.split(":")[0]):
        check(name, NO_JUDGE)


def test_verifiers_may_be_mixed() -> None:
    asked = [Asked("number", "p", "Answer: 1", "1"), Asked("exact", "p", "one", "1")]
    assert judge_all(asked, NO_JUDGE) == [Verdict.RIGHT, Verdict.WRONG]


class Server(BaseHTTPRequestHandler):
    """Says RIGHT of replies with a 1 in them, NONE of empty ones, nonsense of `?`; keeps what it is asked."""

    seen: list[str] = []

    def do_POST(self) -> None:
        body: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][0]["content"]
        self.seen.append(text)
        reply = text.split("Reply:\n")[1].split("\n\nWrite one word")[0]
        word = (
            "NONE." if not reply else "hmm" if reply == "?" else "**RIGHT**" if "1" in reply else "wrong, as"
        )
        answer = json.dumps({"choices": [{"message": {"content": word}, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def judge() -> Iterator[JudgeModel]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Server.seen.clear()
    yield JudgeModel(endpoint=f"http://127.0.0.1:{server.server_address[1]}/v1", model="m")
    server.shutdown()
    server.server_close()


def test_a_judging_model(judge: JudgeModel, tmp_path: Path) -> None:
    check("judge", judge)
    asked = [Asked("judge", "a {reply}?", reply, "1") for reply in ("it is 1", "2", "", "?", "2")]
    expected = [Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED, Verdict.ERROR, Verdict.WRONG]
    assert judge_all(asked, judge, tmp_path / "calls.sqlite") == expected
    assert len(Server.seen) == 4  # equal replies are asked once
    assert all("a {reply}?" in text for text in Server.seen)  # braces in a question are only text
    assert judge_all(asked, judge, tmp_path / "calls.sqlite") == expected
    assert len(Server.seen) == 4  # and never paid for again


def test_a_judge_that_cannot_be_reached_is_an_error_not_a_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.llm import client

    monkeypatch.setattr(client.RetryConfig, "__init__", _impatient(client.RetryConfig.__init__))
    assert verdicts("judge", "1", judge=JudgeModel(endpoint="http://127.0.0.1:9/v1", model="m")) == [
        Verdict.ERROR
    ]


def _impatient(real: Any) -> Any:
    return lambda self, **_: real(self, attempts=1, base_seconds=0.0)
