"""Exact counts under faults, nothing lost in silence, nothing paid twice, only dependants asked again."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from trivium.llm import CallCache, Request, RetryConfig
from trivium.llm.backends.faulty import Faulty
from trivium.llm.backends.scripted import Scripted
from trivium.llm.generate import Desk, generate, json_object

QUICK = RetryConfig(attempts=3, base_seconds=0.0001, longest_seconds=0.0002)
FAULTS = ("unavailable", "disconnect", "slow", "truncated", "invalid", "wrong_schema", "overloaded")
DRAFT, CRITIC, TITLE = "Draft about {}.", "Criticise: {}", "A title for {}."


def answer(request: Request) -> str:
    return json.dumps({"text": f"reply to {request.text()[:200]}"})


async def grow(seed: int, desk: Desk) -> list[str]:
    """Three steps: a draft, a verdict on it, and a title that needs only the seed."""
    draft = await desk.ask("draft", Request(prompt=DRAFT.format(seed)), json_object("text"))
    verdict = await desk.ask("critic", Request(prompt=CRITIC.format(draft["text"])), json_object("text"))
    title = await desk.ask("title", Request(prompt=TITLE.format(seed)), json_object("text"))
    desk.require(seed % 5 != 0, "filter", "divisible by five", verdict)
    return [f"{title['text']} / {draft['text']} / {verdict['text']}"]


def plan(seed: int, count: int, share: float) -> list[str]:
    rng = random.Random(seed)
    return [rng.choice(FAULTS) if rng.random() < share else "ok" for _ in range(count)]


@pytest.mark.parametrize("seed", range(4))
def test_faults_at_thirty_percent_give_exactly_n_and_every_loss_is_told(seed: int, tmp_path: Path) -> None:
    backend = Faulty(Scripted(function=answer), plan(seed, 5000, 0.3), retry_after=0.0)
    with CallCache(tmp_path / "c.sqlite") as cache:
        harvest = generate(range(1000), grow, backend, cache, target=100, retry=QUICK)
    assert len(harvest.accepted) == 100
    assert harvest.shortfall is None
    assert harvest.taken == 100 + len(harvest.lost)
    assert [loss.seed for loss in harvest.lost] == sorted({loss.seed for loss in harvest.lost})
    for loss in harvest.lost:
        assert loss.stage in ("draft", "critic", "title", "filter")
        assert loss.reason
        assert loss.raw
    assert sum(loss.stage == "filter" for loss in harvest.lost) > 15
    assert backend.calls > 3 * harvest.taken


def test_a_shortfall_says_how_much_and_why() -> None:
    backend = Scripted(function=answer)
    few = generate(range(20), grow, backend, target=100)
    assert few.shortfall is not None
    assert (few.shortfall.wanted, few.shortfall.accepted, few.shortfall.seeds_tried) == (100, 16, 20)
    assert few.shortfall.why == "no more seeds"
    assert few.reasons() == {"filter: divisible by five": 4}
    capped = generate(range(10**9), grow, backend, target=100, max_candidates=10)
    assert capped.shortfall is not None
    assert (capped.taken, capped.shortfall.why) == (10, "max_candidates reached")
    assert capped.taken == len(capped.accepted) + len(capped.lost)


def test_a_seed_may_give_many_samples_and_never_too_many() -> None:
    async def expand(seed: int, desk: Desk) -> list[int]:
        return [seed * 10 + n for n in range(seed % 4)]

    harvest = generate(range(100), expand, Scripted(), target=7)
    assert harvest.accepted == [10, 20, 21, 30, 31, 32, 50]
    assert harvest.reasons() == {"flow: no sample": 2}
    assert harvest.surplus > 0


def test_samples_come_in_seed_order_whatever_is_slow() -> None:
    calm = generate(range(60), grow, Scripted(function=answer), target=30)
    backend = Faulty(Scripted(function=answer), ["slow", "ok", "ok"] * 100)
    assert generate(range(60), grow, backend, target=30).accepted == calm.accepted


def test_the_model_is_told_why_and_gets_a_fresh_start() -> None:
    asked: list[str] = []

    def stubborn(request: Request) -> str:
        asked.append(request.prompt)
        return "no" if not request.sample else '{"text": 1}'

    async def one(seed: int, desk: Desk) -> list[object]:
        return [await desk.ask("a", Request(prompt="Say it."), json_object("text"))]

    harvest = generate([0], one, Scripted(function=stubborn), target=1)
    assert harvest.accepted == [{"text": 1}]
    assert len(asked) == 4
    assert "could not be read" in asked[1]
    assert asked[3] == "Say it."
    never = generate([0], one, Scripted(function=lambda request: "no"), target=1)
    assert (never.lost[0].stage, never.lost[0].raw) == ("a", "no")
    assert never.lost[0].reason.startswith("unreadable")


def test_a_bug_in_a_flow_comes_through() -> None:
    async def broken(seed: int, desk: Desk) -> list[int]:
        raise KeyError(seed)

    with pytest.raises(KeyError):
        generate([1], broken, Scripted(), target=1)


def test_one_edited_prompt_asks_only_its_dependants_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(edit: str = "", text: str = "") -> Counter[str]:
        if edit:
            monkeypatch.setattr(sys.modules[__name__], edit, text)
        backend = Scripted(function=answer)
        with CallCache(tmp_path / "c.sqlite") as cache:
            generate(range(10), grow, backend, cache, target=8, ahead=10)
        monkeypatch.undo()
        return Counter(request.prompt.split()[0] for request in backend.asked)

    assert asked() == {"Draft": 10, "Criticise:": 10, "A": 10}
    assert asked() == {}
    assert asked("TITLE", "Another title for {}.") == {"Another": 10}
    assert asked("CRITIC", "Praise: {}") == {"Praise:": 10}
    assert asked("DRAFT", "Sketch {}.") == {"Sketch": 10, "Criticise:": 10}


CHILD = """
import asyncio, json, os, sys
from trivium.llm import CallCache, Reply
from trivium.llm.generate import generate
from tests.llm.test_generate import answer, grow

class Slow:
    identity, concurrency = "slow", 8
    async def complete(self, request):
        with open(sys.argv[1] + "/asked", "a") as log:
            log.write(json.dumps(request.prompt) + "\\n")
        await asyncio.sleep(0.01)
        return Reply(text=answer(request), raw=answer(request))
    async def release(self): pass
    def close(self): pass

with CallCache(sys.argv[1] + "/calls.sqlite") as cache:
    harvest = generate(range(400), grow, Slow(), cache, target=120, ahead=16)
with open(sys.argv[1] + "/part", "w") as part:  # a kill between opening and writing leaves no empty "out"
    part.write(json.dumps([harvest.accepted, harvest.taken, len(harvest.lost)]))
os.replace(sys.argv[1] + "/part", sys.argv[1] + "/out")
"""


def run_killed(folder: Path, kills: int, longest: float) -> tuple[int, int]:
    """Run the child, killing it at random moments; return kills that hit and calls that were paid twice."""
    rng, hit, twice = random.Random(0), 0, 0
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    command = [sys.executable, "-c", CHILD, str(folder)]
    asked, cache = folder / "asked", folder / "calls.sqlite"
    while not (folder / "out").exists():
        before = _lines(asked)
        stored = _stored(cache)
        with subprocess.Popen(command, env=environment) as child:
            if hit < kills:
                while (
                    child.poll() is None
                    and (len(asked.read_text().splitlines()) if asked.exists() else 0) == before
                ):
                    time.sleep(0.01)
                time.sleep(rng.uniform(0, longest))
                hit += child.poll() is None
                child.send_signal(signal.SIGKILL)
        lines = asked.read_text().splitlines()[before:]
        twice += sum(json.loads(line) in stored for line in lines if line.endswith('"'))
    return hit, twice


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def _stored(cache: Path) -> set[str]:
    """The prompts whose replies lie in the cache: the scripted reply quotes its prompt."""
    if not cache.exists():
        return set()
    with sqlite3.connect(cache) as db:
        found = db.execute("SELECT name FROM sqlite_master WHERE name = 'calls'").fetchall()
        texts = db.execute("SELECT text FROM calls").fetchall() if found else []
    return {json.loads(text)["text"].removeprefix("reply to ") for (text,) in texts}


def test_kill_nine_pays_for_no_finished_call_again_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "killed").mkdir()
    assert run_killed(tmp_path / "calm", 0, 0.0) == (0, 0)
    hit, twice = run_killed(tmp_path / "killed", 3, 0.1)
    assert hit >= 2
    assert twice == 0
    assert (tmp_path / "killed" / "out").read_text() == (tmp_path / "calm" / "out").read_text()
    assert len(json.loads((tmp_path / "calm" / "out").read_text())[0]) == 120
