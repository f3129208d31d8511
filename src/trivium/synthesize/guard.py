"""Keeps withheld facts out: what nobody may know must stand in no training row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from trivium.problems.facts import Fact, source_files, states


class Withheld:
    """Says which withheld fact a text gives away, if any.

    The check is `problems.facts.states`, line by line; only facts whose key and value occur in the text at
    all are put to it, since there are many texts.
    """

    def __init__(self, facts: Sequence[Fact]) -> None:
        """Index the facts by the first word of their key."""
        self._by_word: dict[str, list[Fact]] = {}
        for fact in facts:
            for word in _words(fact.key)[:1]:
                self._by_word.setdefault(word, []).append(fact)
        self._sources = frozenset(source_files())

    def source_is_closed(self, source: str) -> bool:
        """Say whether a source file is one of those that print the tables."""
        return source in self._sources

    def given_away(self, text: str) -> str:
        """Return a withheld fact that the text states, as `table key`; empty if it states none.

        The text counts as one line, so that a question and its answer below it are caught.
        """
        for fact in self.stated(" ".join(text.split())):
            return f"{fact.table} {fact.key}"
        return ""

    def stated(self, text: str) -> Iterator[Fact]:
        """Yield the facts that one line of the text states."""
        lowered = text.lower()
        for word in sorted(set(_words(text)) & self._by_word.keys()):
            for fact in self._by_word[word]:
                if fact.value.lower() in lowered and states(text, fact):
                    yield fact


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
