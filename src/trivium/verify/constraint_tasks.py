"""The simple tasks that constraints are put on: copy words, list words of a group, count words.

About sixty common words, so that a model of a million parameters can learn what is asked and the constraint
is what decides. Every task has a check of its own: obeying a format without doing the task is not passing.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

from trivium.verify.constraint_kinds import Context, Params, count_word, folded, sentence, words_of

GROUPS: dict[str, tuple[str, ...]] = {
    "colours": ("red", "blue", "green", "black", "white", "pink", "grey", "brown"),
    "animals": ("cat", "dog", "cow", "pig", "hen", "fox", "bee", "owl"),
    "foods": ("bread", "milk", "rice", "egg", "soup", "cake", "plum", "pear"),
    "things": ("cup", "box", "pen", "book", "hat", "key", "bed", "door"),
    "body parts": ("hand", "foot", "eye", "ear", "nose", "arm", "leg", "head"),
}
NOUNS = tuple(word for group in GROUPS.values() for word in group)
KEYWORDS = ("now", "yes", "here", "well", "today", "please", "friend", "sun", "moon", "tree", "water", "home")
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


def copy_task(rng: random.Random) -> Task:
    """`Copy these words: cat sun.`, the same words."""
    words = rng.sample(NOUNS, rng.randint(2, 4))
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
    forbidden, *named = rng.sample(GROUPS[group], count + 1)
    asked = rng.choice(("List {} {}.", "Name {} {}.", "Give me {} {}."))
    request = asked.format("some" if open_count else count_word(count), group)
    context = Context(words=KEYWORDS, members=(forbidden,), request=request, items=count)
    params = {"group": group, "count": 0 if open_count else count}
    return Task(name="task_list", params=params, request=request, reply=sentence(named), context=context)


def count_task(rng: random.Random) -> Task:
    """`Count these words: cat sun.`, how many there are."""
    words = rng.sample(NOUNS, rng.randint(2, 6))
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
    (copy_task, 5, (), (*_CASES, *_ADDED, *_FRAMES, *_LINES, "no_commas")),
    (list_task, 3, (), (*_CASES, *_ADDED, *_FRAMES, *_LINES, "no_commas", "forbid")),
    (open_list_task, 1, ("word_count", *_LINES), (*_CASES, *_ADDED, *_FRAMES, "no_commas", "forbid")),
    (count_task, 1, ("number_only",), ()),
    (count_task, 1, (), (*_CASES, *_ADDED, *_FRAMES)),
)
"""(maker, weight, kinds of which it needs one, kinds that may join). A kind that the plain reply obeys anyway
(no commas in a count) is left out: it would be passed without being heard."""
