"""Facts that nobody may know: rows that state one are dropped, so that refusing is the right reply."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from trivium.problems.facts import Fact, source_files, split_known, states, tables

WORD = re.compile(r"\w+")


class WithheldFacts:
    """Finds withheld facts in texts; `problems.facts.states` decides, an index of first words proposes."""

    def __init__(self, seed: int) -> None:
        """Withhold what `problems.facts.split_known` withholds for this seed (the run's)."""
        _, for_training, for_testing = split_known(tables(), seed)
        self._facts: dict[str, list[Fact]] = defaultdict(list)
        for fact in (*for_training, *for_testing):
            self._facts[WORD.findall(fact.key.lower())[0]].append(fact)
        self._closed = frozenset(source_files())

    def is_closed(self, source: str) -> bool:
        """Say whether a source file prints whole tables and must stay out as such."""
        return source in self._closed

    def stated_in(self, text: str) -> str:
        """Return `table key` of the first withheld fact that a text states, or "" if it states none."""
        lowered = text.lower()
        for word in sorted(self._facts.keys() & set(WORD.findall(lowered))):
            for fact in self._facts[word]:
                if fact.value.lower() in lowered and states(text, fact):
                    return f"{fact.table} {fact.key}"
        return ""


def give_away(facts: WithheldFacts, texts: Sequence[str]) -> list[str]:
    """Return for each text what `stated_in` returns."""
    return [facts.stated_in(text) for text in texts]
