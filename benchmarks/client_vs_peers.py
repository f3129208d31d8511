"""What a call costs the client: ours with its cache against the usual ones, on one loopback server.

    python benchmarks/client_vs_peers.py --peer-python VENV/bin/python

The peers (openai's default client, litellm, DataDesigner) live in an environment of their own; without
--peer-python ours runs alone. Every client sends the same prompts (about 1 KB) to the same server, which
answers 600 bytes after `--latency` seconds; each runs in a process of its own and reports its processor time
a call. Ours writes every reply into the call cache, the peers cache nothing. Then a storm: the server answers
429 to all beyond its capacity, and what counts is how many requests are under way in the second half of the
run, and how long the calls that finish last took. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

PEERS = ("openai", "litellm", "data-designer")
TARGET_MS, TARGET_RATE = 0.35, 2000.0
RUNS, WARM = 3, 100
CAPACITY, STORM_CALLS, STORM_LATENCY = 32, 1600, 0.5
PROMPT = "Tell me a story about the number {}. " + "The rain falls on the old house. " * 30
REPLY = "It was a dark night. " * 28


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peer-python", default="", help="a Python that has openai, litellm and data-designer"
    )
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--peer-calls", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        name, port, calls = args.child.split(",")
        print(json.dumps(CHILDREN[name](int(port), int(calls), args.concurrency)))
        return
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    line: dict[str, object] = {"name": "client_vs_peers", "load": round(os.getloadavg()[0], 1)}
    with Server(latency=args.latency, capacity=10**9) as server:
        before = server.seconds()
        ours = best(args, sys.executable, "trivium", server.port, args.calls)
        theirs = 1e3 * (server.seconds() - before) / (RUNS * (args.calls + min(args.calls, WARM)))
        told = f"(targets {TARGET_MS} ms, {TARGET_RATE:,.0f}/s)"
        print(f"trivium {ours['ms']:.3f} ms a call, {ours['rate']:,.0f} calls/s {told}", flush=True)
        line |= {"ms": ours["ms"], "rate": ours["rate"], "peers": {}} | what_limits(ours, theirs)
        for name in PEERS if args.peer_python else ():
            peer = child(args, args.peer_python, name, server.port, args.peer_calls)
            ratio = peer["ms"] / ours["ms"]
            print(
                f"{name} {peer['ms']:.3f} ms a call, {peer['rate']:,.0f} calls/s: {ratio:.1f}x ours",
                flush=True,
            )
            line["peers"] |= {name: {**peer, "ratio": round(ratio, 1)}}  # type: ignore[operator]
    with Server(latency=STORM_LATENCY, capacity=CAPACITY) as server:
        storm = child(args, sys.executable, "storm", server.port, STORM_CALLS)
        storm |= server.stats()
    used = storm["under_way"] / CAPACITY
    print(f"storm: {used:.1%} of the capacity under way in the second half (target 90 to 110 %)")
    seen = storm["mean_active"] / CAPACITY
    print(f"storm: {seen:.1%} as the server sees it, which waits for us where the machine is busy")
    print(f"storm: {storm['refused']} of {STORM_CALLS + storm['refused']} requests were refused")
    print(f"storm: the last 1 % of calls took {storm['tail']:.2f}x the median (target 2)")
    print(json.dumps({**line, "storm": {**storm, "used": round(used, 3)}}))


def what_limits(ours: dict[str, Any], theirs: float) -> dict[str, float]:
    """Say which of client, server and other programs keeps the rate down."""
    share, cores = ours["rate"] * ours["ms"] / 1e3, os.cpu_count() or 1
    whole = 1e3 / ours["ms"]
    server = ours["rate"] * theirs / 1e3
    print(f"  the client had {share:.0%} of a core; a whole one carries {whole:,.0f} calls/s at this cost")
    print(f"  the server takes {theirs:.3f} ms a call and had {server:.0%} of a core; {cores} cores for all")
    if share > 0.9:
        print("  so the client limits the rate")
    elif share + server > 0.9 * cores:
        print("  so client and server together limit the rate: they fill the machine")
    else:
        print("  so other programs, or the server's latency, limit the rate, not the client")
    return {"core_share": round(share, 3), "whole_core_rate": round(whole), "server_ms": round(theirs, 4)}


def best(args: argparse.Namespace, python: str, name: str, port: int, calls: int) -> dict[str, Any]:
    """The cheaper of three runs: other work on the machine only ever adds."""
    return min((child(args, python, name, port, calls) for _ in range(RUNS)), key=lambda run: run["ms"])


def child(args: argparse.Namespace, python: str, name: str, port: int, calls: int) -> dict[str, Any]:
    """Run one client in a process of its own."""
    command = [python, __file__, "--child", f"{name},{port},{calls}", "--concurrency", str(args.concurrency)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _environment() -> dict[str, str]:
    quiet = {
        "OPENAI_API_KEY": "none",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NEMO_TELEMETRY_ENABLED": "false",
    }
    return {**os.environ, **quiet}


def measured(calls: int, run: Callable[[int], None]) -> dict[str, float]:
    """Warm up, then measure processor time and rate."""
    run(min(calls, WARM))
    began, cpu = time.perf_counter(), time.process_time()
    run(calls)
    spent, wall = time.process_time() - cpu, time.perf_counter() - began
    return {"ms": round(1e3 * spent / calls, 4), "rate": round(calls / wall, 1)}


def trivium_client(port: int, calls: int, concurrency: int) -> dict[str, float]:
    """Ours, every reply written into the cache."""
    from trivium.llm import CallCache, Request, ask
    from trivium.llm.admission import AdmissionConfig
    from trivium.llm.backends.openai_http import OpenAIHTTP
    from trivium.records import Message

    backend = OpenAIHTTP(f"http://127.0.0.1:{port}/v1", "m", concurrency=concurrency)

    def run(count: int) -> None:
        asked = [Request(messages=(Message(role="user", content=PROMPT.format(n)),)) for n in range(count)]
        with tempfile.TemporaryDirectory() as folder, CallCache(Path(folder) / "calls.sqlite") as cache:
            replies = ask(asked, backend, cache, admission=AdmissionConfig(start=concurrency))
            assert len(cache) == count and all(reply.text == REPLY for reply in replies)

    return measured(calls, run)


def storm(port: int, calls: int, concurrency: int) -> dict[str, float]:
    """Ours against 429s: how long the last calls took from their first send, over the median."""
    from trivium.llm import Request, ask
    from trivium.llm.backends.openai_http import OpenAIHTTP

    began: dict[str, float] = {}
    ended: list[tuple[float, float]] = []

    spans: list[tuple[float, float]] = []

    class Watched(OpenAIHTTP):
        async def complete(self, request: Request) -> Any:
            sent = time.perf_counter()
            at = began.setdefault(request.prompt, sent)
            try:
                reply = await super().complete(request)
            finally:
                spans.append((sent, time.perf_counter()))
            ended.append((time.perf_counter(), time.perf_counter() - at))
            return reply

    backend = Watched(f"http://127.0.0.1:{port}/v1", "m", concurrency=8 * CAPACITY)
    replies = ask([Request(prompt=PROMPT.format(n)) for n in range(calls)], backend)
    assert len(ended) == calls and not any(reply.error for reply in replies)
    took = [spent for _, spent in sorted(ended)]
    tail = statistics.mean(took[-calls // 100 :]) / statistics.median(took)
    under_way = mean_under_way(spans)
    return {
        "tail": round(tail, 3),
        "median_seconds": round(statistics.median(took), 4),
        "under_way": under_way,
    }


def mean_under_way(spans: list[tuple[float, float]]) -> float:
    """Requests under way, by time, from the middle to the last tenth of a run."""
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    low, high = first + 0.5 * (last - first), first + 0.9 * (last - first)
    area = sum(max(0.0, min(end, high) - max(start, low)) for start, end in spans)
    return round(area / (high - low), 2)


def gathered(concurrency: int, one: Callable[[int], Awaitable[object]]) -> Callable[[int], None]:
    """Send calls with a semaphore, as everybody does."""

    async def everything(count: int) -> None:
        gate = asyncio.Semaphore(concurrency)

        async def gated(number: int) -> None:
            async with gate:
                await one(number)

        await asyncio.gather(*(gated(number) for number in range(count)))

    loop = asyncio.new_event_loop()
    return lambda count: loop.run_until_complete(everything(count))


def openai_client(port: int, calls: int, concurrency: int) -> dict[str, float]:
    """The default client of the package openai."""
    import openai

    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")

    async def one(number: int) -> None:
        message: Any = {"role": "user", "content": PROMPT.format(number)}
        reply = await client.chat.completions.create(model="m", messages=[message], max_tokens=256)
        assert reply.choices[0].message.content == REPLY

    return measured(calls, gathered(concurrency, one))


def litellm_client(port: int, calls: int, concurrency: int) -> dict[str, float]:
    """litellm.acompletion."""
    import litellm

    litellm.suppress_debug_info = True
    where = {"model": "openai/m", "api_base": f"http://127.0.0.1:{port}/v1", "api_key": "none"}

    async def one(number: int) -> None:
        message = {"role": "user", "content": PROMPT.format(number)}
        reply = await litellm.acompletion(messages=[message], max_tokens=256, **where)
        assert reply.choices[0].message.content == REPLY

    return measured(calls, gathered(concurrency, one))


def data_designer_client(port: int, calls: int, concurrency: int) -> dict[str, float]:
    """One column of text through DataDesigner, its own records included."""
    import data_designer.config as dd
    from data_designer.interface import DataDesigner

    provider = dd.ModelProvider(
        name="loop", endpoint=f"http://127.0.0.1:{port}/v1", provider_type="openai", api_key="none"
    )
    limits = dd.ChatCompletionInferenceParams(max_parallel_requests=concurrency, max_tokens=256)
    model = dd.ModelConfig(
        alias="m", model="m", provider="loop", inference_parameters=limits, skip_health_check=True
    )

    def run(count: int) -> None:
        builder = dd.DataDesignerConfigBuilder(model_configs=[model])
        builder.add_column(
            dd.SamplerColumnConfig(name="n", sampler_type="uuid", params=dd.UUIDSamplerParams())
        )
        prompt = PROMPT.format("{{ n }}")
        builder.add_column(dd.LLMTextColumnConfig(name="text", model_alias="m", prompt=prompt))
        with tempfile.TemporaryDirectory() as folder:
            designer = DataDesigner(artifact_path=folder, model_providers=[provider])
            made = designer.create(builder, num_records=count, dataset_name="bench")
            assert len(made.load_dataset()) == count

    return measured(calls, run)


CHILDREN: dict[str, Callable[[int, int, int], dict[str, float]]] = {
    "trivium": trivium_client,
    "storm": storm,
    "openai": openai_client,
    "litellm": litellm_client,
    "data-designer": data_designer_client,
}


class Server:
    """A context around the server, in a process of its own so that no client pays for it."""

    def __init__(self, *, latency: float, capacity: int) -> None:
        """Remember how it shall answer."""
        self._settings = f"{latency},{capacity}"

    def __enter__(self) -> Server:
        """Start it and wait until it listens."""
        here = Path(__file__).with_name("loopback_server.py")
        command = [sys.executable, str(here), self._settings]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *exc: object) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def seconds(self) -> float:
        """Processor seconds that it has used so far (Linux)."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stats(self) -> dict[str, Any]:
        """What it saw: answered, refused, requests under way on average in the second half."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as reply:
            return json.loads(reply.read())


if __name__ == "__main__":
    main()
