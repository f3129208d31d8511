"""Grow exactly N accepted examples with one flow, behind the guards that every flow stands behind.

    harvest = grow("rewrite", seeds, backend, cache, target=100, tools=Tools(runner=sandbox))

Guards: a cap on generation depth, facts that must stay unknown, overlap with evaluation items, repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from trivium.llm.budget import Allowance, Prices
from trivium.llm.cache import CallCache
from trivium.llm.calls import Backend
from trivium.llm.generate import Desk, Harvest, Lost, generate
from trivium.records import Example
from trivium.synthesize import words
from trivium.synthesize.catalogue import FLOWS
from trivium.synthesize.seeds import Seed
from trivium.synthesize.session import Session, Tools, text_of

MOST_DEPTH = 2
"""No row is grown deeper than this: training on what was grown from grown text over and over narrows a model
(accumulation and outside verifiers hold it off: arXiv:2404.01413, arXiv:2510.16657)."""
CONTAMINATED_NGRAM = 13
"""Words in a row with an evaluation item that throw a row away. Source: Phi-4 report, appendix B."""

LARGEST_SEED = (4_000, 24_000)
"""Most tokens that one seed may have written and read under a budget; no flow takes as many."""
PROMPT_RATIO = 12
"""Tokens read for each written at most, where only the written ones are limited."""


@dataclass(kw_only=True)
class Guards:
    """What no flow's output may be, whatever the flow."""

    given_away: Callable[[str], str] | None = None
    """Names the withheld fact that a text states, or returns an empty string."""
    evaluation: Iterable[str] = ()
    """Texts of evaluation items."""
    _grams: set[tuple[str, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Index the evaluation items."""
        for text in self.evaluation:
            self._grams |= set(words.ngrams(words.plain_words(text), CONTAMINATED_NGRAM))

    def objection(self, example: Example) -> str:
        """Say why a row may not leave; empty if it may."""
        text = text_of(example)
        if example.depth > MOST_DEPTH:
            return "generation depth"
        if self._grams and self._grams & set(words.ngrams(words.plain_words(text), CONTAMINATED_NGRAM)):
            return "overlaps an evaluation item"
        if self.given_away is not None and (fact := self.given_away(" ".join(text.split()))):
            return f"withheld fact: {fact}"
        return ""


def budget(
    generated: int | None, money: float | None = None, prices: Prices | None = None
) -> Allowance | None:
    """Return the hard limit of a run of any flow, None where nothing is limited.

    Raises:
        ConfigError: A limit is below 0, or money is limited without prices.
    """
    if generated is None and money is None:
        return None
    return Allowance(
        generated=generated,
        prompt=None if generated is None else generated * PROMPT_RATIO,
        seed_generated=LARGEST_SEED[0],
        seed_prompt=LARGEST_SEED[1],
        money=money,
        prices=prices,
    )


def grow(
    flow: str,
    seeds: Iterable[Seed],
    backend: Backend,
    cache: CallCache | None = None,
    *,
    target: int,
    tools: Tools | None = None,
    guards: Guards | None = None,
    max_candidates: int | None = None,
    ahead: int = 64,
    allowance: Allowance | None = None,
    on_seed: Callable[[Seed, Desk, list[Any] | Lost], None] | None = None,
) -> Harvest:
    """Grow examples with one flow of `catalogue.FLOWS` until exactly `target` are accepted.

    Returns:
        The harvest of `llm.generate`: examples in seed order, every lost seed with step, reason and raw
        reply, and a typed shortfall if there are fewer than `target`.
    """
    work, given, watch = FLOWS[flow].grow, tools or Tools(), guards or Guards()

    async def one(seed: Seed, desk: Desk) -> list[Example]:
        session = Session(flow, seed, desk, given)
        if seed.depth >= MOST_DEPTH:
            raise Lost("guard", "generation depth", seed.text)
        made = await work(session)
        for example in made:
            session.object_if("guard", watch.objection(example), text_of(example))
        return made

    return generate(
        seeds,
        one,
        backend,
        cache,
        target=target,
        max_candidates=max_candidates,
        ahead=ahead,
        allowance=allowance,
        on_seed=on_seed,
    )
