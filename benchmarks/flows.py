"""The flows: do their filters catch what was planted, and what does a real local teacher yield?

    python benchmarks/flows.py                                    # planted defects, every flow
    python benchmarks/flows.py --teacher --data ../shared/data   # real seeds and teacher

Planted: tests/synthesize/planted*.py hold scripted seeds, replies and defects; each runs through the same
code as a real teacher, the code flows in the real sandbox (`trivium doctor`). A defect is caught if no
accepted row carries it; a false alarm is a clean case that gives no row. Swapped roles (who does what to
whom) are counted apart, as a blind spot of rules that look at words: a judge has to see them.

Teacher: needs xllamacpp and a GGUF file (TRIVIUM_TEACHER) and a data folder with textbook-d2l or
another folder of prose (--prose), gsm8k-train, self-instruct-seeds and nq-open-800; functions come from this
Python's standard library. Calls are cached in the output folder, so a killed run
goes on where it was. Writes samples-FLOW.md (ten rows, accepted ones first) and flows.json there. Seconds are
those of calls paid for in this run. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.synthesize import planted, planted_code, planted_numbers  # noqa: E402

from trivium.llm import CallCache  # noqa: E402
from trivium.llm.backends.llama_cpp import LlamaCpp  # noqa: E402
from trivium.llm.calls import Reply, Request  # noqa: E402
from trivium.llm.generate import Desk, Lost  # noqa: E402
from trivium.llm.teacher import find_weights  # noqa: E402
from trivium.synthesize.catalogue import FLOWS  # noqa: E402
from trivium.synthesize.diversity import measure  # noqa: E402
from trivium.synthesize.grow import grow  # noqa: E402
from trivium.synthesize.seedbox import load_seeds  # noqa: E402
from trivium.synthesize.seeds import Seed  # noqa: E402
from trivium.synthesize.session import Tools, text_of  # noqa: E402
from trivium.verify.sandbox import Sandbox  # noqa: E402

CAUGHT, ALARMS = 0.95, 0.05
MODULES = (planted, planted_numbers, planted_code)
FOLDERS = {
    "prose": "textbook-d2l",
    "question": "gsm8k-train",
    "request": "self-instruct-seeds",
    "trivia": "nq-open-800",
}
REQUESTS = ("instructions", "checkers")
"""Flows of questions that want any request, not a problem with a worked solution."""
SAMPLES, PRINTED = 10, 1


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flows", nargs="+", choices=list(FLOWS), default=list(FLOWS))
    parser.add_argument("--teacher", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--prose", default=FOLDERS["prose"], help="folder of prose inside the data folder")
    parser.add_argument("--seeds", type=int, default=12, help="seeds a flow")
    parser.add_argument("--out", type=Path, default=Path("runs/flows"))
    args = parser.parse_args()
    if args.teacher and args.data is None:
        parser.error("--teacher: got no --data; expected a folder with seeds; name one.")
    with Sandbox() as sandbox:
        tools = Tools(runner=sandbox)
        line = with_teacher(args, tools) if args.teacher else with_plants(args.flows, tools)
    print(json.dumps(line))


def with_plants(flows: Iterable[str], tools: Tools) -> dict[str, Any]:
    """Run the planted cases; print caught and false alarms beside the targets."""
    table: dict[str, Any] = {}
    print(f"{'flow':14}{'caught':>16}  target{'false alarms':>16}  target{'seconds':>9}")
    for flow in flows:
        started = time.perf_counter()
        found = Counter[str]()
        missed: Counter[str] = Counter()
        for case in cases_of(flow):
            harvest = planted.outcome(case, tools)
            if case.defect:
                found["planted"] += 1
                caught = planted.is_caught(case, harvest)
                found["caught"] += caught
                missed[case.defect] += not caught
            else:
                found["clean"] += 1
                found["alarms"] += not harvest.accepted
        row = {**found, "missed": {name: count for name, count in missed.items() if count}}
        row["seconds"] = round(time.perf_counter() - started, 1)
        table[flow] = row
        caught, alarms = found["caught"] / found["planted"], found["alarms"] / found["clean"]
        ok = caught >= CAUGHT and alarms <= ALARMS
        print(
            f"{flow:14}{caught:8.1%} of {found['planted']:4}  >=95 %"
            f"{alarms:8.1%} of {found['clean']:4}  <= 5 %{row['seconds']:9.1f}  {'' if ok else 'MISSED'}",
            flush=True,
        )
    blind = blind_spot(tools)
    print(
        f"blind spot (not counted above): swapped roles are let through in {blind[0]} of {blind[1]} rewrites"
    )
    return {"name": "flows", "planted": table, "swapped_roles_let_through": list(blind)}


def cases_of(flow: str) -> Iterator[planted.Case]:
    """Return the planted cases of a flow."""
    make = next(getattr(module, flow) for module in MODULES if flow in vars(module))
    return make()


def blind_spot(tools: Tools) -> tuple[int, int]:
    """Count rewrites that swap who does what and still pass the rules."""
    let, tried = 0, 0
    for case in cases_of("rewrite"):
        if not case.defect:
            tried += 1
            swapped = planted.with_roles_swapped(str(case.script["write"]), case.seed.text)
            let += bool(planted.outcome(case.but("swapped", write=swapped, revise=swapped), tools).accepted)
    return let, tried


class Timed:
    """Counts what a backend really answered, and how long that took."""

    def __init__(self, inner: LlamaCpp) -> None:
        """Start from nothing."""
        self.inner, self.calls, self.seconds = inner, 0, 0.0
        self.identity, self.concurrency = inner.identity, inner.concurrency

    async def complete(self, request: Request) -> Reply:
        """Pass on, with a clock."""
        started = time.perf_counter()
        reply = await self.inner.complete(request)
        self.calls += 1
        self.seconds += time.perf_counter() - started
        return reply

    async def release(self) -> None:
        """Pass on."""
        await self.inner.release()

    def close(self) -> None:
        """Pass on."""
        self.inner.close()


def with_teacher(args: argparse.Namespace, tools: Tools) -> dict[str, Any]:
    """Run every flow on real seeds; print yield, cost and reasons."""
    weights = find_weights()
    if weights is None:
        raise SystemExit("--teacher: got no weights; expected a GGUF file; set TRIVIUM_TEACHER.")
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "flows.json"
    table: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    backend = Timed(LlamaCpp(weights))
    print(f"teacher: {weights.name}; {args.seeds} seeds a flow")
    try:
        with CallCache(args.out / "calls.sqlite") as cache:
            for flow in args.flows:
                seeds = seeds_of(flow, args)[: args.seeds]
                table[flow] = one_flow(flow, seeds, backend, cache, tools, args.out)
                file.write_text(json.dumps(table, indent=1))
    finally:
        backend.close()
    return {"name": "flows", "teacher": weights.name, "seeds": args.seeds, "flows": table}


def seeds_of(flow: str, args: argparse.Namespace) -> list[Seed]:
    """Return the real seeds of a flow, in a fixed order."""
    kind = FLOWS[flow].seeds
    if kind == "code":
        return load_seeds("code", None)
    name = args.prose if kind == "prose" else FOLDERS["request" if flow in REQUESTS else kind]
    return load_seeds(kind, args.data / name)


def one_flow(
    flow: str, seeds: list[Seed], backend: Timed, cache: CallCache, tools: Tools, out: Path
) -> dict[str, Any]:
    """Run one flow over all its seeds."""
    notes: list[tuple[Seed, Desk, Any]] = []
    note: Callable[..., None] = lambda seed, desk, outcome: notes.append((seed, desk, outcome))  # noqa: E731
    calls, seconds = backend.calls, backend.seconds
    harvest = grow(flow, seeds, backend, cache, target=len(seeds) * 9, tools=tools, ahead=1, on_seed=note)
    accepted = sum(not isinstance(outcome, Lost) for _, _, outcome in notes)
    paid, took = backend.calls - calls, backend.seconds - seconds
    tokens = harvest.generated_tokens + harvest.prompt_tokens
    row = {
        **{"seeds": harvest.taken, "accepted_seeds": accepted, "rows": len(harvest.accepted)},
        **{"yield": round(accepted / max(harvest.taken, 1), 3), "calls": harvest.calls.total()},
        **{"generated_tokens": harvest.generated_tokens, "prompt_tokens": harvest.prompt_tokens},
        "tokens_per_accepted": round(tokens / accepted) if accepted else None,
        "paid_calls": paid,
        "paid_seconds": round(took, 1),
        "seconds_per_accepted": round(took / accepted, 1) if accepted and paid else None,
        "lost": harvest.reasons(),
        "diversity": measure([text_of(example) for example in harvest.accepted]),
    }
    cost = f"{row['tokens_per_accepted']} tokens" if accepted else f"{tokens} tokens for none"
    print(f"\n{flow}: {accepted} of {harvest.taken} seeds, {cost}, {paid} calls paid in {took:.0f} s")
    for reason, count in harvest.reasons().items():
        print(f"   {count:3} {reason}")
    samples = list(written(notes))
    (out / f"samples-{flow}.md").write_text("\n\n".join(samples[:SAMPLES]) + "\n")
    print("\n".join(samples[:PRINTED])[:700], flush=True)
    return row


def written(notes: list[tuple[Seed, Desk, Any]]) -> Iterator[str]:
    """Write samples for reading, accepted ones first: seed, last replies, what became of it."""
    for seed, desk, outcome in sorted(notes, key=lambda entry: isinstance(entry[2], Lost)):
        said = "\n".join(f"- {turn.stage}: {turn.reply.text.strip()[:300]!r}" for turn in desk.turns[-4:])
        if isinstance(outcome, Lost):
            end = f"LOST at {outcome.stage}: {outcome.reason}"
        else:
            end = "ACCEPTED\n\n" + "\n---\n".join(text_of(example) for example in outcome)
        yield f"## {seed.source} ({seed.licence})\n\n{seed.text[:500]}\n\n{said}\n\n{end}"


if __name__ == "__main__":
    main()
