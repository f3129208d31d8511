"""What a judge is worth: accuracy, position bias and length bias on pairs that people have labelled.

    python benchmarks/judge_labelled.py --data ../shared/data                       # rules and local teacher
    python benchmarks/judge_labelled.py --data ../shared/data --endpoint URL --endpoint-model NAME

Reads llmbar-natural (LLMBar, Zeng et al. 2023, arXiv 2310.07641: 100 pairs whose better reply is agreed on).
Every pair is judged in both orders; a verdict that turns with the order is worth one half. The local teacher
needs xllamacpp and a GGUF file (TRIVIUM_TEACHER); pairs that do not fit its context are left to the others
and counted. Calls are kept in --out, so a killed run goes on. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trivium.llm import CallCache
from trivium.llm.calls import Backend
from trivium.llm.judge import Versus, measure, rule_on
from trivium.llm.judge_rules import rules
from trivium.stats import mean_interval

TEACHER_CONTEXT = 2048


def main() -> None:
    """Judge and print."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = json.loads((args.data / "llmbar-natural" / "Natural.json").read_text())[: args.limit or None]
    pairs = [Versus(instruction=row["input"], one=row["output_1"], other=row["output_2"]) for row in rows]
    labels = [int(row["label"]) == 1 for row in rows]
    found = {}
    with CallCache(args.out / "judge.sqlite") as cache:
        for name, backend in judges(args):
            try:
                found[name] = judged(name, pairs, labels, backend, cache, args.endpoint_model)
            finally:
                backend.close()
    print(json.dumps({"name": "judge_labelled", "pairs": len(pairs), "judges": found}))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with llmbar-natural")
    parser.add_argument("--endpoint", default="", help="OpenAI-compatible address of one more judge")
    parser.add_argument("--endpoint-model", default="")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/judge"))
    return parser.parse_args()


def judges(args: argparse.Namespace) -> Iterator[tuple[str, Backend]]:
    """The judges that there are."""
    from trivium.llm.backends.llama_cpp import LlamaCpp
    from trivium.llm.backends.openai_http import OpenAIHTTP
    from trivium.llm.teacher import HOW_TO_GET, find_weights

    yield "rules", rules()
    weights = find_weights()
    if weights is None:
        print(f"no local teacher: {HOW_TO_GET}")
    else:
        yield "local teacher", LlamaCpp(weights, context=TEACHER_CONTEXT)
    if args.endpoint:
        key = os.environ.get("OPENAI_API_KEY", "")
        yield "endpoint", OpenAIHTTP(args.endpoint, args.endpoint_model, api_key=key)


def judged(
    name: str,
    pairs: Sequence[Versus],
    labels: Sequence[bool],
    backend: Backend,
    cache: CallCache,
    model: str,
) -> dict[str, Any]:
    """One judge on all pairs."""
    found = measure(pairs, rule_on(pairs, backend, cache, model=model), labels)
    value, low, high = mean_interval(found.accuracy)
    print(
        f"{name}: accuracy {value:.3f} [{low:.3f}, {high:.3f}] (chance 0.5), same verdict in both orders "
        f"{found.consistent:.2f}, first place chosen {found.first:.2f} (none preferred: 0.50), longer reply "
        f"chosen {found.longer:.2f} (labels: {found.longer_due:.2f}), unread {found.unread:.2f}",
        flush=True,
    )
    numbers = {key: round(getattr(found, key), 4) for key in ("consistent", "first", "longer", "longer_due")}
    return {"accuracy": [round(n, 4) for n in (value, low, high)], **numbers, "unread": found.unread}


if __name__ == "__main__":
    main()
