"""The stage's three teacher flows: each with its part of one token budget, every call in the books."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trivium.errors import ConfigError
from trivium.llm import Backend, CallCache
from trivium.llm.budget import Allowance, Prices
from trivium.llm.generate import Desk, Lost
from trivium.llm.teacher import HOW_TO_GET, find_weights
from trivium.records import Document, Passage
from trivium.store.progress import Progress, SilentProgress
from trivium.synthesize import fidelity
from trivium.synthesize.book import Book
from trivium.synthesize.grow import Guards, grow
from trivium.synthesize.guard import Withheld
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.seeds import Function, Seed, plainest_first, read_function, stretches
from trivium.synthesize.session import Tools

AHEAD = 8
"""Seeds under way at once; fixed, so that the budget ends at the same seed on every machine."""
SEED_TOKENS = {"reversal": (300, 700), "rewrite": (345, 1_100), "questions": (300, 1_000)}
"""Most tokens that a seed may have written and read: all its calls at their limits, with one drawn anew."""


def teach(
    backend: Backend,
    cache: CallCache | None,
    config: TeacherConfig,
    documents: Sequence[Document],
    passages: Sequence[Passage],
    guard: Withheld,
    runner: Any,
    progress: Callable[[str, int, str], Progress] | None = None,
) -> list[Book]:
    """Run reversal, rewriting and questions, each with its share of the budget; the next may use the rest.

    Args:
        backend: The teacher.
        cache: Where its replies are kept.
        config: Numbers of seeds, and the budget.
        documents: Code documents in order of preference.
        passages: Seeds of prose in order of preference.
        guard: What must stay unknown.
        runner: The sandbox, or None.
        progress: Makes a progress bar from label, number of seeds and unit (`StageDir.progress`).
    """
    seeds = seeds_by_flow(config, documents, passages, guard)
    tools = Tools(
        runner=runner,
        solvers=config.reversal_solvers,
        agreement=config.reversal_agreement,
        rounds=config.revision_rounds,
    )
    books: list[Book] = []
    left, money = [config.generated_tokens, config.prompt_tokens], config.money
    for number, (flow, rows) in enumerate(seeds.items()):
        part = config.shares[number] / sum(config.shares[number:])
        book = Book(flow=flow)
        books.append(book)
        make_bar = progress or (lambda label, total, unit: SilentProgress())
        with make_bar(f"teacher: {flow}", len(rows), "seeds") as bar:
            harvest = grow(
                flow,
                rows,
                backend,
                cache,
                target=len(rows) * 2 + 1,  # more than there can be: the budget decides
                tools=tools,
                guards=Guards(given_away=guard.given_away),
                ahead=AHEAD,
                allowance=allowance(flow, left, part, money, config.prices),
                on_seed=noting(book, bar),
            )
        left = [left[0] - harvest.generated_tokens, left[1] - harvest.prompt_tokens]
        if money is not None and config.prices is not None:
            money -= config.prices.cost(harvest.generated_tokens, harvest.prompt_tokens)
    return books


def seeds_by_flow(
    config: TeacherConfig, documents: Sequence[Document], passages: Sequence[Passage], guard: Withheld
) -> dict[str, list[Seed]]:
    """Return the seeds of each flow, in the order in which the flows are run."""
    prose = [
        Seed(id=row.passage_id, text=row.text)
        for row in plainest_first(stretches(passages, config.passage_chars))
        if not guard.given_away(row.text)
    ]
    # The two prose flows take turns, so that they do not spend the budget on the same passages.
    return {
        "reversal": code_seeds(documents, guard)[: config.reversal_seeds],
        "rewrite": prose[::2][: config.rewrite_seeds],
        "questions": prose[1::2][: config.question_seeds],
    }


def noting(book: Book, bar: Progress) -> Callable[[Seed, Desk, list[Any] | Lost], None]:
    """Return what books a seed and moves the bar."""

    def note(seed: Seed, desk: Desk, outcome: list[Any] | Lost) -> None:
        book.note(seed, desk, outcome)
        bar.advance()

    return note


def allowance(
    flow: str,
    left: Sequence[int],
    part: float,
    money: float | None = None,
    prices: Prices | None = None,
) -> Allowance:
    """Return a flow's part of the tokens (to write, to read) and of the money that are left."""
    written, read = SEED_TOKENS[flow]
    return Allowance(
        generated=int(left[0] * part),
        prompt=int(left[1] * part),
        seed_generated=written,
        seed_prompt=read,
        money=None if money is None else money * part,
        prices=prices,
    )


def most(config: TeacherConfig) -> str:
    """Say what the stage's own three flows may take at most; it rests on the limits, not on calls."""
    written, read, prices = config.generated_tokens, config.prompt_tokens, config.prices
    cost = prices.cost(written, read) if prices else 0.0
    cost = cost if config.money is None else min(cost, config.money)
    money = f", at most {cost:.4g} in the prices' currency" if prices else ""
    return f"teacher: at most {written:,} tokens written and {read:,} read{money}"


def money_left(config: TeacherConfig, report: Mapping[str, Any]) -> float | None:
    """Return what the stage's own flows left of the money; None where it is not limited."""
    if config.money is None or config.prices is None:
        return None
    spent = config.prices.cost(report["generated_tokens"], report["prompt_tokens"])
    return max(0.0, config.money - spent)


def code_seeds(documents: Sequence[Document], guard: Withheld) -> list[Seed]:
    """Return short documented functions: those that can be run first, the shortest of them first."""
    from trivium.synthesize.flows.reversal import LONGEST_CODE

    able: list[tuple[tuple[bool, int], Seed]] = []
    for row in documents:
        if guard.source_is_closed(row.source) or guard.given_away(row.text):
            continue
        function = read_function(row)
        if isinstance(function, Function) and len(function.code) <= LONGEST_CODE:
            order = (not fidelity.is_self_contained(function), len(function.code))
            able.append(
                (
                    order,
                    Seed(
                        id=row.id, text=row.text, name=function.name, source=row.source, licence=row.licence
                    ),
                )
            )
    return [seed for _, seed in sorted(able, key=lambda entry: entry[0])]


def report(books: Sequence[Book]) -> dict[str, Any]:
    """Return calls, tokens, verdicts and cost of an accepted seed, by flow."""
    flows: dict[str, Any] = {}
    for book in books:
        read, written = (
            sum(getattr(call, f"{side}_tokens") for call in book.calls) for side in ("prompt", "completion")
        )
        flows[book.flow] = {
            "calls": len(book.calls),
            "tried": book.seeds,
            "accepted": book.accepted,
            "yield": round(book.accepted / max(book.seeds, 1), 4),
            "prompt_tokens": read,
            "generated_tokens": written,
            "generated_tokens_per_accepted": round(written / book.accepted, 1) if book.accepted else None,
            "verdicts": dict(Counter(call.verdict for call in book.calls)),
            "reasons": dict(Counter(row.reason for row in book.drops).most_common()),
        }
    return {
        "calls": sum(len(book.calls) for book in books),
        "prompt_tokens": sum(flow["prompt_tokens"] for flow in flows.values()),
        "generated_tokens": sum(flow["generated_tokens"] for flow in flows.values()),
        "flows": flows,
    }


def open_backend(config: TeacherConfig, workers: int) -> tuple[Backend | None, str]:
    """Return the configured backend, or None and why there is none.

    Raises:
        ConfigError: `where` is none of its three forms.
    """
    if config.where == "none":
        return None, "the recipe asks for no teacher"
    if config.where == "local":
        weights = find_weights()
        if weights is None:
            return None, f"no teacher weights on this machine; {HOW_TO_GET}"
        from trivium.llm.backends.llama_cpp import LlamaCpp

        return LlamaCpp(weights, servers=max(1, min(workers, os.cpu_count() or 1))), ""
    if config.where.startswith(("http://", "https://")):
        from trivium.llm.backends.openai_http import OpenAIHTTP

        return OpenAIHTTP(config.where, config.model, api_key=os.environ.get(config.key_variable, "")), ""
    raise ConfigError(
        f"synthesize.teacher.where: got {config.where!r}; expected `local`, `none` or an http address; "
        "mend the recipe."
    )
