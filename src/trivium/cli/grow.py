"""`trivium grow`: one flow, exactly N accepted rows or a typed shortfall."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.verb_grow import GrowVerb
from trivium.errors import ConfigError, DataError, ResourceError

if TYPE_CHECKING:
    from trivium.llm.budget import Allowance, Prices
    from trivium.llm.cache import CallCache
    from trivium.llm.calls import Backend
    from trivium.llm.generate import Harvest
    from trivium.synthesize.book import Book
    from trivium.synthesize.seeds import Seed


def grow(command: GrowVerb) -> int:
    """Estimate, grow, write, and print yield, cost and reasons; 2 if fewer came than were asked for."""
    from trivium.llm.cache import CallCache, cache_path
    from trivium.store.progress import make_progress
    from trivium.synthesize.book import Book
    from trivium.synthesize.catalogue import FLOWS
    from trivium.synthesize.seedbox import load_seeds

    if command.flow not in FLOWS:
        raise ConfigError(f"grow: got flow {command.flow!r}; expected one of {', '.join(FLOWS)}; name one.")
    prices, limit = prices_of(command), allowance_of(command)
    seeds = load_seeds(FLOWS[command.flow].seeds, Path(command.data) if command.data else None, command.seed)
    folder = Path(command.out or f"runs/grow-{command.flow}")
    folder.mkdir(parents=True, exist_ok=True)
    book = Book(flow=command.flow)
    backend = open_teacher(command)
    try:
        with CallCache(cache_path(folder)) as cache, _sandbox() as runner:
            run = _runner(command, seeds, backend, cache, limit, runner)
            _say_estimate(command, run, len(seeds), prices)
            if command.estimate:
                return 0
            with make_progress(f"grow {command.flow}", command.count, "rows") as bar:

                def note(seed: Any, desk: Any, outcome: Any) -> None:
                    before = len(book.examples)
                    book.note(seed, desk, outcome)
                    bar.advance(min(len(book.examples), command.count) - min(before, command.count))

                harvest = run(command.count, command.max_candidates, note)
    finally:
        backend.close()
    return _finish(command, harvest, book, folder)


def prices_of(command: GrowVerb) -> Prices | None:
    """Return what tokens cost, as the command line says."""
    from trivium.llm.budget import Prices

    return None if command.price is None else Prices(prompt=command.price[0], generated=command.price[1])


def allowance_of(command: GrowVerb) -> Allowance | None:
    """Return the hard limit on tokens and money, None without one.

    Raises:
        ConfigError: The limit is below 0, or money is limited and no price is given.
    """
    from trivium.synthesize.grow import budget

    if command.money is not None and command.price is None:
        raise ConfigError(
            f"grow --money: got {command.money:g} and no price; expected what a million tokens read and "
            "written cost at the endpoint; give --price READ WRITTEN."
        )
    return budget(command.generated_tokens, command.money, prices_of(command))


def _runner(
    command: GrowVerb,
    seeds: Sequence[Seed],
    backend: Backend,
    cache: CallCache,
    limit: Allowance | None,
    sandbox: Any,
) -> Callable[[int, int | None, Any], Harvest]:
    """Return what grows so many rows from at most so many seeds; the probe and the run share it."""
    from trivium.synthesize.grow import Guards, grow
    from trivium.synthesize.session import Tools

    tools, guards = Tools(runner=sandbox, judge_model=command.judge_model), _evaluation(command.against)

    def run(target: int, most: int | None, note: Any) -> Harvest:
        return grow(
            command.flow,
            seeds,
            backend,
            cache,
            target=target,
            tools=tools,
            guards=Guards(evaluation=guards),
            max_candidates=most,
            ahead=max(1, min(backend.concurrency, 64)),
            allowance=limit,
            on_seed=note,
        )

    return run


def _say_estimate(
    command: GrowVerb,
    run: Callable[[int, int | None, Any], Harvest],
    available: int,
    prices: Prices | None,
) -> None:
    """Try the first seeds and say what all will take."""
    from trivium.synthesize.estimate import MANY, told

    available = min(available, command.max_candidates or available)
    tried = min(command.probes, command.count, available)
    if tried >= 1:
        print(told(run(MANY, tried, None), command.count, available, prices), flush=True)


def _finish(command: GrowVerb, harvest: Harvest, book: Book, folder: Path) -> int:
    """Write the tables and print the summary."""
    from trivium.records import Drop, Example, to_table
    from trivium.store.files import write_json, write_parquet
    from trivium.synthesize.book import Call
    from trivium.synthesize.curriculum import stages_table
    from trivium.synthesize.diversity import alarms, measure
    from trivium.synthesize.session import text_of

    write_parquet(folder / "examples.parquet", to_table(Example, harvest.accepted))
    write_parquet(folder / "calls.parquet", to_table(Call, book.calls))
    write_parquet(folder / "dropped.parquet", to_table(Drop, book.drops))
    if command.flow == "curriculum":
        write_parquet(folder / "stages.parquet", stages_table(harvest.accepted, command.seed))
    texts = [text_of(row) for row in harvest.accepted]
    short, prices = harvest.shortfall, prices_of(command)
    cost = prices.cost(harvest.generated_tokens, harvest.prompt_tokens) if prices else None
    metrics = {
        **{"flow": command.flow, "wanted": command.count, "accepted": len(harvest.accepted)},
        **{"seeds": harvest.taken, "accepted_seeds": book.accepted, "surplus_seeds": harvest.surplus},
        **{"calls": dict(harvest.calls), "lost": harvest.reasons()},
        **{"generated_tokens": harvest.generated_tokens, "prompt_tokens": harvest.prompt_tokens},
        **{
            "cost": cost,
            "diversity": measure(texts),
            "shortfall": dataclasses.asdict(short) if short else None,
        },
    }
    write_json(folder / "metrics.json", metrics)
    print(f"{len(harvest.accepted):,} of {command.count:,} rows from {harvest.taken:,} seeds, in {folder}")
    tokens = f"{harvest.generated_tokens:,} tokens written and {harvest.prompt_tokens:,} read"
    paid = "" if cost is None else f", which cost {cost:.4g} in the prices' currency"
    print(f"{tokens} in {harvest.calls.total():,} calls{paid}")
    for reason, count in harvest.reasons().items():
        print(f"  {count:6,} {reason}")
    for alarm in alarms(texts):
        print(f"  alarm: {alarm}")
    if short is None:
        return 0
    print(
        f"error: grow {command.flow}: got {short.accepted} rows of {short.wanted} from {short.seeds_tried} "
        f"seeds ({short.why}); expected {short.wanted}; give more seeds, a larger limit or a better teacher.",
        file=sys.stderr,
    )
    return 2


def open_teacher(command: GrowVerb) -> Backend:
    """Return the endpoints as one backend, or the local teacher.

    Raises:
        ConfigError: An address is none, or there is no teacher at all.
    """
    if command.endpoint:
        from trivium.llm.backends.openai_http import OpenAIHTTP
        from trivium.llm.backends.pool import Pool

        key = os.environ.get("OPENAI_API_KEY", "")
        found = [OpenAIHTTP(address, command.endpoint_model, api_key=key) for address in command.endpoint]
        return found[0] if len(found) == 1 else Pool(found, f"openai pool {command.endpoint_model}")
    from trivium.llm.backends.llama_cpp import LlamaCpp
    from trivium.llm.teacher import HOW_TO_GET, find_weights

    weights = find_weights()
    if weights is None:
        raise ConfigError(f"grow: got no teacher; expected --endpoint or local weights; {HOW_TO_GET}.")
    return LlamaCpp(weights, servers=os.cpu_count() or 1)


@contextlib.contextmanager
def _sandbox() -> Iterator[Any]:
    """Yield the sandbox, or None with a word about it: only the flows that run code need it."""
    from trivium.verify.sandbox import Sandbox

    sandbox = Sandbox()
    try:
        sandbox.__enter__()
    except ResourceError as error:
        print(f"no sandbox: {error}", file=sys.stderr)
        yield None
        return
    try:
        yield sandbox
    finally:
        sandbox.close()


def _evaluation(path: str | None) -> list[str]:
    """Read evaluation items, one a line; of JSON lines every text in them counts."""
    if path is None:
        return []
    file = Path(path)
    if not file.is_file():
        raise DataError(f"grow --against: got no file {file}; expected .jsonl or text; name another.")
    texts: list[str] = []
    for line in file.read_text(encoding="utf-8").split("\n"):
        try:
            row = json.loads(line) if file.suffix == ".jsonl" and line.strip() else line
        except ValueError as error:
            raise DataError(
                f"{file}: got {line[:40]!r}; expected a JSON object on each line; mend it."
            ) from error
        texts += (
            [value for value in row.values() if isinstance(value, str)]
            if isinstance(row, dict)
            else [str(row)]
        )
    return texts
