"""Our checks of IFBench beside the verdicts that its authors published, reply by reply.

    python benchmarks/ifbench_parity.py IFBench/data/IFBench_test.jsonl IFBench/eval/eval_results_strict.jsonl

Needs a copy of github.com/allenai/IFBench: the test file, and the strict verdicts of its released checkers on
the replies of one model. Prints every disagreement and which kinds are left unjudged. Target: 99 % of the
judged verdicts equal. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from trivium.evaluate.standard.sources import read_rows
from trivium.verify.ifbench import UNJUDGED, check

TARGET = 0.99


def main() -> None:
    """Judge every reply again and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("test", type=Path)
    parser.add_argument("verdicts", type=Path)
    given = parser.parse_args()
    theirs = {(row["prompt"], tuple(row["instruction_id_list"])): row for row in read_rows(given.verdicts)}
    equal, judged, unjudged = 0, Counter[bool](), Counter[str]()
    for row in read_rows(given.test):
        found = theirs.get((row["prompt"], tuple(row["instruction_id_list"])))
        if found is None:
            continue
        parts = zip(row["instruction_id_list"], row["kwargs"], found["follow_instruction_list"], strict=True)
        for name, params, verdict in parts:
            ours = check(name, found["response"], **params)
            if ours is None:
                unjudged[name] += 1
                continue
            judged[verdict] += 1
            equal += ours == verdict
            if ours != verdict:
                print(f"{name}: ours {ours}, published {verdict}: {found['response'][:100]!r}")
    for name, count in sorted(unjudged.items()):
        print(f"unjudged, {count:2}: {name} needs {UNJUDGED[name]}")
    total = judged.total()
    print(f"{equal} of {total} verdicts equal ({judged[True]} of them obeyed); target {TARGET:.0%}")
    line = {"benchmark": "ifbench_parity", "equal": equal, "judged": total, "unjudged": unjudged.total()}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
