"""The simple tasks that constraints are put on: say a word, list words of a group, copy words, count words.

Under forty words, short and common: a tokenizer of a thousand entries holds most of them as one token, and a
model of a million parameters can learn what is asked, so that the constraint decides. Lists are written in
one order, which is learnt soonest; the check takes any. Every task has a check of its own: obeying a format
without doing the task is not passing.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

from trivium.verify.constraint_kinds import Context, Params, count_word, folded, sentence, words_of

GROUPS: dict[str, tuple[str, ...]] = {
    "colours": ("red", "blue", "green", "black", "white", "pink"),
    "animals": ("cat", "dog", "cow", "pig", "hen", "fox"),
    "foods": ("egg", "plum", "pear", "cake", "nut", "rice"),
    "things": ("cup", "box", "pen", "book", "hat", "key"),
    "body parts": ("eye", "ear", "nose", "arm", "leg", "hand"),
}
NOUNS = tuple(word for group in GROUPS.values() for word in group)
KEYWORDS = ("now", "yes", "sun", "moon", "tree", "rain", "home", "king")
"""For first, last and required words: in no group, so a task's check is never confused by them."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A request, the plainest right reply to it, and how a reply is checked."""

    name: str
    """Key of `TASK_CHECKS`."""
    params: Params
    request: str
    """One sentence."""
    reply: str
    context: Context
    spare: str = ""
    """The next word of the group, which steps in for a forbidden one."""

    def without(self, word: str) -> str:
        """Return the plain reply with the spare word in the place of a forbidden one."""
        named = [self.spare if one == word else one for one in folded(self.reply)]
        return sentence(sorted(named, key=NOUNS.index))


def has_words(reply: str, words: list[str]) -> bool:
    """Whether the words come in this order, whatever stands between them."""
    left = iter(folded(reply))
    return all(word in left for word in words)


def lists_members(reply: str, group: str, count: int) -> bool:
    """Whether the reply names `count` different words of the group; 0 asks for any number over 0."""
    named = [word for word in folded(reply) if word in GROUPS[group]]
    return len(set(named)) == count if count else bool(named)


def says_number(reply: str, number: int) -> bool:
    """Whether every number in the reply is this one, and there is one."""
    numbers = {word for word in words_of(reply) if word.isdigit()}
    return numbers == {str(number)}


TASK_CHECKS: dict[str, Callable[..., bool]] = {
    "task_copy": has_words,
    "task_list": lists_members,
    "task_count": says_number,
}


def say_task(rng: random.Random) -> Task:
    """`Say the word cat.`, that word."""
    word = rng.choice(NOUNS)
    request = rng.choice(("Say the word {}.", "Write the word {}.", "Copy the word {}.")).format(word)
    context = Context(words=KEYWORDS, request=request, items=1)
    return Task(
        name="task_copy", params={"words": [word]}, request=request, reply=sentence([word]), context=context
    )


def copy_task(rng: random.Random) -> Task:
    """`Copy these words: cat cup.`, the same words."""
    words = rng.sample(NOUNS, rng.randint(2, 3))
    asked = rng.choice(("Copy these words: {}.", "Write these words: {}.", "Say these words: {}."))
    request = asked.format(" ".join(words))
    context = Context(words=KEYWORDS, request=request, items=len(words))
    return Task(
        name="task_copy", params={"words": words}, request=request, reply=sentence(words), context=context
    )


def list_task(rng: random.Random) -> Task:
    """`List three colours.`, three of them."""
    return _list(rng, rng.randint(2, 4), open_count=False)


def open_list_task(rng: random.Random) -> Task:
    """`List some colours.`: a constraint says how many."""
    return _list(rng, rng.randint(2, 5), open_count=True)


def _list(rng: random.Random, count: int, *, open_count: bool) -> Task:
    group = rng.choice(sorted(GROUPS))
    # Only a word that the plain reply would use is worth forbidding.
    forbidden = rng.choice(GROUPS[group][:count])
    named = list(GROUPS[group][:count])
    asked = rng.choice(("List {} {}.", "Name {} {}.", "Give me {} {}."))
    request = asked.format("some" if open_count else count_word(count), group)
    context = Context(words=KEYWORDS, members=(forbidden,), request=request, items=count)
    params = {"group": group, "count": 0 if open_count else count}
    spare = GROUPS[group][count]
    return Task(
        name="task_list", params=params, request=request, reply=sentence(named), context=context, spare=spare
    )


def count_task(rng: random.Random) -> Task:
    """`Count these words: cat sun.`, how many there are."""
    words = rng.sample(NOUNS, rng.randint(2, 5))
    request = rng.choice(("Count these words: {}.", "How many words are here: {}?")).format(" ".join(words))
    context = Context(words=KEYWORDS, request=request)
    reply = f"There are {len(words)} words."
    return Task(
        name="task_count", params={"number": len(words)}, request=request, reply=reply, context=context
    )


_FRAMES = ("quotes", "brackets", "json_key", "repeat_request", "end_mark", "twice")
_CASES = ("upper", "lower", "title")
_ADDED = ("start_word", "end_word", "include", "keyword_count")
_LINES = ("bullets", "numbered", "separator")

TASKS: tuple[tuple[Callable[[random.Random], Task], int, tuple[str, ...], tuple[str, ...]], ...] = (
    (say_task, 4, (), ("upper", "lower", *_ADDED, *_FRAMES)),
    (list_task, 5, (), (*_CASES, *_ADDED, *_FRAMES, *_LINES, "no_commas", "forbid")),
    (open_list_task, 1, ("word_count", *_LINES), (*_CASES, *_ADDED, *_FRAMES, "no_commas", "forbid")),
    (copy_task, 2, (), (*_CASES, *_ADDED, *_FRAMES, *_LINES, "no_commas")),
    (count_task, 1, ("number_only",), ()),
    (count_task, 1, (), (*_CASES, *_ADDED, *_FRAMES)),
)
"""(maker, weight, kinds of which it needs one, kinds that may join). A kind that the plain reply obeys anyway
(no commas in a count) is left out: it would be passed without being heard. Copying several words in order
asks for an induction circuit, which a model this small forms late or never, so most tasks do without."""
