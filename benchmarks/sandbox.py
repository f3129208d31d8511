"""The code sandbox: attacks, cost of a snippet, reference solutions and their mutants.

    python benchmarks/sandbox.py --data ../shared/data                # everything
    python benchmarks/sandbox.py --parts attacks speed                # needs no data

Needs a working sandbox (`trivium doctor`); references and mutants need humaneval-50 and
mbpp-train-val-prompt in the data folder. Parts: `attacks`, every program of tests/verify/attacks looked at
from outside, and how many of the forging ones the usual way (code and tests in one process) falls for;
`speed`, wall and processor time a snippet; `references`, every published solution under its published tests;
`mutants`, the same solutions with one syntactic change each.

How mutants are counted: a mutant counts if on at least one call that the tests make it returns another value
than the reference (compared as text, each in a process of its own) or no value. One that returns the same on
every call cannot be told apart by these tests and is reported as unseen. One that differs and still passes
is printed with its difference: the tests allow it (a tolerance, an unordered comparison) or it is a fault.
Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.verify import attack_probe  # noqa: E402

from trivium.verify.mutants import mutants  # noqa: E402
from trivium.verify.sandbox import Sandbox  # noqa: E402
from trivium.verify.trial import Trial, try_out  # noqa: E402

PARTS = ("attacks", "speed", "references", "mutants")
TARGET_MS, SNIPPETS, SECONDS = 2.0, 2000, 10.0
MUTANT_SECONDS = 1.0
"""Processor time of a call of a mutant; many never end, and the references need milliseconds."""
SNIPPET = "def add(a, b):\n    return a + b\nprint(add(2, 3))\nadd(1, 2)"


class Item(NamedTuple):
    """One published solution and its tests."""

    name: str
    code: str
    tests: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    line: dict[str, object] = {"name": "sandbox"}
    if "attacks" in args.parts:
        line |= measure_attacks()
    items = read_items(args.data) if {"references", "mutants"} & set(args.parts) else []
    with Sandbox() as sandbox:
        if "speed" in args.parts:
            line |= measure_speed(sandbox)
        if "references" in args.parts:
            line |= measure_references(sandbox, items)
        if "mutants" in args.parts:
            line |= measure_mutants(sandbox, items, args.mutants, random.Random(args.seed))
    print(json.dumps(line))


def measure_attacks() -> dict[str, object]:
    """Run the suite; print what achieved something."""
    suite = attack_probe.attacks()
    with attack_probe.World() as world:
        worked = {attack.name: found for attack in suite if (found := world.attempt(attack))}
        forging = [attack for attack in suite if attack.family == "forge"]
        fooled = sum(attack_probe.falls_for(attack, world) for attack in forging)
    for name, found in worked.items():
        print(f"attack {name} achieved: {found}")
    print(f"attacks: {len(suite)} programs, {len(worked)} achieved something (target 0 of at least 60)")
    print(f"the usual way falls for {fooled} of the {len(forging)} forging ones", flush=True)
    return {"attacks": len(suite), "attacks_that_worked": len(worked), "usual_way_falls_for": fooled}


def measure_speed(sandbox: Sandbox) -> dict[str, object]:
    """Time snippets one after another: on the clock, and in processor time of both sides."""
    for _ in range(100):
        sandbox.run(SNIPPET)
    assert sandbox._server is not None
    tree = sandbox._server._process.pid
    walls, began, theirs = [], time.process_time(), _tree_seconds(tree)
    for _ in range(SNIPPETS):
        at = time.perf_counter()
        assert sandbox.run(SNIPPET).stdout == "5\n"
        walls.append(time.perf_counter() - at)
    cpu = (time.process_time() - began + _tree_seconds(tree) - theirs) / SNIPPETS * 1e3
    wall, low = 1e3 * statistics.median(walls), 1e3 * sorted(walls)[len(walls) // 10]
    print(f"speed: {SNIPPETS} snippets, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"  wall {wall:.2f} ms in the median, {low:.2f} ms in the fastest tenth (target {TARGET_MS})")
    print(f"  processor {cpu:.2f} ms, both sides together", flush=True)
    return {
        **{"wall_ms_median": round(wall, 3), "wall_ms_tenth": round(low, 3), "processor_ms": round(cpu, 3)},
        **{"target_ms": TARGET_MS, "load": round(os.getloadavg()[0], 1)},
    }


def _tree_seconds(pid: int) -> float:
    """Processor seconds of a process tree, with those of ended children (user and system)."""
    total = 0
    for one in [pid, *attack_probe.descendants(pid)]:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def read_items(data: Path) -> list[Item]:
    """Read HumanEval and MBPP."""
    items = []
    for row in _rows(data / "humaneval-50" / "HumanEval.50.jsonl"):
        tests = f"{row['test']}\ncheck({row['entry_point']})\n"
        items.append(Item(row["task_id"], row["prompt"] + row["canonical_solution"], tests))
    for row in _rows(data / "mbpp-train-val-prompt" / "mbpp.train_val_prompt.jsonl"):
        tests = "\n".join([row["test_setup_code"], *row["test_list"], *row["challenge_test_list"]])
        items.append(Item(f"MBPP/{row['task_id']}", row["code"].replace("\r", ""), tests.replace("\r", "")))
    return items


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def measure_references(sandbox: Sandbox, items: list[Item]) -> dict[str, object]:
    """Every published solution must pass."""
    failed = []
    for item in items:
        trial = try_out(sandbox, item.code, item.tests, seconds=SECONDS)
        if not trial.passed:
            failed.append(item.name)
            print(f"reference {item.name}: {trial.status} {trial.why}")
    print(f"references: {len(items) - len(failed)} of {len(items)} pass (target all)", flush=True)
    return {"references": len(items), "references_failed": failed}


def measure_mutants(sandbox: Sandbox, items: list[Item], count: int, rng: random.Random) -> dict[str, object]:
    """Draw mutants until enough of them count; all of these must fail."""
    pool = [(item, mutant) for item in items for mutant in mutants(item.code, rng, 4)]
    rng.shuffle(pool)
    references: dict[str, Trial] = {}
    counted = unseen = passed = 0
    for item, mutant in pool:
        if counted == count:
            break
        if item.name not in references:
            references[item.name] = try_out(sandbox, item.code, item.tests, seconds=SECONDS)
        difference = differs(sandbox, item.code, mutant, references[item.name].calls)
        unseen += not difference
        counted += bool(difference)
        if counted % 100 == 0 and difference:
            print(f"  {counted} mutants", flush=True)
        if difference and try_out(sandbox, mutant, item.tests, seconds=MUTANT_SECONDS).passed:
            passed += 1
            print(f"mutant of {item.name} passes; {difference}")
    print(f"mutants: {counted} count, {unseen} more are unseen by the tests, {passed} pass (target 0)")
    return {"mutants": counted, "mutants_unseen": unseen, "mutants_that_pass": passed}


def differs(sandbox: Sandbox, code: str, mutant: str, calls: tuple[str, ...]) -> str:
    """Say on which of the tests' calls a mutant differs from the reference, empty if on none."""
    for call in calls:
        ours = sandbox.run(f"{code}\n\n{call}\n", seconds=SECONDS)
        theirs = sandbox.run(f"{mutant}\n\n{call}\n", seconds=MUTANT_SECONDS)
        if (ours.status, ours.value_repr) != (theirs.status, theirs.value_repr):
            told = theirs.value_repr or theirs.error
            return f"{call[:100]!r}: {ours.value_repr[:100]} became {told[:100]}"
    return ""


if __name__ == "__main__":
    main()
