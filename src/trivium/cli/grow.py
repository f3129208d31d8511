"""`trivium grow`: one flow, exactly N accepted rows or a typed shortfall."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.verb_grow import GrowVerb
from trivium.errors import ConfigError, DataError, ResourceError

if TYPE_CHECKING:
    from trivium.llm.calls import Backend
    from trivium.llm.generate import Harvest
    from trivium.synthesize.book import Book

SEED_TOKENS = (4_000, 24_000)
"""Most tokens that one seed may have written and read under --generated-tokens; no flow takes as many."""
PROMPT_RATIO = 12
"""Tokens read for each written at most, where only the written ones are limited."""


def grow(command: GrowVerb) -> int:
    """Grow, write, and print yield, cost and reasons; 2 if fewer came than were asked for."""
    from trivium.llm.cache import CallCache, cache_path
    from trivium.llm.generate import Allowance
    from trivium.store.progress import make_progress
    from trivium.synthesize.book import Book
    from trivium.synthesize.catalogue import FLOWS
    from trivium.synthesize.grow import Guards
    from trivium.synthesize.grow import grow as run
    from trivium.synthesize.seedbox import load_seeds
    from trivium.synthesize.session import Tools

    if command.flow not in FLOWS:
        raise ConfigError(f"grow: got flow {command.flow!r}; expected one of {', '.join(FLOWS)}; name one.")
    seeds = load_seeds(FLOWS[command.flow].seeds, Path(command.data) if command.data else None, command.seed)
    folder = Path(command.out or f"runs/grow-{command.flow}")
    folder.mkdir(parents=True, exist_ok=True)
    limit = command.generated_tokens
    allowance = None
    if limit is not None:
        allowance = Allowance(
            generated=limit,
            prompt=limit * PROMPT_RATIO,
            seed_generated=SEED_TOKENS[0],
            seed_prompt=SEED_TOKENS[1],
        )
    book = Book(flow=command.flow)
    backend = open_teacher(command)
    try:
        with (
            CallCache(cache_path(folder)) as cache,
            _sandbox() as runner,
            make_progress(f"grow {command.flow}", command.count, "rows") as bar,
        ):

            def note(seed: Any, desk: Any, outcome: Any) -> None:
                before = len(book.examples)
                book.note(seed, desk, outcome)
                bar.advance(min(len(book.examples), command.count) - min(before, command.count))

            harvest = run(
                command.flow,
                seeds,
                backend,
                cache,
                target=command.count,
                tools=Tools(runner=runner, judge_model=command.judge_model),
                guards=Guards(evaluation=_evaluation(command.against)),
                max_candidates=command.max_candidates,
                ahead=max(1, min(backend.concurrency, 64)),
                allowance=allowance,
                on_seed=note,
            )
    finally:
        backend.close()
    return _finish(command, harvest, book, folder)


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
    short = harvest.shortfall
    metrics = {
        **{"flow": command.flow, "wanted": command.count, "accepted": len(harvest.accepted)},
        **{"seeds": harvest.taken, "accepted_seeds": book.accepted, "surplus_seeds": harvest.surplus},
        **{"calls": dict(harvest.calls), "lost": harvest.reasons()},
        **{"generated_tokens": harvest.generated_tokens, "prompt_tokens": harvest.prompt_tokens},
        **{"diversity": measure(texts), "shortfall": dataclasses.asdict(short) if short else None},
    }
    write_json(folder / "metrics.json", metrics)
    print(f"{len(harvest.accepted):,} of {command.count:,} rows from {harvest.taken:,} seeds, in {folder}")
    tokens = f"{harvest.generated_tokens:,} tokens written and {harvest.prompt_tokens:,} read"
    print(f"{tokens} in {harvest.calls.total():,} calls")
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
