"""The client: order, cache, budget, retries; on scripted and faulty backends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from trivium.errors import ConfigError
from trivium.llm import Budget, CallCache, Reply, Request, RetryConfig, ask, prompt_hash
from trivium.llm.admission import Admission, AdmissionConfig
from trivium.llm.backends.faulty import Faulty
from trivium.llm.backends.scripted import Scripted

QUICK = RetryConfig(base_seconds=0.001, longest_seconds=0.002)


def requests(count: int, max_tokens: int = 10) -> list[Request]:
    return [Request(prompt=f"say {number}", max_tokens=max_tokens) for number in range(count)]


def echo() -> Scripted:
    return Scripted(function=lambda request: request.prompt.upper())


def test_replies_come_in_request_order_and_the_second_time_from_the_cache(tmp_path: Path) -> None:
    backend = echo()
    with CallCache(tmp_path / "c.sqlite") as cache:
        first = ask(requests(50), backend, cache)
        asked = len(backend.asked)
        second = ask(requests(50), backend, cache)
    assert [reply.text for reply in first] == [f"SAY {number}" for number in range(50)]
    assert (asked, len(backend.asked)) == (50, 50)
    assert [reply.text for reply in second] == [reply.text for reply in first]


def test_equal_requests_under_way_share_one_call() -> None:
    backend = echo()
    replies = ask(requests(1) * 20, backend)
    assert len(backend.asked) == 1
    assert {reply.text for reply in replies} == {"SAY 0"}


def test_larger_limit_asks_only_the_truncated_again(tmp_path: Path) -> None:
    words = {"say 0": "a b c d e f g h", "say 1": "a b"}
    backend = Scripted(function=lambda request: words[request.prompt])
    with CallCache(tmp_path / "c.sqlite") as cache:
        cut = ask(requests(2, 4), backend, cache)
        backend.asked.clear()
        whole = ask(requests(2, 40), backend, cache)
    assert [reply.finish for reply in cut] == ["length", "stop"]
    assert [reply.finish for reply in whole] == ["stop", "stop"]
    assert [request.prompt for request in backend.asked] == ["say 0"]


def test_passing_failures_are_retried_and_never_cached(tmp_path: Path) -> None:
    plan = ["unavailable", "overloaded", "disconnect", "overloaded", "slow"]
    with CallCache(tmp_path / "c.sqlite") as cache:
        replies = ask(requests(8), Faulty(echo(), plan), cache, retry=QUICK)
        assert [reply.error for reply in replies] == [""] * 8
        dead = Faulty(echo(), ["unavailable"] * 100)
        reply = ask([Request(prompt="lost")], dead, cache, retry=QUICK)[0]
        assert reply.finish == "error" and reply.error.startswith("unavailable")
        again = ask([Request(prompt="lost")], echo(), cache)[0]
    assert again.text == "LOST"
    assert dead.calls == QUICK.attempts


def test_bad_request_is_told_once_and_cached(tmp_path: Path) -> None:
    backend = Faulty(echo(), ["bad_request"])
    with CallCache(tmp_path / "c.sqlite") as cache:
        first = ask(requests(1), backend, cache, retry=QUICK)[0]
        second = ask(requests(1), backend, cache, retry=QUICK)[0]
    assert first.error == second.error == "bad_request: planned"
    assert backend.calls == 1


def test_truncated_and_invalid_replies_reach_the_caller_as_they_are() -> None:
    replies = ask(requests(2), Faulty(echo(), ["truncated", "invalid"]))
    assert replies[0].finish == "length"
    assert replies[1].text == '{"broken": '


def test_budget_stops_hard_and_every_refusal_is_a_reply() -> None:
    backend = Scripted(function=lambda request: "a b c d e")
    budget = Budget(generated=32, prompt=10_000, window=2)
    replies = ask(requests(20, 10), backend, budget=budget)
    finishes = [reply.finish for reply in replies]
    assert budget.generated_spent <= 32
    assert finishes.count("budget") == budget.refused == 20 - budget.calls
    assert len(backend.asked) == budget.calls == 5
    assert all(reply.error for reply in replies if reply.finish == "budget")


@pytest.mark.parametrize("plan", [[], ["slow", "ok", "slow", "unavailable"], ["overloaded"] * 5])
def test_budget_stops_at_the_same_call_whatever_the_timing_and_the_cache(
    plan: list[str], tmp_path: Path
) -> None:
    def answer(request: Request) -> str:
        return "w " * (int(prompt_hash(request), 16) % 9)

    def outcome(cache: CallCache | None) -> list[str]:
        budget = Budget(generated=60, prompt=10_000, window=4)
        backend = Faulty(Scripted(function=answer), plan)
        return [reply.finish for reply in ask(requests(30, 10), backend, cache, budget, retry=QUICK)]

    expected = [
        reply.finish
        for reply in ask(
            requests(30, 10), Scripted(function=answer), budget=Budget(generated=60, prompt=10_000, window=4)
        )
    ]
    with CallCache(tmp_path / "c.sqlite") as cache:
        assert outcome(cache) == outcome(cache) == outcome(None) == expected
    assert "budget" in expected and "stop" in expected


def test_prompt_budget_counts_what_the_model_reads() -> None:
    budget = Budget(generated=10_000, prompt=60, window=1)
    replies = ask([Request(prompt="word " * 20, seed=seed) for seed in range(5)], echo(), budget=budget)
    assert [reply.finish for reply in replies].count("budget") == 5 - budget.calls > 0


def test_negative_budget_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="none below 0"):
        Budget(generated=-1, prompt=5)


def test_admission_cuts_once_a_burst_and_grows_after_successes() -> None:
    async def scene() -> tuple[int, int, int]:
        admission = Admission(64, AdmissionConfig(start=16, pause_seconds=0.0, successes_to_grow=5))
        for _ in range(10):
            await admission.acquire()
        for _ in range(10):
            admission.release(overloaded=True, retry_after=0.0)
        low = admission.limit
        for _ in range(5):
            await admission.acquire()
            admission.release()
        grown = admission.limit
        for _ in range(1000):
            await admission.acquire()
            admission.release()
        return low, grown, admission.limit

    low, grown, late = asyncio.run(scene())
    assert low == 12, "ten 429 of one burst cut once"
    assert grown == 13
    assert 17 < late <= 64, "the level that failed is passed only slowly"


def test_never_more_under_way_than_the_backend_bears() -> None:
    class Counting:
        identity = "counting"
        concurrency = 3
        active = most = 0

        async def complete(self, request: Request) -> Reply:
            self.active += 1
            self.most = max(self.most, self.active)
            await asyncio.sleep(0.001)
            self.active -= 1
            return Reply(text="x")

        async def release(self) -> None: ...

        def close(self) -> None: ...

    backend = Counting()
    ask(requests(30), backend)
    assert backend.most == 3
