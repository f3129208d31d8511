"""A hard limit on tokens that stops at the same call on every machine."""

from __future__ import annotations

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
