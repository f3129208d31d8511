"""The words of an address or a form: read, never trusted."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from trivium.errors import DataError


class Query:
    """Pairs of key and value in the order they came."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Keep the pairs."""
        self.pairs = list(pairs)

    @property
    def part(self) -> bool:
        """Whether only a fragment is asked for, by a script of ours."""
        return bool(self.get("part"))

    def get(self, key: str, default: str = "") -> str:
        """Return the first value of a key."""
        return next((value for name, value in self.pairs if name == key), default)

    def all(self, key: str) -> list[str]:
        """Return every value of a key."""
        return [value for name, value in self.pairs if name == key]

    def starting(self, prefix: str) -> list[tuple[str, str]]:
        """Return (rest of the key, value) of every key with this prefix."""
        return [(name.removeprefix(prefix), value) for name, value in self.pairs if name.startswith(prefix)]

    def whole(self, key: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
        """Return a whole number within bounds; nearest bound for what lies outside.

        Raises:
            DataError: The value is no whole number.
        """
        text = self.get(key)
        if not text:
            return default
        try:
            return min(most, max(least, int(text)))
        except ValueError:
            raise DataError(f"{key}: got {text[:40]!r}; expected a whole number.") from None

    def number(self, key: str, default: float) -> float:
        """Return a number.

        Raises:
            DataError: The value is no number.
        """
        text = self.get(key)
        try:
            return float(text) if text else default
        except ValueError:
            raise DataError(f"{key}: got {text[:40]!r}; expected a number.") from None

    def with_(self, **changes: str | None) -> str:
        """Return the address's words with some changed; None leaves a key out."""
        return change(self.pairs, changes)

    def toggled(self, key: str, value: str) -> str:
        """Return the words with one pair added, or taken out where it was there; the first page again."""
        kept = [pair for pair in self.pairs if pair[0] not in ("page", "part")]
        pair = (key, value)
        return urlencode([p for p in kept if p != pair] if pair in kept else [*kept, pair])


def change(pairs: Sequence[tuple[str, str]], changes: dict[str, str | None]) -> str:
    """Return encoded pairs with some keys replaced."""
    kept = [(key, value) for key, value in pairs if key not in changes and key != "part"]
    return urlencode(kept + [(key, value) for key, value in changes.items() if value is not None])
