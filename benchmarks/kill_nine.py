"""Kill a run again and again, let it go on, and compare what comes out with a run that nobody disturbed.

    python benchmarks/kill_nine.py RECIPE REFERENCE [KILLS] [KEY=VALUE ...]

RECIPE is a recipe, REFERENCE the folder of an undisturbed run of it with the same settings. The run is made
anew in a temporary folder; its whole process group gets SIGKILL at KILLS random moments (seeded, spread over
the seconds the reference took), then the same command is given once more. Prints one JSON line: `ours` is the
number of stages whose outputs are the same to the byte, `peer` the number of stages of the reference. The
report is left out: it shows how long the stages took.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from trivium.store.run import Run

EARLY = 0.85
"""The kills are spread over this share of the reference's time, so that the last ones still hit."""


def command(recipe: str, out: Path, settings: list[str]) -> list[str]:
    """Return the command line of the run."""
    flags = [word for setting in settings for word in ("--set", setting)]
    return [sys.executable, "-m", "trivium", "run", recipe, "--out", str(out), *flags]


def start(words: list[str]) -> subprocess.Popen[bytes]:
    """Start the run in a process group of its own."""
    return subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL)


def kill_at(words: list[str], seconds: float) -> bool:
    """Start the run and kill its group after some seconds; returns whether it was still going."""
    process = start(words)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def output(run: Run, stage: str) -> str:
    """Return the hash over everything that a stage wrote."""
    return run.record(stage)["output_hash"]


def main(recipe: str, reference: Path, kills: int, settings: list[str]) -> None:
    """Kill, resume, compare, print."""
    undisturbed = Run.open(reference)
    stages = [name for name in undisturbed.finished() if name != "report"]
    total = sum(float(undisturbed.record(name)["seconds"]) for name in stages)
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        words = command(recipe, Path(folder) / "run", settings)
        done = 0
        for number in range(kills):
            seconds = rng.uniform(0.2, 1.8) * EARLY * total / kills
            done += kill_at(words, seconds)
            print(f"kill {number + 1} after {seconds:.1f} s", flush=True)
        began = time.monotonic()
        start(words).wait()
        print(f"the last start ran {time.monotonic() - began:.0f} s")
        disturbed = Run.open(Path(folder) / "run")
        same = [
            n for n in stages if disturbed.record(n)["output_hash"] == undisturbed.record(n)["output_hash"]
        ]
    print(f"differ: {sorted(set(stages) - set(same)) or 'none'}; kills that hit: {done}")
    line = {"name": f"stages equal to the byte after {done} kills", "ours": len(same), "peer": len(stages)}
    versions = {name: metadata.version(name) for name in ("torch", "pyarrow")}
    ratio = len(same) / len(stages)
    print(json.dumps(line | {"ratio": ratio, "target": 1.0, "holds": ratio == 1.0, "versions": versions}))


if __name__ == "__main__":
    numbers = [word for word in sys.argv[3:] if "=" not in word]
    main(
        sys.argv[1],
        Path(sys.argv[2]),
        int(numbers[0]) if numbers else 10,
        [word for word in sys.argv[3:] if "=" in word],
    )
