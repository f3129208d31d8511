"""HumanEval+ and MBPP+ in our sandbox: every reference has to pass, and mutants have to fail.

    python benchmarks/evalplus_references.py DATA --limit 100

DATA holds `humaneval-plus/*.jsonl` and `mbpp-plus/*.jsonl` in EvalPlus's format (what is missing is said and
left out). Of every problem: the reference's verdict, a stub that returns None, and one mutant that differs
in a single place, once on the base inputs and once on all, so that what the plus inputs are good for shows.
Target: all references pass, no stub does (but where the oracle takes anything), and all inputs are compared.
Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from typing import Any

from trivium.errors import DataError
from trivium.evaluate.standard import plus, sources, tasks
from trivium.evaluate.standard.task import Item, Output
from trivium.records import Verdict
from trivium.verify.differential import decode
from trivium.verify.mutants import mutants


def main() -> None:
    """Judge references, stubs and mutants."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--limit", type=int, default=0, help="problems of each; 0 takes all")
    given = parser.parse_args()
    found: dict[str, Any] = {"benchmark": "evalplus_references"}
    for name in ("humaneval_plus", "mbpp_plus"):
        try:
            rows = sources.load(tasks.find(name), given.data).rows
        except DataError as error:
            print(error)
            continue
        items = tasks.find(name).read(rows)
        found[name] = try_all(name, items[: given.limit] if given.limit else items)
    print(json.dumps(found))


def try_all(name: str, items: list[Item]) -> dict[str, Any]:
    """Count what passes."""
    counts = Counter[str](problems=len(items))
    compared = 0.0
    for item in items:
        parts = json.loads(item.facts)
        task = decode(parts["base"] or parts["more"])
        right = judged(item, task.reference)
        compared += right.scores[-1].value
        counts["references that pass"] += right.verdict == Verdict.RIGHT
        if right.verdict != Verdict.RIGHT or right.scores[-1].value < 1:
            print(
                f"{name}: {task.function}: {right.verdict}, {right.scores[-1].value:.0%} of inputs compared"
            )
        stub = judged(item, f"def {task.function}(*args):\n    return None\n")
        counts["stubs that pass"] += stub.verdict == Verdict.RIGHT and task.oracle != "any"
        for code in mutants(task.reference, random.Random(item.id), 1):
            verdict = judged(item, code)
            counts["mutants"] += 1
            counts["mutants caught by the base inputs"] += verdict.scores[1].value == 0
            counts["mutants caught by all inputs"] += verdict.verdict != Verdict.RIGHT
    share = compared / max(1, len(items))
    print(f"{name}: " + ", ".join(f"{count} {words}" for words, count in counts.items()))
    print(f"{name}: {share:.2%} of inputs compared, the rest the reference does not answer here")
    return {**counts, "compared": round(share, 5)}


def judged(item: Item, code: str) -> Any:
    """Judge a program as if a model had written it."""
    reply = f"```python\n{code}\n```"
    output = Output(
        model="", task="", item_id=item.id, sample=0, reply=reply, options=[], num_tokens=0, finish="eos"
    )
    return plus.judge(item, output)


if __name__ == "__main__":
    main()
