"""Constraints on a reply's words: letters, first and last word, how many, which and which not.

A kind is four functions and the ways to ask for it. `check` is strict; `satisfy` changes a reply so that it
passes, `near_miss` changes a passing reply so that it fails this kind and, as far as it can, no other. The
kinds on a reply's layout are in `constraint_formats`.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable
from typing import Any

Params = dict[str, Any]

FILLERS = ("so", "and", "then", "too")
"""Words that no task and no constraint asks for; they spoil counts and ends."""

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

END_MARKS = ".!?"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a parameter sampler may draw from."""

    words: tuple[str, ...]
    """Words that the reply does not need, for keywords, first and last words."""
    members: tuple[str, ...] = ()
    """Words that the reply might use, for `forbid`; empty if it needs no word it could avoid."""
    request: str = ""
    """The request's first sentence."""
    items: int = 0
    """How many items the reply has; 0 leaves it to the constraint."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of constraint."""

    wordings: tuple[str, ...]
    """Ways to ask for it; braces name parameters, `{count_word}` is `count` in letters."""
    check: Callable[..., bool]
    """(reply, **params) -> whether the reply obeys."""
    satisfy: Callable[[str, Params, random.Random], str]
    near_miss: Callable[[str, Params, random.Random], str]
    sample: Callable[[random.Random, Context], Params] = lambda rng, context: {}
    rank: int
    """Kinds are satisfied in this order: words first, frame last."""


def words_of(text: str) -> list[str]:
    """Return the words and numbers of a text, without punctuation."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text)


def folded(text: str) -> list[str]:
    """Return the words in lower case."""
    return [word.casefold() for word in words_of(text)]


def ask(kind: Kind, params: Params, rng: random.Random) -> str:
    """Write the instruction in one of its wordings."""
    filled = {name: ", ".join(v) if isinstance(v, list) else v for name, v in params.items()}
    if "count" in params:
        filled["count_word"] = count_word(params["count"])
    return rng.choice(kind.wordings).format(**filled)


def count_word(count: int) -> str:
    """Return a small number in letters, a larger one in digits."""
    return NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else str(count)


def sentence(items: list[str]) -> str:
    """Write items as the plainest reply: commas between, first letter large, a full stop."""
    text = ", ".join(items)
    return text[:1].upper() + text[1:] + "."


def split_end(text: str) -> tuple[str, str]:
    """Cut a text into its body and the marks and spaces that close it."""
    body = text.rstrip().rstrip(END_MARKS)
    return body, text[len(body) :]


def append_word(text: str, word: str, joint: str = ", ") -> str:
    """Add a word before the closing mark."""
    body, end = split_end(text)
    return f"{body}{joint if body else ''}{word}{end}"


def prepend_word(text: str, word: str) -> str:
    """Add a word in front; the large first letter moves to it."""
    rest = text[:1].lower() + text[1:] if text[1:2].islower() else text
    return f"{word[:1].upper()}{word[1:]} {rest}" if rest != text else f"{word} {text}"


def remove_word(text: str, word: str) -> str:
    """Take every occurrence of a word out, with one comma or space beside it."""
    pattern = rf"(?:[,;]?\s+)?\b{re.escape(word)}\b(?![\w'])"
    left = re.sub(pattern, "", text, flags=re.IGNORECASE).strip()
    left = re.sub(r"^[,;]\s*", "", left)
    return left[:1].upper() + left[1:] if text[:1].isupper() else left


def change_one_word(text: str, rng: random.Random, change: Callable[[str], str]) -> str:
    """Rewrite one word that the rewriting changes; the text stays as it is if there is none."""
    spots = [found for found in re.finditer(r"[^\W\d_]+", text) if change(found[0]) != found[0]]
    if not spots:
        return text
    spot = rng.choice(spots)
    return text[: spot.start()] + change(spot[0]) + text[spot.end() :]


def _one_word(rng: random.Random, context: Context) -> Params:
    return {"word": rng.choice(context.words)}


def _has_letters(reply: str) -> bool:
    return any(letter.isalpha() for letter in reply)


def _is_title(reply: str) -> bool:
    initials = [word[0] for word in words_of(reply)]
    return _has_letters(reply) and all(letter.isupper() or letter.isdigit() for letter in initials)


def _to_title(text: str, params: Params, rng: random.Random) -> str:
    return re.sub(r"[^\W_]+(?:'[^\W_]+)*", lambda found: found[0][:1].upper() + found[0][1:], text)


def _starts(reply: str, word: str) -> bool:
    return folded(reply)[:1] == [word]


def _ends(reply: str, word: str) -> bool:
    return folded(reply)[-1:] == [word]


def _make_start(text: str, params: Params, rng: random.Random) -> str:
    return text if _starts(text, params["word"]) else prepend_word(text, params["word"])


def _make_end(text: str, params: Params, rng: random.Random) -> str:
    return text if _ends(text, params["word"]) else append_word(text, params["word"])


def _add_filler(text: str, params: Params, rng: random.Random) -> str:
    return append_word(text, rng.choice(FILLERS))


def _lead_filler(text: str, params: Params, rng: random.Random) -> str:
    return prepend_word(text, rng.choice(FILLERS))


def _make_count(text: str, params: Params, rng: random.Random) -> str:
    spots = list(re.finditer(r"[^\W_]+(?:'[^\W_]+)*", text))
    count = params["count"]
    if len(spots) > count:
        return text[: spots[count - 1].end()] + split_end(text)[1]
    for _ in range(count - len(spots)):
        text = append_word(text, rng.choice(FILLERS))
    return text


def _keyword_times(reply: str, word: str, count: int) -> bool:
    return folded(reply).count(word) == count


def _make_keyword(text: str, params: Params, rng: random.Random) -> str:
    missing = params["count"] - folded(text).count(params["word"])
    if missing < 0:
        text = remove_word(text, params["word"])
        missing = params["count"]
    for _ in range(missing):
        text = append_word(text, params["word"])
    return text


def _miss_keyword(text: str, params: Params, rng: random.Random) -> str:
    return append_word(text, params["word"])


def _sample_keyword(rng: random.Random, context: Context) -> Params:
    return {"word": rng.choice(context.words), "count": rng.randint(2, 3)}


def _make_include(text: str, params: Params, rng: random.Random) -> str:
    return text if params["word"] in folded(text) else append_word(text, params["word"])


def _sample_count(rng: random.Random, context: Context) -> Params:
    return {"count": context.items or rng.randint(2, 6)}


WORD_KINDS: dict[str, Kind] = {
    "upper": Kind(
        wordings=("Write in capital letters only.", "Use only capital letters.", "Answer in capitals."),
        check=lambda reply: _has_letters(reply) and reply == reply.upper(),
        satisfy=lambda text, params, rng: text.upper(),
        near_miss=lambda text, params, rng: change_one_word(text, rng, str.lower),
        rank=8,
    ),
    "lower": Kind(
        wordings=("Write in small letters only.", "Use only small letters.", "Use no capital letters."),
        check=lambda reply: _has_letters(reply) and reply == reply.lower(),
        satisfy=lambda text, params, rng: text.lower(),
        near_miss=lambda text, params, rng: change_one_word(text, rng, str.capitalize),
        rank=8,
    ),
    "title": Kind(
        wordings=("Start every word with a capital letter.", "Give each word a large first letter."),
        check=_is_title,
        satisfy=_to_title,
        near_miss=lambda text, params, rng: change_one_word(text, rng, str.lower),
        rank=8,
    ),
    "start_word": Kind(
        wordings=("Start with the word {word}.", "Begin with {word}.", "The first word must be {word}."),
        check=_starts,
        satisfy=_make_start,
        near_miss=_lead_filler,
        sample=_one_word,
        rank=3,
    ),
    "end_word": Kind(
        wordings=("End with the word {word}.", "Finish with {word}.", "The last word must be {word}."),
        check=_ends,
        satisfy=_make_end,
        near_miss=_add_filler,
        sample=_one_word,
        rank=3,
    ),
    "word_count": Kind(
        wordings=(
            "Use exactly {count_word} words.",
            "Write {count_word} words.",
            "Use {count_word} words only.",
        ),
        check=lambda reply, count: len(words_of(reply)) == count,
        satisfy=_make_count,
        near_miss=_add_filler,
        sample=_sample_count,
        rank=2,
    ),
    "keyword_count": Kind(
        wordings=("Use the word {word} exactly {count_word} times.", "Say {word} {count_word} times."),
        check=_keyword_times,
        satisfy=_make_keyword,
        near_miss=_miss_keyword,
        sample=_sample_keyword,
        rank=1,
    ),
    "include": Kind(
        wordings=("Use the word {word}.", "Include the word {word}.", "The reply must have {word} in it."),
        check=lambda reply, word: word in folded(reply),
        satisfy=_make_include,
        near_miss=lambda text, params, rng: remove_word(text, params["word"]),
        sample=_one_word,
        rank=1,
    ),
    "forbid": Kind(
        wordings=("Do not use the word {word}.", "Leave out {word}.", "Do not say {word}."),
        check=lambda reply, word: word not in folded(reply),
        satisfy=lambda text, params, rng: remove_word(text, params["word"]),
        near_miss=lambda text, params, rng: append_word(text, params["word"]),
        sample=lambda rng, context: {"word": rng.choice(context.members or context.words)},
        rank=0,
    ),
}
