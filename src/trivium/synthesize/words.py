"""Words, n-grams and overlaps: what the filters count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

STOPWORDS = frozenset(
    """a about after all also an and any are as at be because been before between both but by can cannot
    could did do does each either else for from had has have how if in into is it its itself may might more
    most must no nor not of on one only or other our out over same shall should so some such than that the
    their them then there these they this those through to too under until up use used uses using was we were
    what when where which while who why will with within without would you your""".split()
)
NEGATIONS = frozenset("not no never cannot without neither nor none unless nothing".split())

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|[^\w\s]")
_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019]*|\d+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SPELLED = "zero one two three four five six seven eight nine ten eleven twelve".split()
_NAME = re.compile(
    r"\b(?:\w+(?=\(\))|[A-Z]\w*(?:-\w+)+|\w*[a-z]\w*[A-Z]\w*|\w+(?:\.\w+)+|\w*[A-Za-z]\w*_\w+|_\w+|[A-Z]{2,}\w*)\b"
)


def code_tokens(text: str) -> list[str]:
    """Return identifiers, numbers and signs."""
    return _TOKEN.findall(text)


def plain_words(text: str) -> list[str]:
    """Return words and numbers in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def content_stems(text: str) -> set[str]:
    """Return the first five letters of every word that carries meaning: crude stems, but enough."""
    return {word[:5] for word in plain_words(text) if len(word) > 2 and word not in STOPWORDS}


def numbers(text: str) -> set[str]:
    """Return the numbers of a text; those spelled out up to twelve count as digits, except `one`."""
    found = {number.replace(",", "") for number in _NUMBER.findall(text)}
    spelled = {str(_SPELLED.index(word)) for word in plain_words(text) if word in _SPELLED and word != "one"}
    return found | spelled


def names(text: str) -> set[str]:
    """Return, in lower case, the names of a text: what a rewrite must not invent.

    That is dotted, underscored and inner-capital words, acronyms, and capitalised words inside sentences.
    """
    found = set(_NAME.findall(text))
    for sentence in sentences(text):
        found |= {
            word for word in re.findall(r"\b[A-Z][a-z]+\b", sentence)[0:] if not sentence.startswith(word)
        }
    return {name.lower() for name in found}


def sentences(text: str) -> list[str]:
    """Split at full stops, question and exclamation marks that end a word, and at blank lines."""
    flat = re.sub(r"[ \t]*\n[ \t]*(?!\n)", " ", re.sub(r"\n\s*\n", "\0", text))
    parts = [
        part
        for block in flat.split("\0")
        for part in re.split(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z0-9\"'(])", block)
    ]
    return [part.strip() for part in parts if part.strip()]


def ngrams(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Return the n-grams in order; fewer tokens than `size` give none."""
    return [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]


def copied_share(text: str, source: str, size: int = 6) -> float:
    """Return the share of the text's word n-grams that stand in the source; short texts count words."""
    words = plain_words(text)
    size = max(1, min(size, len(words)))
    grams = ngrams(words, size)
    known = set(ngrams(plain_words(source), size))
    return sum(gram in known for gram in grams) / max(len(grams), 1)


def most_repeated(text: str, size: int = 4) -> int:
    """Return how often the commonest word n-gram occurs."""
    counts = Counter(ngrams(plain_words(text), size))
    return max(counts.values(), default=0)


def overlap_f1(one: str, other: str) -> float:
    """Return the F1 of the content stems of two answers; two empty answers agree."""
    left, right = content_stems(one), content_stems(other)
    if not left and not right:
        return 1.0 if plain_words(one) == plain_words(other) else 0.0
    return 2 * len(left & right) / (len(left) + len(right))
