"""kill -9 at random moments and any number of workers: the same bytes come out."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.curate.made_files import MADE

from trivium.store.run import Run

pytestmark = pytest.mark.slow
KILLS = 20
NOUNS = "queue list river garden letter market engine village harbour museum orchard teacher printer".split()
PROSE = "The {} keeps the order of its {}, because fairness matters to the {} and to all who read of it."


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("mixed")
    for name, data in MADE.items():
        (made / name).write_bytes(data)
    for number in range(16):
        rng = random.Random(number)
        text = "\n\n".join(PROSE.format(*rng.sample(NOUNS, 3)) for _ in range(10))
        (made / f"prose-{number:02d}.txt").write_text(text)
    return made


def start(folder: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    words = [
        sys.executable,
        "-m",
        "trivium",
        "curate",
        str(folder),
        "--out",
        str(out),
        "--workers",
        str(workers),
    ]
    words += ["--set", "curate.shard_documents=3"]
    return subprocess.Popen(
        words, start_new_session=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


def outcome(out: Path) -> str:
    return Run.open(out).output_hash()


def test_kills_and_workers_leave_the_same_bytes(folder, tmp_path):
    hashes, seconds = {}, 0.0
    for workers in (1, 8, 2):
        began = time.monotonic()
        assert start(folder, tmp_path / f"w{workers}", workers).wait() == 0
        hashes[f"{workers} workers"] = outcome(tmp_path / f"w{workers}")
        seconds = time.monotonic() - began
    rng = random.Random(0)
    kills = runs = resumed = 0
    while kills < KILLS:
        out = tmp_path / f"killed-{runs}"
        process = start(folder, out, 2)
        try:
            assert process.wait(timeout=rng.uniform(0.05, 1.1) * seconds) == 0
            hashes[f"run {runs}, killed and resumed"] = outcome(out)
            runs += 1
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            resumed += any(out.glob("*/scratch/*/*.done.json"))
    assert start(folder, out, 2).wait() == 0
    hashes["after the last kill"] = outcome(out)
    print(
        f"{kills} kills in {runs + 1} runs, {resumed} with finished shards; "
        f"{len(hashes)} outputs, all of them {set(hashes.values())}"
    )
    assert len(set(hashes.values())) == 1, hashes
    assert resumed >= KILLS // 4
