"""Hard limits on tokens and money that stop at the same call on every machine."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from trivium.errors import ConfigError
from trivium.llm.calls import Reply, Request

CHARS_A_TOKEN = 3
"""Low on purpose, so that the estimate of a prompt's length is seldom too small."""


@dataclass(kw_only=True)
class Budget:
    """Tokens that may still be spent, cached replies counted like paid ones.

    Requests are decided in order. One is charged its upper bound until it is settled, oldest first, which
    happens only when `window` requests are under way or when the next would not fit otherwise: so the
    decision depends on the replies alone and never on timing, and a resumed run stops where the first would
    have stopped. Generated tokens never pass the limit; prompt tokens are estimated from their length until
    the reply says the real number.
    """

    generated: int
    """Most tokens that the model may write."""
    prompt: int
    """Most tokens that it may read."""
    window: int = 8
    """Requests that may be under way when the next is decided; fixed, so that it is the same everywhere."""
    generated_spent: int = 0
    prompt_spent: int = 0
    calls: int = 0
    refused: int = 0
    _pending: deque[tuple[int, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.generated, self.prompt) < 0 or self.window < 1:
            raise ConfigError(
                f"budget: got {self.generated} generated tokens, {self.prompt} prompt tokens and window "
                f"{self.window}; expected none below 0 and a window of at least 1; mend the recipe."
            )

    def must_wait(self, request: Request) -> bool:
        """Say whether the oldest request under way must be settled before this one can be decided."""
        return len(self._pending) >= self.window or (bool(self._pending) and not self._fits(request))

    def admit(self, request: Request) -> bool:
        """Reserve room for a request, or refuse it for good."""
        if not self._fits(request):
            self.refused += 1
            return False
        self.calls += 1
        self._pending.append((estimate_prompt(request), request.max_tokens))
        return True

    def _fits(self, request: Request) -> bool:
        prompt = self.prompt_spent + sum(words for words, _ in self._pending) + estimate_prompt(request)
        generated = self.generated_spent + sum(tokens for _, tokens in self._pending) + request.max_tokens
        return prompt <= self.prompt and generated <= self.generated

    def settle(self, reply: Reply) -> None:
        """Charge the oldest admitted request what its reply really took."""
        self._pending.popleft()
        self.prompt_spent += reply.prompt_tokens
        self.generated_spent += reply.completion_tokens


def estimate_prompt(request: Request) -> int:
    """Return an estimate, in tokens, of what the model must read for this request."""
    return len(request.text()) // CHARS_A_TOKEN + 8


MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What an endpoint asks for a million tokens; given by who pays: a list would be out of date."""

    prompt: float
    """For a million tokens read, in any currency; with several models behind one address the dearest's."""
    generated: float
    """For a million tokens written, in the same currency."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (0 <= self.prompt < math.inf and 0 <= self.generated < math.inf):
            raise ConfigError(
                f"prices: got {self.prompt:g} and {self.generated:g}; expected what a million tokens read "
                "and written cost, none below 0; mend them."
            )

    def cost(self, written: float, read: float) -> float:
        """Return what so many tokens cost."""
        return (self.prompt * read + self.generated * written) / MILLION


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """A hard limit on tokens, money or both for a run of seeds, cached replies counted like paid ones.

    A seed is begun only if every seed under way and this one could spend their whole allowance within the
    limit; it is settled in seed order. So the run ends at the same seed on every machine, and never above.
    """

    seed_generated: int
    """Most tokens that one seed may have the model write; a flow that wants more loses the seed."""
    seed_prompt: int
    """Most that one seed may have it read."""
    generated: int | None = None
    """Most tokens that the model may write in all; None is no limit."""
    prompt: int | None = None
    """Most tokens that it may read in all; None is no limit."""
    money: float | None = None
    """Most that the tokens may cost, in the currency of the prices; None is no limit."""
    prices: Prices | None = None
    """Needed where money is limited."""

    def __post_init__(self) -> None:
        """Check that money can be counted."""
        if self.money is not None and (self.prices is None or not 0 <= self.money < math.inf):
            given = "prices" if self.prices is not None else "no prices"
            raise ConfigError(
                f"budget: got a limit of {self.money:g} and {given}; expected a limit of 0 or more and what "
                "a million tokens read and written cost at the endpoint; give both."
            )
        if min(self.generated or 0, self.prompt or 0) < 0:
            raise ConfigError(
                f"budget: got {self.generated} tokens to write; expected 0 or more; mend the number."
            )

    def short_of(self, spent: tuple[int, int], seeds: int) -> str:
        """Say which budget does not cover so many seeds beside what is spent (generated, prompt)."""
        written, read = spent[0] + seeds * self.seed_generated, spent[1] + seeds * self.seed_prompt
        if self.generated is not None and written > self.generated:
            return "token budget"
        if self.prompt is not None and read > self.prompt:
            return "token budget"
        if (
            self.money is not None
            and self.prices is not None
            and self.prices.cost(written, read) > self.money
        ):
            return "money"
        return ""
