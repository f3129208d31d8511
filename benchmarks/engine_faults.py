"""The generation engine under faults and kills: exact counts, no silent loss, nothing paid twice.

    python benchmarks/engine_faults.py [--kills 20] [--target 1000]

Needs nothing but this repository. First, `--target` samples from a scripted backend of which 30 % of the
calls fail (5xx, disconnects, time-outs, 429, cut replies, invalid JSON, wrong schema), for three seeds: what
was accepted and lost, by stage and reason. Then the run of tests/llm/test_generate.py is killed with SIGKILL
at `--kills` random moments and finished: no prompt whose reply was stored may be asked again, and the output
must be the undisturbed run's to the byte. Then one prompt after the other is edited, and only what depends on
it may be asked again. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.llm import test_generate as scene  # noqa: E402

from trivium.llm import CallCache  # noqa: E402
from trivium.llm.backends.faulty import Faulty  # noqa: E402
from trivium.llm.backends.scripted import Scripted  # noqa: E402
from trivium.llm.generate import generate  # noqa: E402

SHARE = 0.3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--target", type=int, default=1000)
    args = parser.parse_args()
    exact = all([faults(seed, args.target) for seed in range(3)])
    with tempfile.TemporaryDirectory() as folder:
        calm, killed = Path(folder) / "calm", Path(folder) / "killed"
        calm.mkdir()
        killed.mkdir()
        scene.run_killed(calm, 0, 0.0)
        hit, twice = scene.run_killed(killed, args.kills, 0.1)
        same = (calm / "out").read_bytes() == (killed / "out").read_bytes()
        asked = len((killed / "asked").read_text().splitlines())
        stored = len((calm / "asked").read_text().splitlines())
    print(f"kills: {hit} hit, {twice} finished calls paid twice (target 0), output identical: {same}")
    print(f"kills: {asked} calls in all, {stored} undisturbed; the rest were under way when the kill came")
    only = edits(args.target)
    line = {
        "name": "engine_faults",
        "exact": exact,
        "only_dependants_asked": only,
        "kills": hit,
        "paid_twice": twice,
        "identical": same,
    }
    print(json.dumps(line))


def edits(seeds: int) -> bool:
    """Edit one prompt after the other of draft -> critic, title; whether nothing but dependants is asked."""
    wanted = {"": set(), "CRITIC": {"critic"}, "TITLE": {"title"}, "DRAFT": {"draft", "critic"}}
    good = True
    with tempfile.TemporaryDirectory() as folder, CallCache(Path(folder) / "calls.sqlite") as cache:
        generate(range(seeds), scene.grow, Scripted(function=scene.answer), cache, target=seeds)
        for name, dependants in wanted.items():
            kept = getattr(scene, name, "")
            if name:
                setattr(scene, name, f"Anew. {kept}")
            backend = Scripted(function=scene.answer)
            harvest = generate(range(seeds), scene.grow, backend, cache, target=seeds)
            if name:
                setattr(scene, name, kept)
            fits = len(backend.asked) == seeds * len(dependants)
            good = good and fits and harvest.calls.total() == 3 * seeds
            told = f"{len(backend.asked):,} calls of {harvest.calls.total():,} are asked again"
            print(f"edit of {name or 'nothing'}: {told}, {seeds * len(dependants):,} depend on it")
    return good


def faults(seed: int, target: int) -> bool:
    """One run at 30 % faults; whether the counts are exact and add up."""
    plan = scene.plan(seed, 20 * target, SHARE)
    backend = Faulty(Scripted(function=scene.answer), plan, retry_after=0.0)
    with tempfile.TemporaryDirectory() as folder, CallCache(Path(folder) / "calls.sqlite") as cache:
        harvest = generate(range(10 * target), scene.grow, backend, cache, target=target, retry=scene.QUICK)
    told = all(loss.stage and loss.reason for loss in harvest.lost)
    raw = sum(bool(loss.raw) for loss in harvest.lost)
    print(
        f"faults, seed {seed}: {len(harvest.accepted)} accepted of {target}, {len(harvest.lost)} lost, ",
        end="",
    )
    print(f"{harvest.taken} seeds taken, {backend.calls} calls, {raw} losses with a raw reply")
    for reason, count in harvest.reasons().items():
        print(f"  {count:5} {reason}")
    return (
        told
        and raw == len(harvest.lost)
        and len(harvest.accepted) == target
        and harvest.taken == target + len(harvest.lost)
    )


if __name__ == "__main__":
    main()
